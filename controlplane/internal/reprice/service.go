package reprice

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/work"
)

const (
	chunk      = 1000             // events of one transaction
	previewMax = 20 * time.Second // how long a preview looks
	workMax    = 2 * time.Minute  // how long a job works before it lets others
	// Timeout is what one turn of a job needs at most.
	Timeout = 2 * workMax
)

// books adds corrections to the sums and accounts of an organization.
type books interface {
	Correct(ctx context.Context, tx pgx.Tx, org ident.Org, all []ledger.Correction) (unknown []ledger.Adjustment, err error)
}

// jobs keeps what is to be done.
type jobs interface {
	Insert(ctx context.Context, tx pgx.Tx, args work.Args) error
}

// Service prices usage again.
type Service struct {
	db     *tenant.DB
	books  books
	jobs   jobs
	now    func() time.Time
	logger *slog.Logger
}

// New returns a Service over the tenants' database, the books that it corrects, and who does its jobs.
func New(db *tenant.DB, books books, jobs jobs, now func() time.Time, logger *slog.Logger) *Service {
	return &Service{db: db, books: books, jobs: jobs, now: now, logger: logger}
}

// Job names a run that is to be carried on.
type Job struct {
	Org     ident.Org     `json:"org_id"`
	Reprice ident.Reprice `json:"reprice_id"`
}

// Kind is the job's name for ever.
func (Job) Kind() string { return "reprice" }

// Preview says what a run would change. It changes nothing.
func (s *Service) Preview(ctx context.Context, actor authz.Actor, in Input) (found Preview, err error) {
	if err := actor.Require(authz.PriceWrite); err != nil {
		return Preview{}, err
	}
	if in, err = in.clean(s.now(), true); err != nil {
		return Preview{}, err
	}
	until := s.now().Add(previewMax)
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		prices, err := readBook(ctx, tx, actor.Org)
		if err != nil {
			return err
		}
		for at := before(in.From); ; {
			events, err := chargeable(ctx, tx, actor.Org, in, at, chunk)
			if err != nil {
				return err
			}
			if err := prices.fill(ctx, tx, events); err != nil {
				return err
			}
			for i := range events {
				found.add(prices.judge(&events[i]))
			}
			if found.Whole = len(events) < chunk; found.Whole || s.now().After(until) {
				return nil
			}
			at = placeOf(events)
		}
	})
	return found, err
}

func placeOf(events []kept) place {
	last := events[len(events)-1]
	return place{last.started, last.id.UUID}
}

// Start begins a run, which is carried on in the background, with an audit entry.
func (s *Service) Start(ctx context.Context, actor authz.Actor, in Input) (started Reprice, err error) {
	if err := actor.Require(authz.PriceWrite); err != nil {
		return Reprice{}, err
	}
	if in, err = in.clean(s.now(), false); err != nil {
		return Reprice{}, err
	}
	started = Reprice{ID: ident.New[ident.Reprice](), Input: in, CreatedBy: actor.Name, CreatedAt: s.now().UTC(), ReachedAt: in.From}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := insert(ctx, tx, actor.Org, started); err != nil {
			return audit.Entry{}, err
		}
		return started.entry("reprice.start"), s.jobs.Insert(ctx, tx, Job{actor.Org, started.ID})
	})
	return started, err
}

func (r Reprice) entry(action string) audit.Entry {
	return audit.Entry{Action: action, SubjectID: r.ID.UUID, SubjectName: r.Reason, After: r}
}

// List returns the organization's runs, the newest first.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Reprice, err error) {
	if err := actor.Require(authz.PriceRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// Do carries a run on until it is done or has had its turn. Each chunk is a transaction that moves the run's place: killed anywhere, it goes
// on after the last one.
func (s *Service) Do(ctx context.Context, job Job) error {
	for until := s.now().Add(workMax); ; {
		done, err := s.step(ctx, job)
		if err != nil || done {
			return err
		}
		if s.now().After(until) {
			return work.Later(0)
		}
	}
}

func (s *Service) step(ctx context.Context, job Job) (done bool, err error) {
	var after Reprice
	err = s.db.Write(ctx, job.Org, func(tx pgx.Tx) error {
		run, at, err := lock(ctx, tx, job.Org, job.Reprice)
		if err != nil {
			return err
		}
		if done = run.DoneAt != nil; done {
			return nil
		}
		prices, err := readBook(ctx, tx, job.Org)
		if err != nil {
			return err
		}
		events, err := chargeable(ctx, tx, job.Org, run.Input, at, chunk)
		if err != nil {
			return err
		}
		if err := prices.fill(ctx, tx, events); err != nil {
			return err
		}
		if err := s.correct(ctx, tx, job, &run, prices, events); err != nil {
			return err
		}
		if len(events) > 0 {
			at = placeOf(events)
		}
		if len(events) < chunk {
			now := s.now().UTC()
			run.DoneAt, done, after = &now, true, run
			after.DoneAt = &now
		}
		if err := move(ctx, tx, job.Org, run, at); err != nil || !done {
			return err
		}
		return s.finish(ctx, tx, job.Org, after)
	})
	return done, err
}

// finish records the totals of a run that is done, in the transaction of its last chunk.
func (s *Service) finish(ctx context.Context, tx pgx.Tx, org ident.Org, run Reprice) error {
	s.logger.InfoContext(ctx, "a re-price job is done", "org_id", org, "reprice_id", run.ID, "seen", run.Seen, "changed", run.Changed, "left_out", run.LeftOut)
	return audit.Record(ctx, tx, authz.Actor{Org: org, Kind: authz.SystemActor, Name: run.CreatedBy}, run.entry("reprice.finish"), audit.NoGeneration)
}

func (s *Service) correct(ctx context.Context, tx pgx.Tx, job Job, run *Reprice, prices *book, events []kept) error {
	var fixes []correction
	var sums []ledger.Correction
	for i := range events {
		fix, leftOut := prices.judge(&events[i])
		run.add(fix, leftOut)
		if fix == nil {
			continue
		}
		fixes = append(fixes, *fix)
		sums = append(sums, ledger.Correction{Event: fix.event, CostPico: fix.after - fix.cost, SavedPico: fix.afterSaved - fix.saved})
	}
	if len(fixes) == 0 {
		return nil
	}
	if err := insertCorrections(ctx, tx, job.Org, job.Reprice, fixes); err != nil {
		return err
	}
	unknown, err := s.books.Correct(ctx, tx, job.Org, sums)
	for _, each := range unknown {
		s.logger.WarnContext(ctx, "a correction names an unknown budget", "org_id", job.Org, "budget_id", each.Budget, "spent_pico_usd", each.Spent)
	}
	return err
}
