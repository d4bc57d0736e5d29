// Package work does what must be done even when the process that asked for it dies: jobs in Postgres, carried by River. A job is inserted
// in the transaction of its cause, done at least once by one of the control planes, and tried again until it succeeds.
// It refuses to know what jobs do, and to carry anything but ids: arguments are stored in clear and outside every row policy.
package work

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"
)

// TimeoutMax is how long one job may take. Longer work does a piece of it, notes how far it came and returns Later(0).
const TimeoutMax = 5 * time.Minute

const (
	jobsMax      = 16 // at once in one process
	connsMax     = 6  // of River's bookkeeping; jobs themselves use the connections of who registered them
	softStop     = 5 * time.Second
	reclaimEvery = 2 * time.Second
	reclaimMax   = 5 * time.Second
	retryWait    = 2 * time.Second
	keepDone     = 24 * time.Hour
	keepFailed   = 30 * 24 * time.Hour
)

// Args are what a kind of job needs to know: a struct of ids. Kind is its name for ever, such as "alert_deliver".
type Args interface{ Kind() string }

// Service takes jobs and does them.
type Service struct {
	pool     *pgxpool.Pool
	logger   *slog.Logger
	inserter *river.Client[pgx.Tx]
	workers  *river.Workers
	periodic []*river.PeriodicJob
	kinds    int
}

// New returns a Service over the app's database. Register with Do and Every before Run.
func New(pool *pgxpool.Pool, logger *slog.Logger) (*Service, error) {
	inserter, err := river.NewClient(riverpgxv5.New(nil), &river.Config{Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("make the inserter of jobs: %w", err)
	}
	return &Service{pool: pool, logger: logger, inserter: inserter, workers: river.NewWorkers()}, nil
}

// Insert adds a job that exists when tx commits.
func (s *Service) Insert(ctx context.Context, tx pgx.Tx, args Args) error {
	if _, err := s.inserter.InsertTx(ctx, tx, args, nil); err != nil {
		return fmt.Errorf("insert job %s: %w", args.Kind(), err)
	}
	return nil
}

// Do registers do for the jobs whose arguments are an A. An error is tried again, later each time, up to 25 times; Later is no error.
// A job may be done twice, or again after it was interrupted anywhere: do must bear that. It gets timeout, at most TimeoutMax.
func Do[A Args](s *Service, timeout time.Duration, do func(context.Context, A) error) {
	river.AddWorker(s.workers, &worker[A]{do: do, timeout: min(timeout, TimeoutMax)})
	s.kinds++
}

// Every inserts a job at the start and then each interval, by one of all control planes, unless the last one is not done yet. A job that
// fails is not tried again, since the next one comes.
func (s *Service) Every(interval time.Duration, args Args) {
	s.periodic = append(s.periodic, river.NewPeriodicJob(river.PeriodicInterval(interval), func() (river.JobArgs, *river.InsertOpts) {
		return args, &river.InsertOpts{MaxAttempts: 1, UniqueOpts: unlessOpen()}
	}, &river.PeriodicJobOpts{RunOnStart: true}))
}

// Later is what a job returns that shall be done again after a while, without counting as a failure.
func Later(after time.Duration) error { return river.JobSnooze(max(after, 0)) }

// Run does jobs until ctx ends; those that are being done get some seconds to finish, and are else tried again by who is left.
func (s *Service) Run(ctx context.Context) error {
	if s.kinds == 0 {
		<-ctx.Done()
		return nil
	}
	config := s.pool.Config()
	config.MaxConns, config.MinConns = connsMax, 0
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("open the jobs' connections: %w", err)
	}
	defer pool.Close()
	for number := rand.Int32N(math.MaxInt32); ctx.Err() == nil; {
		if err := s.work(ctx, pool, number); err != nil && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "jobs are not done for now", "error", err)
			wait(ctx, retryWait)
		}
	}
	return nil
}

// work does jobs as the worker with that number until ctx ends. The error says why it could not begin.
func (s *Service) work(ctx context.Context, pool *pgxpool.Pool, number int32) error {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		ID: strconv.Itoa(int(number)), Logger: slog.New(quiet{s.logger.Handler()}), Workers: s.workers, PeriodicJobs: s.periodic,
		Queues:     map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: jobsMax}},
		JobTimeout: TimeoutMax, RescueStuckJobsAfter: 2 * TimeoutMax, SoftStopTimeout: softStop,
		CompletedJobRetentionPeriod: keepDone, DiscardedJobRetentionPeriod: keepFailed,
		ReindexerIndexNames: []string{}, // an index is its owner's to rebuild
	})
	if err != nil {
		return fmt.Errorf("make the worker: %w", err)
	}
	session, err := live(ctx, pool, number)
	if err != nil {
		return err
	}
	guarding, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := client.Start(ctx); err != nil {
		session.Release()
		return fmt.Errorf("start: %w", err)
	}
	go s.guard(guarding, pool, session, number)
	<-client.Stopped()
	return nil
}

// guard keeps the sign that this worker lives and gives back the jobs of those that do not, until ctx ends.
func (s *Service) guard(ctx context.Context, pool *pgxpool.Pool, session *pgxpool.Conn, number int32) {
	for {
		if err := s.reclaim(ctx, session, number); err != nil {
			drop(session)
			for session = nil; session == nil && ctx.Err() == nil; wait(ctx, retryWait) {
				session, _ = live(ctx, pool, number)
			}
		}
		if wait(ctx, reclaimEvery); ctx.Err() != nil {
			if session != nil {
				drop(session)
			}
			return
		}
	}
}

func (s *Service) reclaim(ctx context.Context, session *pgxpool.Conn, number int32) error {
	ctx, cancel := context.WithTimeout(ctx, reclaimMax)
	defer cancel()
	count, err := reclaim(ctx, session, number)
	if err != nil {
		return err
	}
	if count > 0 {
		s.logger.WarnContext(ctx, "jobs of a process that is gone are taken over", "jobs", count)
	}
	return nil
}

// worker does the jobs of one kind.
type worker[A Args] struct {
	river.WorkerDefaults[A]

	do      func(context.Context, A) error
	timeout time.Duration
}

// Work does one job.
func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error { return w.do(ctx, job.Args) }

// Timeout is how long one job may take.
func (w *worker[A]) Timeout(*river.Job[A]) time.Duration { return w.timeout }

func unlessOpen() river.UniqueOpts {
	return river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}
}

// quiet lets warnings and errors pass.
type quiet struct{ slog.Handler }

// Enabled says whether a level passes.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

func wait(ctx context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
