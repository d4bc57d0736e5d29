package budget

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/tenant"
)

// doubts are the ledger's books of what is in doubt, inside a transaction that has entered org.
type doubts interface {
	Each(ctx context.Context, tx pgx.Tx, org ident.Org, budget ident.Budget, after ident.Event, at time.Time, atMost int, see func(event ident.Event, periodStart time.Time, subject string, amount money.Amount, notedAt time.Time)) error
	Release(ctx context.Context, tx pgx.Tx, org ident.Org, budget ident.Budget, asSpent bool, now time.Time) (money.Amount, error)
	ReleaseEvent(ctx context.Context, tx pgx.Tx, org ident.Org, event ident.Event, asSpent bool, now time.Time) (money.Amount, error)
}

// DoubtService is what people do with money in doubt.
type DoubtService struct {
	db    *tenant.DB
	books doubts
	now   func() time.Time
}

// NewDoubts returns a DoubtService over the tenants' database, the ledger's books and a clock.
func NewDoubts(db *tenant.DB, books doubts, now func() time.Time) *DoubtService {
	return &DoubtService{db: db, books: books, now: now}
}

// List lists a page of the calls that left something of a budget in doubt, the latest first, behind the page whose Next is after; what a lost
// edge held is in doubt too, but of no call.
func (s *DoubtService) List(ctx context.Context, actor authz.Actor, id ident.Budget, after string) (page DoubtPage, err error) {
	if err := actor.Require(authz.BudgetRead); err != nil {
		return DoubtPage{}, err
	}
	from, err := readDoubtCursor(after)
	if err != nil {
		return DoubtPage{}, err
	}
	page.Items = []Doubt{}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if _, err := get(ctx, tx, actor.Org, id); err != nil {
			return err
		}
		return s.books.Each(ctx, tx, actor.Org, id, from.EventID, from.NotedAt, doubtsMost+1, func(event ident.Event, periodStart time.Time, subject string, amount money.Amount, notedAt time.Time) {
			page.Items = append(page.Items, Doubt{event, periodStart, subject, amount, notedAt})
		})
	})
	if len(page.Items) > doubtsMost {
		page.Items = page.Items[:doubtsMost]
		page.Next = page.Items[doubtsMost-1].cursor()
	}
	return page, err
}

// Release takes everything out of doubt in a budget, as spent or as free again, with the reason in the audit log. Usage of a lost edge
// that turns up later is not counted twice. A budget with nothing in doubt is a Conflict.
func (s *DoubtService) Release(ctx context.Context, actor authz.Actor, id ident.Budget, in Release) (Released, error) {
	return s.release(ctx, actor, in, func(tx pgx.Tx, in Release) (audit.Entry, money.Amount, error) {
		found, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, money.Amount{}, err
		}
		sum, err := s.books.Release(ctx, tx, actor.Org, id, in.As == WasSpent, s.now())
		if err == nil && sum.Sign() == 0 {
			err = fault.New(fault.Conflict, "nothing of the budget %q is in doubt", found.Name)
		}
		return audit.Entry{Action: "budget.release_doubt", SubjectID: id.UUID, SubjectName: found.Name}, sum, err
	})
}

// ReleaseEvent takes what one call left in doubt out of it, in every budget that it was charged to. A call of which nothing is in doubt is
// NotFound.
func (s *DoubtService) ReleaseEvent(ctx context.Context, actor authz.Actor, event ident.Event, in Release) (Released, error) {
	return s.release(ctx, actor, in, func(tx pgx.Tx, in Release) (audit.Entry, money.Amount, error) {
		most, err := s.books.ReleaseEvent(ctx, tx, actor.Org, event, in.As == WasSpent, s.now())
		if err == nil && most.Sign() == 0 {
			err = fault.New(fault.NotFound, "nothing of the call %s is in doubt", event)
		}
		return audit.Entry{Action: "usage.release_doubt", SubjectID: event.UUID, SubjectName: event.String()}, most, err
	})
}

func (s *DoubtService) release(ctx context.Context, actor authz.Actor, in Release, do func(pgx.Tx, Release) (audit.Entry, money.Amount, error)) (Released, error) {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return Released{}, err
	}
	in, err := in.clean()
	if err != nil {
		return Released{}, err
	}
	out := Released{Release: in}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		entry, amount, err := do(tx, in)
		out.Amount = amount
		entry.After = out
		return entry, err
	})
	if err != nil {
		return Released{}, err
	}
	return out, nil
}
