package budget

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people do with budgets.
type Service struct {
	db  *tenant.DB
	now func() time.Time
}

// New returns a Service over the tenants' database and a clock.
func New(db *tenant.DB, now func() time.Time) *Service { return &Service{db: db, now: now} }

// Create adds a budget. A name that is taken is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Standing, err error) {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return Standing{}, err
	}
	in, limit, wrong := in.clean()
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := scope.Judge(ctx, tx, &wrong, actor.Org, in.Scope, in.ScopeID, in.ScopeValue); err != nil {
			return audit.Entry{}, err
		}
		if err := wrong.Err(); err != nil {
			return audit.Entry{}, err
		}
		made, err := insert(ctx, tx, actor.Org, in, limit)
		if err != nil {
			return audit.Entry{}, err
		}
		if created, err = stand(ctx, tx, actor.Org, made, s.now()); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "budget.create", SubjectID: made.ID.UUID, SubjectName: made.Name, After: made}, nil
	})
	return created, err
}

// Update changes the name or the limit of a budget. A limit below what is spent and leased refuses from then on.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.Budget, change Change) (updated Standing, err error) {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return Standing{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		name, limit, err := change.over(before)
		if err != nil {
			return audit.Entry{}, err
		}
		after, err := update(ctx, tx, actor.Org, id, name, limit)
		if err != nil {
			return audit.Entry{}, err
		}
		if updated, err = stand(ctx, tx, actor.Org, after, s.now()); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "budget.update", SubjectID: id.UUID, SubjectName: after.Name, Before: before, After: after}, nil
	})
	return updated, err
}

// Archive takes a budget away; its ledger is kept.
func (s *Service) Archive(ctx context.Context, actor authz.Actor, id ident.Budget) error {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := archive(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "budget.archive", SubjectID: id.UUID, SubjectName: before.Name, Before: before}, nil
	})
}

// Get returns one budget and its account in the current period, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Budget) (found Standing, err error) {
	if err := actor.Require(authz.BudgetRead); err != nil {
		return Standing{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		budget, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return err
		}
		found, err = stand(ctx, tx, actor.Org, budget, s.now())
		return err
	})
	return found, err
}

// List returns the budgets that are not archived, by name, each with its account in the current period.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Standing, err error) {
	if err := actor.Require(authz.BudgetRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = standings(ctx, tx, actor.Org, s.now())
		return err
	})
	return all, err
}
