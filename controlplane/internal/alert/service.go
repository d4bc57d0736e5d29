package alert

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
)

// How often the rules are evaluated.
const (
	QuickEvery = 10 * time.Second
	SlowEvery  = time.Minute
)

// Quick is the job that looks at budgets' thresholds and at breakers.
type Quick struct{}

// Kind is the job's name.
func (Quick) Kind() string { return "alert_budgets" }

// Slow is the job that looks at everything else.
type Slow struct{}

// Kind is the job's name.
func (Slow) Kind() string { return "alert_signals" }

// watched is what the rules look at.
type watched interface {
	Accounts(ctx context.Context, org ident.Org) ([]Account, error)
	Targets(ctx context.Context, org ident.Org) ([]Target, error)
	Signals(ctx context.Context, org ident.Org) (Signals, error)
}

// poster brings messages to channels.
type poster interface {
	Post(ctx context.Context, tx pgx.Tx, org ident.Org, m channel.Message, quiet bool) error
}

// Service evaluates the rules and shows what fired.
type Service struct {
	db      *tenant.DB
	pool    *pgxpool.Pool
	watched watched
	poster  poster
	now     func() time.Time
	logger  *slog.Logger
}

// New returns a Service. Whoever carries the jobs hands them to EvaluateQuick and EvaluateSlow.
func New(db *tenant.DB, pool *pgxpool.Pool, watched watched, poster poster, now func() time.Time, logger *slog.Logger) *Service {
	return &Service{db: db, pool: pool, watched: watched, poster: poster, now: now, logger: logger}
}

// EvaluateQuick looks at the budgets and breakers of every organization.
func (s *Service) EvaluateQuick(ctx context.Context, _ Quick) error {
	return s.each(ctx, true, func(ctx context.Context, org ident.Org, rules settings) ([]finding, error) {
		accounts, err := s.watched.Accounts(ctx, org)
		if err != nil {
			return nil, err
		}
		targets, err := s.watched.Targets(ctx, org)
		return append(rules.ofBudgets(accounts), rules.ofTargets(targets, s.now())...), err
	})
}

// EvaluateSlow looks at everything else of every organization.
func (s *Service) EvaluateSlow(ctx context.Context, _ Slow) error {
	return s.each(ctx, false, func(ctx context.Context, org ident.Org, rules settings) ([]finding, error) {
		seen, err := s.watched.Signals(ctx, org)
		return rules.ofSignals(seen, s.now()), err
	})
}

// each evaluates one organization after the other; one that fails does not keep the others from their turn.
func (s *Service) each(ctx context.Context, quick bool, look func(context.Context, ident.Org, settings) ([]finding, error)) error {
	orgs, err := organizations(ctx, s.pool)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		if err := s.evaluate(ctx, org, quick, look); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			s.logger.ErrorContext(ctx, "alerts are not evaluated", "org_id", org.String(), "error", err)
		}
	}
	return nil
}

func (s *Service) evaluate(ctx context.Context, org ident.Org, quick bool, look func(context.Context, ident.Org, settings) ([]finding, error)) error {
	rules := settings{}
	var open []Alert
	err := s.db.Read(ctx, org, func(tx pgx.Tx) error {
		listed, err := listSettings(ctx, tx, org)
		if err != nil {
			return err
		}
		for _, one := range listed {
			rules[one.Rule] = one
		}
		open, err = listOpen(ctx, tx, org)
		return err
	})
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, func(a Alert) bool { kind, _ := kindOf(a.Rule); return kind.quick != quick })
	found, err := look(ctx, org, rules)
	if err != nil {
		return err
	}
	changes := settle(found, open)
	if len(changes.fire)+len(changes.over)+len(changes.superseded) == 0 {
		return nil
	}
	return s.db.Write(ctx, org, func(tx pgx.Tx) error { return s.apply(ctx, tx, org, changes) })
}

// apply writes what changed and queues its messages, all in one transaction: after a crash both are there, or neither.
func (s *Service) apply(ctx context.Context, tx pgx.Tx, org ident.Org, changes settled) error {
	now := s.now()
	for _, a := range changes.superseded {
		if _, err := resolve(ctx, tx, org, a.ID, now); err != nil {
			return err
		}
	}
	for _, a := range changes.over {
		resolved, err := resolve(ctx, tx, org, a.ID, now)
		if err == nil && resolved {
			err = s.tell(ctx, tx, org, a, channel.Resolved, now)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range changes.fire {
		kind, _ := kindOf(f.rule)
		a := Alert{
			ID: ident.New[ident.Alert](), Rule: f.rule, Subject: f.subject, Period: f.period, Threshold: f.threshold, Severity: f.severity,
			Title: f.title, Text: f.text, Path: f.path, FiredAt: now, standing: kind.standing,
		}
		if a.Period == "" {
			a.Period = now.UTC().Format(time.RFC3339Nano)
		}
		fired, err := fire(ctx, tx, org, a)
		if err == nil && fired {
			err = s.tell(ctx, tx, org, a, channel.Fired, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) tell(ctx context.Context, tx pgx.Tx, org ident.Org, a Alert, event channel.Event, now time.Time) error {
	kind, _ := kindOf(a.Rule)
	return s.poster.Post(ctx, tx, org, channel.Message{
		Alert: a.ID, Event: event, Topic: kind.topic, Rule: string(a.Rule), Severity: a.Severity, Matter: string(a.Rule) + ":" + a.Subject + ":" + a.Period,
		Title: a.Title, Text: a.Text, Path: "/alerts/" + a.ID.String(), At: now,
	}, event == channel.Resolved && kind.quiet)
}

// Open returns the alerts that are open, newest first, with their deliveries.
func (s *Service) Open(ctx context.Context, actor authz.Actor) ([]Alert, error) {
	return s.list(ctx, actor, func(tx pgx.Tx) ([]Alert, error) { return listOpen(ctx, tx, actor.Org) })
}

// History returns alerts that are over, newest first, with their deliveries.
func (s *Service) History(ctx context.Context, actor authz.Actor, filter Filter) ([]Alert, error) {
	filter, err := filter.normal()
	if err != nil {
		return nil, err
	}
	return s.list(ctx, actor, func(tx pgx.Tx) ([]Alert, error) { return listOver(ctx, tx, actor.Org, filter) })
}

// Get returns one alert with its deliveries.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Alert) (Alert, error) {
	found, err := s.list(ctx, actor, func(tx pgx.Tx) ([]Alert, error) {
		one, err := get(ctx, tx, actor.Org, id)
		return []Alert{one}, err
	})
	if err != nil {
		return Alert{}, err
	}
	return found[0], nil
}

// CountOpen returns how many alerts are open.
func (s *Service) CountOpen(ctx context.Context, actor authz.Actor) (count int, err error) {
	if err := actor.Require(authz.AlertRead); err != nil {
		return 0, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		count, err = countOpen(ctx, tx, actor.Org)
		return err
	})
	return count, err
}

// Rules returns every rule as the organization has it.
func (s *Service) Rules(ctx context.Context, actor authz.Actor) (all []Setting, err error) {
	if err := actor.Require(authz.AlertRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = listSettings(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// SetRule changes a rule.
func (s *Service) SetRule(ctx context.Context, actor authz.Actor, rule Rule, change Change) (after Setting, err error) {
	if err := actor.Require(authz.AlertWrite); err != nil {
		return Setting{}, err
	}
	if _, known := kindOf(rule); !known {
		return Setting{}, fault.New(fault.NotFound, "there is no alert rule %q", rule)
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		all, err := listSettings(ctx, tx, actor.Org)
		if err != nil {
			return audit.Entry{}, err
		}
		before := all[slices.IndexFunc(all, func(s Setting) bool { return s.Rule == rule })]
		if after, err = change.over(before); err != nil {
			return audit.Entry{}, err
		}
		if err := setRule(ctx, tx, actor.Org, after); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "alert_rule.update", SubjectID: actor.Org.UUID, SubjectName: after.Name, Before: before, After: after}, nil
	})
	return after, err
}

func (s *Service) list(ctx context.Context, actor authz.Actor, read func(pgx.Tx) ([]Alert, error)) (all []Alert, err error) {
	if err := actor.Require(authz.AlertRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if all, err = read(tx); err != nil {
			return err
		}
		ids := make([]ident.Alert, len(all))
		for i, one := range all {
			ids[i] = one.ID
		}
		deliveries, err := channel.DeliveriesOf(ctx, tx, actor.Org, ids)
		for i := range all {
			all[i].Deliveries = append(all[i].Deliveries, deliveries[all[i].ID]...)
		}
		return err
	})
	return all, err
}
