package ingest

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tollgate.dev/controlplane/internal/ident"
)

const (
	lookEvery   = time.Second      // for what is to be folded here
	foldAfter   = 15 * time.Second // what is pending is folded
	foldLines   = 20_000           // or when there are so many events: whoever reads sums reads them too
	sweepEvery  = 5 * time.Minute  // for what other control planes left behind, and for hours that are over
	foldMax     = 10 * time.Minute // one transaction
	foldsAtOnce = 3                // organizations
)

// Folder adds what is pending to the sums, and hours that are over to their days. Sums are exact without it: what is not folded is read from
// where it is.
type Folder struct{ service *Service }

// Folder returns the folder of the service's sums.
func (s *Service) Folder() *Folder { return &Folder{service: s} }

// Run folds until ctx ends: everything at once and every few minutes, and what this process took in when it is due. What fails is logged
// and tried again.
func (f *Folder) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var swept time.Time
	for {
		var err error
		if now := time.Now(); now.Sub(swept) >= sweepEvery {
			swept, err = now, f.Fold(ctx)
		} else {
			err = f.foldDue(ctx)
		}
		if err != nil && ctx.Err() == nil {
			f.service.logger.ErrorContext(ctx, "usage is not folded; the next round tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Fold folds all that is pending and then every hour that is over, in transactions of bounded size. Several replicas may do so at once.
func (f *Folder) Fold(ctx context.Context) error {
	until, err := overUntil(ctx, f.service.pool)
	if err != nil {
		return err
	}
	orgs, err := foldOrgs(ctx, f.service.pool)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		if err := f.foldOrg(ctx, org, until); err != nil {
			return err
		}
	}
	return nil
}

// foldDue folds some organizations at once: who takes usage in does so for several edges at once too, and must not leave more behind than is folded.
func (f *Folder) foldDue(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(foldsAtOnce)
	for _, org := range f.service.due.take(time.Now()) {
		group.Go(func() error { return f.foldOrg(ctx, org, time.Time{}) })
	}
	return group.Wait()
}

// foldOrg folds what is pending of one organization and its hours that begin before until. What is not folded for now is due again later.
func (f *Folder) foldOrg(ctx context.Context, org ident.Org, until time.Time) error {
	for again := true; again; {
		calling, cancel := context.WithTimeout(ctx, foldMax)
		more, busy, err := foldOne(calling, f.service.pool, org, until)
		cancel()
		if again = more; err != nil || busy {
			f.service.due.add(org, 0, time.Now())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// due knows what this process took in and nobody folded yet, as far as it knows.
type due struct {
	mu   sync.Mutex
	orgs map[ident.Org]*taken
}

type taken struct {
	since time.Time
	lines int
}

func newDue() *due { return &due{orgs: map[ident.Org]*taken{}} }

func (d *due) add(org ident.Org, lines int, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.orgs[org] == nil {
		d.orgs[org] = &taken{since: now}
	}
	d.orgs[org].lines += lines
}

// take returns the organizations that are to be folded now, and forgets them.
func (d *due) take(now time.Time) (orgs []ident.Org) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for org, one := range d.orgs {
		if one.lines >= foldLines || now.Sub(one.since) >= foldAfter {
			orgs = append(orgs, org)
			delete(d.orgs, org)
		}
	}
	return orgs
}
