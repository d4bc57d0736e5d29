package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
	"tollgate.dev/controlplane/internal/tenant"
)

// overUntil returns the start of the first hour that is not over.
func overUntil(ctx context.Context, pool *pgxpool.Pool) (time.Time, error) {
	until, err := ingestdb.New(pool).OverUntil(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the hour: %w", err)
	}
	return until, nil
}

func foldOrgs(ctx context.Context, pool *pgxpool.Pool) ([]ident.Org, error) {
	orgs, err := ingestdb.New(pool).ListFoldOrgs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	return orgs, nil
}

// foldedPart is what one transaction folded.
type foldedPart struct {
	events int  // or corrections
	rest   bool // of what is pending some is left
	more   bool // there may be more to fold
	busy   bool // another folds the organization: nothing was done
}

// foldOne folds some of what is pending of an organization, but for some numbers, or, when nothing is, its next hour that begins before until.
func foldOne(ctx context.Context, pool *pgxpool.Pool, org ident.Org, until time.Time, but func(ident.Org) []int64) (done foldedPart, err error) {
	err = folding(ctx, pool, org, &done, func(f *fold, folded time.Time) error {
		if done.events, done.rest, err = f.pending(ctx, folded, but(org)); err != nil || done.events > 0 {
			done.more = true
			return err
		}
		done.more, err = f.nextHour(ctx, until)
		return err
	})
	return done, err
}

// errFoldedElsewhere says that some of what is to be folded was folded already; nothing was done.
var errFoldedElsewhere = errors.New("some of what was pending is folded already")

// foldKept folds what is pending of an organization under some numbers, whose sums are known.
func foldKept(ctx context.Context, pool *pgxpool.Pool, org ident.Org, ids []int64, sums *gathered) (done foldedPart, err error) {
	err = folding(ctx, pool, org, &done, func(f *fold, folded time.Time) error {
		if err := f.drop(ctx, ids); err != nil {
			return err
		}
		if err := f.addUp(ctx, sums, folded); err != nil {
			return fmt.Errorf("fold what was kept of %s: %w", org, err)
		}
		return nil
	})
	return done, err
}

// folding runs a transaction that folds an organization, unless another does. Power that is lost may undo it whole, and then what was pending is
// pending again: it waits for no disk.
func folding(ctx context.Context, pool *pgxpool.Pool, org ident.Org, done *foldedPart, do func(f *fold, folded time.Time) error) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := tenant.Enter(ctx, tx, org); err != nil {
			return err
		}
		quicken(tx.Conn())
		f := &fold{ingestdb.New(tx), org}
		if err := f.SetQuick(ctx); err != nil {
			return fmt.Errorf("let the commit wait for no disk: %w", err)
		}
		if err := f.EnsureFold(ctx, org); err != nil {
			return fmt.Errorf("note what is folded of %s: %w", org, err)
		}
		folded, err := f.LockFold(ctx, org)
		if err != nil {
			return fmt.Errorf("lock what is folded of %s: %w", org, err)
		}
		if done.busy = len(folded) == 0; done.busy {
			return nil
		}
		return do(f, time.Unix(folded[0], 0))
	})
	if err != nil {
		*done = foldedPart{}
	}
	return err
}

// fold is a transaction that folds one organization, which nobody else does meanwhile.
type fold struct {
	*ingestdb.Queries
	org ident.Org
}

// pending adds a bounded part of what is pending to the sums and says how many events that was and whether some is left. Days and slices get what is of hours that are folded already.
func (f *fold) pending(ctx context.Context, folded time.Time, but []int64) (events int, rest bool, err error) {
	rows, err := f.ListPending(ctx, f.org)
	if err != nil {
		return 0, false, fmt.Errorf("list what is pending of %s: %w", f.org, err)
	}
	rows = slices.DeleteFunc(rows, func(row ingestdb.ListPendingRow) bool {
		_, not := slices.BinarySearch(but, row.PendingID)
		return not
	})
	var ids []int64
	for len(rows) > len(ids) && events < foldEventsMax {
		events += int(rows[len(ids)].Lines)
		ids = append(ids, rows[len(ids)].PendingID)
	}
	if len(ids) == 0 {
		return 0, false, nil
	}
	found, err := f.GetPending(ctx, ingestdb.GetPendingParams{OrgID: f.org, Pending: ids})
	if err != nil {
		return 0, false, fmt.Errorf("read what is pending of %s: %w", f.org, err)
	}
	if err := f.addUp(ctx, gatheredOf(found), folded); err != nil {
		return 0, false, fmt.Errorf("fold what is pending of %s: %w", f.org, err)
	}
	if err := f.drop(ctx, ids); err != nil {
		return 0, false, err
	}
	return events, len(ids) < len(rows), nil
}

// drop takes away what was pending, all of it.
func (f *fold) drop(ctx context.Context, ids []int64) error {
	rows, err := f.DropPending(ctx, ingestdb.DropPendingParams{OrgID: f.org, Pending: ids})
	if err != nil {
		return fmt.Errorf("take away what was pending of %s: %w", f.org, err)
	}
	if rows != int64(len(ids)) {
		return errFoldedElsewhere
	}
	return nil
}

func (f *fold) addUp(ctx context.Context, all *gathered, folded time.Time) error {
	if err := addHours(ctx, f.Queries, f.org, all.plain.sorted(), all.tagged.sorted()); err != nil {
		return err
	}
	if late := all.before(folded); late.size() > 0 {
		if err := addDays(ctx, f.Queries, f.org, late.plain.byDay().sorted(), late.tagged.byDay().sorted()); err != nil {
			return err
		}
		if err := addSlices(ctx, f.Queries, f.org, slicesOf(late)); err != nil {
			return err
		}
	}
	return addRuns(ctx, f.Queries, f.org, sortedRuns(all.runs))
}

// nextHour adds the first hour with usage that begins before until and is not folded to its day and to the slices, and says whether there was one. A control
// plane of before adds to hours itself: an hour is folded when every transaction is over that began in it or in the next one.
func (f *fold) nextHour(ctx context.Context, until time.Time) (folded bool, err error) {
	hours, err := f.NextHour(ctx, ingestdb.NextHourParams{OrgID: f.org, Until: until})
	if err != nil {
		return false, fmt.Errorf("look for an hour of %s to fold: %w", f.org, err)
	}
	if len(hours) == 0 {
		return false, nil
	}
	hour := hours[0]
	free, err := f.FreeHours(ctx, int32(hour.Unix()/3600))
	if err != nil || !free {
		return false, err
	}
	if _, err := f.FoldHour(ctx, ingestdb.FoldHourParams{OrgID: f.org, Hour: hour}); err != nil {
		return false, fmt.Errorf("fold %s of %s: %w", hour, f.org, err)
	}
	if _, err := f.FoldTagHour(ctx, ingestdb.FoldTagHourParams{OrgID: f.org, Hour: hour}); err != nil {
		return false, fmt.Errorf("fold the labels in %s of %s: %w", hour, f.org, err)
	}
	if err := f.sliceHour(ctx, hour); err != nil {
		return false, err
	}
	if err := f.AdvanceFold(ctx, ingestdb.AdvanceFoldParams{OrgID: f.org, Until: hour.Add(time.Hour)}); err != nil {
		return false, fmt.Errorf("advance what is folded of %s: %w", f.org, err)
	}
	return true, nil
}
