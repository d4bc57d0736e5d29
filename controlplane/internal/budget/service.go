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
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/work"
)

// spending answers what calls cost in each (UTC) hour, by where they were made, from the usage.
type spending interface {
	CostByPlace(ctx context.Context, org ident.Org, places []scope.Place, from, to time.Time) (map[scope.Place]map[time.Time]money.Amount, error)
}

// jobs takes work that is done after the commit.
type jobs interface {
	Insert(ctx context.Context, tx pgx.Tx, args work.Args) error
}

// lender takes back what edges hold.
type lender interface {
	RecallBeyond(ctx context.Context, org ident.Org, budget ident.Budget) error
}

// Service is what people do with budgets.
type Service struct {
	db       *tenant.DB
	spending spending
	lender   lender
	jobs     jobs
	now      func() time.Time
}

// New returns a Service over the tenants' database, what usage knows, the ledger and a clock. Whoever carries the jobs hands them to Turn.
func New(db *tenant.DB, spending spending, lender lender, jobs jobs, now func() time.Time) *Service {
	return &Service{db: db, spending: spending, lender: lender, jobs: jobs, now: now}
}

// Create adds a budget. A name that is taken is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Standing, err error) {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return Standing{}, err
	}
	in, limit, wrong := in.clean()
	now := s.now()
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
		if created, err = stand(ctx, tx, actor.Org, made, now); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "budget.create", SubjectID: made.ID.UUID, SubjectName: made.Name, After: made}, nil
	})
	if err != nil {
		return Standing{}, err
	}
	return s.foreseen(ctx, actor.Org, created, now)
}

// Update changes what Change may change. A limit below what is spent and leased refuses from then on.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.Budget, change Change) (updated Standing, err error) {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return Standing{}, err
	}
	now := s.now()
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		to, err := change.over(before)
		if err != nil {
			return audit.Entry{}, err
		}
		after, err := update(ctx, tx, actor.Org, id, to)
		if err != nil {
			return audit.Entry{}, err
		}
		if updated, err = stand(ctx, tx, actor.Org, after, now); err != nil {
			return audit.Entry{}, err
		}
		if after.Limit.Cmp(before.Limit) < 0 {
			if err := s.jobs.Insert(ctx, tx, Turn{Org: actor.Org, Budget: id}); err != nil {
				return audit.Entry{}, err
			}
		}
		return audit.Entry{Action: "budget.update", SubjectID: id.UUID, SubjectName: after.Name, Before: before, After: after}, nil
	})
	if err != nil {
		return Standing{}, err
	}
	return s.foreseen(ctx, actor.Org, updated, now)
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

// Get returns one budget, how it stands and its forecast, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Budget) (found Standing, err error) {
	err = s.standing(ctx, actor, id, func(_ pgx.Tx, one Standing) error {
		found = one
		return nil
	})
	if err != nil {
		return Standing{}, err
	}
	return s.foreseen(ctx, actor.Org, found, s.now())
}

// List returns the budgets that are not archived, by name, each as Get does.
func (s *Service) List(ctx context.Context, actor authz.Actor) ([]Standing, error) {
	if err := actor.Require(authz.BudgetRead); err != nil {
		return nil, err
	}
	return s.Standings(ctx, actor.Org)
}

// Standings returns what List does, for the rooms that watch over budgets.
func (s *Service) Standings(ctx context.Context, org ident.Org) (all []Standing, err error) {
	now := s.now()
	if all, err = s.accounts(ctx, org, now); err != nil {
		return nil, err
	}
	return all, s.foresee(ctx, org, all, now)
}

// Accounts returns what Standings does without the forecasts, for who looks every few seconds.
func (s *Service) Accounts(ctx context.Context, org ident.Org) ([]Standing, error) {
	return s.accounts(ctx, org, s.now())
}

func (s *Service) accounts(ctx context.Context, org ident.Org, now time.Time) (all []Standing, err error) {
	err = s.db.Read(ctx, org, func(tx pgx.Tx) error {
		budgets, err := List(ctx, tx, org)
		if err != nil {
			return err
		}
		all, err = standings(ctx, tx, org, budgets, nil, now)
		return err
	})
	return all, err
}

func (s *Service) foreseen(ctx context.Context, org ident.Org, one Standing, now time.Time) (Standing, error) {
	all := []Standing{one}
	err := s.foresee(ctx, org, all, now)
	return all[0], err
}

// foresee adds the forecasts.
func (s *Service) foresee(ctx context.Context, org ident.Org, all []Standing, now time.Time) error {
	var places []scope.Place
	for _, one := range all {
		if place := one.Place(); !scope.EachValue(place.Kind, place.Value) {
			places = append(places, place)
		}
	}
	if len(places) == 0 {
		return nil
	}
	costs, err := s.spending.CostByPlace(ctx, org, places, now.Add(-paceLook), now)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].foresee(costs[all[i].Place()], now)
	}
	return nil
}

// AccountsOf returns a page of the accounts of a budget whose values have an account of their own, in the current period.
func (s *Service) AccountsOf(ctx context.Context, actor authz.Actor, id ident.Budget, query AccountQuery) (page AccountPage, err error) {
	query, from, err := query.normal()
	if err != nil {
		return AccountPage{}, err
	}
	limit := query.Limit
	query.Limit++ // one more says whether there is another page
	err = s.standing(ctx, actor, id, func(tx pgx.Tx, one Standing) error {
		page.Items, err = accounts(ctx, tx, actor.Org, id, one.PeriodStart, query, from)
		for i, account := range page.Items {
			page.Items[i] = account.against(one.InForce())
		}
		return err
	})
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		last := page.Items[limit-1]
		page.Next = place{spent: last.Spent, subject: last.Subject}.cursor()
	}
	return page, err
}

// Holders returns what edges hold of a budget in the current period, the most first.
func (s *Service) Holders(ctx context.Context, actor authz.Actor, id ident.Budget) (all []Holder, err error) {
	err = s.standing(ctx, actor, id, func(tx pgx.Tx, one Standing) error {
		all, err = holders(ctx, tx, actor.Org, id, one.PeriodStart)
		return err
	})
	return all, err
}

// Past returns the last twelve periods of a budget that are over, the latest first, without those in which nothing was asked of it.
func (s *Service) Past(ctx context.Context, actor authz.Actor, id ident.Budget) (all []Past, err error) {
	err = s.standing(ctx, actor, id, func(tx pgx.Tx, one Standing) error {
		since := one.PeriodStart
		for range pastPeriods {
			if since, _, err = one.Bounds(since.Add(-time.Nanosecond)); err != nil {
				return err
			}
		}
		all, err = listPast(ctx, tx, actor.Org, id, since, s.now())
		return err
	})
	return all, err
}

// standing reads one budget as it stands and then more of it.
func (s *Service) standing(ctx context.Context, actor authz.Actor, id ident.Budget, more func(pgx.Tx, Standing) error) error {
	if err := actor.Require(authz.BudgetRead); err != nil {
		return err
	}
	return s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		budget, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return err
		}
		one, err := stand(ctx, tx, actor.Org, budget, s.now())
		if err != nil {
			return err
		}
		return more(tx, one)
	})
}

// Raise adds to a budget's limit for a while. It holds at the ledger as soon as it is committed and its time has come.
func (s *Service) Raise(ctx context.Context, actor authz.Actor, id ident.Budget, in RaiseInput) (made Raise, err error) {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return Raise{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		budget, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if budget.ArchivedAt != nil {
			return audit.Entry{}, fault.New(fault.Conflict, "this budget is archived and limits nothing")
		}
		raise, err := in.clean(s.now())
		if err != nil {
			return audit.Entry{}, err
		}
		raise.BudgetID, raise.MadeBy = id, actor.Name
		if made, err = insertRaise(ctx, tx, actor.Org, raise); err != nil {
			return audit.Entry{}, err
		}
		if err := s.jobs.Insert(ctx, tx, Turn{Org: actor.Org, Budget: id, Raise: made.ID}); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "budget.raise", SubjectID: id.UUID, SubjectName: budget.Name, After: made}, nil
	})
	return made, err
}

// EndRaise ends a raise before its time. One that is over is a Conflict.
func (s *Service) EndRaise(ctx context.Context, actor authz.Actor, id ident.Budget, raise ident.Raise) error {
	if err := actor.Require(authz.BudgetWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		budget, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		before, err := getRaise(ctx, tx, actor.Org, id, raise)
		if err != nil {
			return audit.Entry{}, err
		}
		after, err := endRaise(ctx, tx, actor.Org, id, raise, actor.Name, s.now())
		if err != nil {
			return audit.Entry{}, err
		}
		if err := s.jobs.Insert(ctx, tx, Turn{Org: actor.Org, Budget: id, Raise: raise}); err != nil { // its end may be in the future of Postgres
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "budget.end_raise", SubjectID: id.UUID, SubjectName: budget.Name, Before: before, After: after}, nil
	})
}

// Raises returns a budget's raises of all times, the newest first.
func (s *Service) Raises(ctx context.Context, actor authz.Actor, id ident.Budget) (all []Raise, err error) {
	if err := actor.Require(authz.BudgetRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if _, err := get(ctx, tx, actor.Org, id); err != nil {
			return err
		}
		all, err = listRaises(ctx, tx, actor.Org, id)
		return err
	})
	return all, err
}

// Turn has edges hand back what they hold beyond a limit that fell, and publishes the limit when the raise has begun or ended, unless that was
// published with something else since. It comes back when the raise turns next. What is granted needs none of it: the ledger goes by the clock.
func (s *Service) Turn(ctx context.Context, args Turn) error {
	if err := s.lender.RecallBeyond(ctx, args.Org, args.Budget); err != nil || args.Raise.IsZero() {
		return err
	}
	var at turn
	err := s.db.Read(ctx, args.Org, func(tx pgx.Tx) (err error) {
		at, err = turnOf(ctx, tx, args)
		return err
	})
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err == nil && at.missed {
		err = s.publish(ctx, args)
	}
	if err != nil || at.next == 0 {
		return err
	}
	return work.Later(at.next)
}

// publish makes a generation, which has the limit that is in force.
func (s *Service) publish(ctx context.Context, args Turn) error {
	return s.db.Change(ctx, authz.Actor{Org: args.Org, Kind: authz.SystemActor, Name: "clock"}, func(tx pgx.Tx) (audit.Entry, error) {
		budget, err := get(ctx, tx, args.Org, args.Budget)
		if err != nil {
			return audit.Entry{}, err
		}
		raise, err := getRaise(ctx, tx, args.Org, args.Budget, args.Raise)
		return audit.Entry{Action: "budget.raise_turn", SubjectID: args.Budget.UUID, SubjectName: budget.Name, After: raise}, err
	})
}
