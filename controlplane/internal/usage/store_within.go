package usage

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
)

// within narrows the range to where the calls of a run or a request are, and says whether there are any. A call whose caller names no run has its own
// request's id for one, of which there are no sums.
func (f *Filter) within(ctx context.Context, tx pgx.Tx, org ident.Org) (there bool, err error) {
	if err := f.nearRequest(ctx, tx, org); err != nil || f.RunID == "" {
		return f.From.Before(f.To), err
	}
	found, err := runs(ctx, tx, org, SpendQuery{To: f.To, Limit: 1}, f.RunID)
	if err != nil {
		return false, err
	}
	if len(found) == 0 {
		_, err := uuid.Parse(f.RunID)
		return err == nil, nil
	}
	f.From, f.To = later(f.From, found[0].FirstAt), earlier(f.To, found[0].LastAt.Add(time.Microsecond))
	return f.From.Before(f.To), nil
}

// nearRequest narrows the range to the time that a request's id tells, if one of its calls is there. Edges make ids of their time; the calls of another
// id are looked for in the whole range.
func (f *Filter) nearRequest(ctx context.Context, tx pgx.Tx, org ident.Org) error {
	if f.RequestID.IsZero() {
		return nil
	}
	told := whenMade(f.RequestID.UUID)
	near := Filter{RequestID: f.RequestID, From: told.Add(-clocksApart), To: told.Add(requestMax), Limit: 1}
	found, err := events(ctx, tx, org, near, place{at: near.To}, ident.Event{})
	if err == nil && len(found) > 0 {
		f.From, f.To = later(f.From, near.From), earlier(f.To, near.To)
	}
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
