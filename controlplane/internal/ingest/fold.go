package ingest

import (
	"context"
	"errors"
	"sync"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

const (
	lookEvery     = 250 * time.Millisecond // for what is to be folded here
	foldAfter     = 30 * time.Second       // what is pending is folded
	foldEvents    = 40_000                 // or when there are so many events: whoever reads sums reads them too
	foldEventsMax = 60_000                 // in one transaction: the more, the fewer rows each of them adds to
	sweepEvery    = 5 * time.Minute        // for what other control planes left behind, and for hours that are over
	foldMax       = 10 * time.Minute       // one transaction
	foldAgain     = 5 * time.Second        // what did not succeed
	foldsAtOnce   = 2                      // organizations
)

// Folder adds what is pending to the sums, and hours that are over to their days. Sums are exact without it: what is not folded is read from
// where it is.
type Folder struct{ service *Service }

// Folder returns the folder of the service's sums.
func (s *Service) Folder() *Folder { return &Folder{service: s} }

// Run folds until ctx ends: everything at once and every few minutes, and what this process took in when it is due. What fails is logged
// and tried again.
func (f *Folder) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for range foldsAtOnce {
		running.Go(func() { f.repeat(ctx, lookEvery, f.foldDue) })
	}
	f.repeat(ctx, sweepEvery, f.sweep)
	running.Wait()
	return nil
}

func (f *Folder) repeat(ctx context.Context, every time.Duration, fold func(context.Context) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := fold(ctx); err != nil && ctx.Err() == nil {
			f.service.logger.ErrorContext(ctx, "usage is not folded; the next round tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Fold folds all that is pending and then every hour that is over, in transactions of bounded size. Several replicas may do so at once.
func (f *Folder) Fold(ctx context.Context) error { return f.foldAll(ctx, nobody) }

// sweep does so but for what this process keeps the sums of, which it folds by itself.
func (f *Folder) sweep(ctx context.Context) error { return f.foldAll(ctx, f.service.backlog.keeps) }

func (f *Folder) foldAll(ctx context.Context, kept func(ident.Org) []int64) error {
	until, err := overUntil(ctx, f.service.pool)
	if err != nil {
		return err
	}
	orgs, err := foldOrgs(ctx, f.service.pool)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		if err := f.foldOrg(ctx, org, until, kept); err != nil {
			return err
		}
	}
	return nil
}

func nobody(ident.Org) []int64 { return nil }

// foldDue folds what this process took in, one organization after the other, until none is due.
func (f *Folder) foldDue(ctx context.Context) error {
	for {
		if more, err := f.foldNext(ctx, time.Now()); err != nil || !more {
			return err
		}
	}
}

// foldNext folds what is to be folded first of what is due at a time, if anything is. What is not folded for now is due again later.
func (f *Folder) foldNext(ctx context.Context, at time.Time) (more bool, err error) {
	org, what, due := f.service.backlog.take(at)
	if !due {
		return false, nil
	}
	done, err := f.foldTaken(ctx, org, what)
	now, events := time.Now(), what.events
	if err != nil || done.busy {
		f.service.backlog.putBack(org, events, now, now.Add(foldAgain))
		return false, err
	}
	if done.rest && done.events < events {
		f.service.backlog.putBack(org, events-done.events, now, now)
		events = done.events
	}
	if f.service.backlog.done(events, now) {
		f.service.logger.InfoContext(ctx, "usage is folded again")
	}
	return true, nil
}

// foldTaken folds what was taken in of one organization: by the sums that are kept of it, or else what there is.
func (f *Folder) foldTaken(ctx context.Context, org ident.Org, what taken) (done foldedPart, err error) {
	ctx, cancel := context.WithTimeout(ctx, foldMax)
	defer cancel()
	if what.kept != nil && len(what.ids) > 0 {
		done, err = foldKept(ctx, f.service.pool, org, what.ids, what.kept)
		if !errors.Is(err, errFoldedElsewhere) {
			return done, err
		}
	}
	return foldOne(ctx, f.service.pool, org, time.Time{}, nobody)
}

// foldOrg folds what is pending of one organization and its hours that begin before until. While another is at it, it leaves that to it.
func (f *Folder) foldOrg(ctx context.Context, org ident.Org, until time.Time, kept func(ident.Org) []int64) error {
	for {
		calling, cancel := context.WithTimeout(ctx, foldMax)
		done, err := foldOne(calling, f.service.pool, org, until, kept)
		cancel()
		if err == nil && done.busy {
			f.service.backlog.putBack(org, 0, time.Now(), time.Now())
		}
		if err != nil || !done.more {
			return err
		}
	}
}
