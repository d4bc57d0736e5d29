package budget

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/money"
)

// Doubts lists the latest calls that left something of a budget in doubt; what a lost edge held is in doubt too, but of no call.
func (s *Service) Doubts(ctx context.Context, actor authz.Actor, id ident.Budget) (all []Doubt, err error) {
	if err := actor.Require(authz.BudgetRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if _, err := get(ctx, tx, actor.Org, id); err != nil {
			return err
		}
		found, err := ledger.Doubts(ctx, tx, actor.Org, id, doubtsMost)
		for _, each := range found {
			all = append(all, Doubt{each.Event, each.PeriodStart, each.Subject, money.FromPico(each.Pico), each.NotedAt})
		}
		return err
	})
	return all, err
}

// ReleaseDoubt takes everything out of doubt in a budget, as spent or as free again, with the reason in the audit log. Usage of a lost edge
// that turns up later is not counted twice. A budget with nothing in doubt is a Conflict.
func (s *Service) ReleaseDoubt(ctx context.Context, actor authz.Actor, id ident.Budget, in Release) (Released, error) {
	return s.release(ctx, actor, in, func(tx pgx.Tx, in Release) (audit.Entry, money.Amount, error) {
		found, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, money.Amount{}, err
		}
		sum, err := ledger.Release(ctx, tx, actor.Org, id, in.As == WasSpent, s.now())
		if err == nil && sum.Sign() == 0 {
			err = fault.New(fault.Conflict, "nothing of the budget %q is in doubt", found.Name)
		}
		return audit.Entry{Action: "budget.release_doubt", SubjectID: id.UUID, SubjectName: found.Name}, sum, err
	})
}

// ReleaseEventDoubt takes what one call left in doubt out of it, in every budget that it was charged to. A call of which nothing is in doubt is
// NotFound.
func (s *Service) ReleaseEventDoubt(ctx context.Context, actor authz.Actor, event ident.Event, in Release) (Released, error) {
	return s.release(ctx, actor, in, func(tx pgx.Tx, in Release) (audit.Entry, money.Amount, error) {
		most, err := ledger.ReleaseEvent(ctx, tx, actor.Org, event, in.As == WasSpent, s.now())
		if err == nil && most.Sign() == 0 {
			err = fault.New(fault.NotFound, "nothing of the call %s is in doubt", event)
		}
		return audit.Entry{Action: "usage.release_doubt", SubjectID: event.UUID, SubjectName: event.String()}, most, err
	})
}

func (s *Service) release(ctx context.Context, actor authz.Actor, in Release, do func(pgx.Tx, Release) (audit.Entry, money.Amount, error)) (Released, error) {
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
