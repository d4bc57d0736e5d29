package work_test

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/work"
)

// childVariable makes this test's program a worker that begins jobs and never ends them.
const childVariable = "TOLLGATE_TEST_WORK_CHILD"

const (
	patience = 30 * time.Second
	look     = 20 * time.Millisecond
)

type count struct {
	Number int `json:"number"`
}

func (count) Kind() string { return "count" }

type tick struct{}

func (tick) Kind() string { return "tick" }

func TestMain(m *testing.M) {
	if url := os.Getenv(childVariable); url != "" {
		hang(url)
	}
	os.Exit(m.Run())
}

func TestAJobExistsOnlyWhenItsTransactionCommits(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	service := create(t, db)
	done := make(chan int, 10)
	work.Do(service, time.Minute, func(_ context.Context, args count) error { done <- args.Number; return nil })
	run(t, service)
	failed := errors.New("no")
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		if err := service.Insert(t.Context(), tx, count{1}); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	insert(t, db, service, count{2})
	if got := next(t, done); got != 2 {
		t.Errorf("job %d is done", got)
	}
	waitFor(t, db, "SELECT count(*) = 1 AND bool_and(state = 'completed') FROM river_job")
}

func TestAJobSurvivesTheKillOfItsProcess(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	service := create(t, db)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+db.AppURL)
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = child.Process.Wait() }()
	insert(t, db, service, count{7})
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil || line != "begun\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	done := make(chan int, 10)
	work.Do(service, time.Minute, func(_ context.Context, args count) error { done <- args.Number; return nil })
	run(t, service)
	if got := next(t, done); got != 7 {
		t.Errorf("job %d is done", got)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the job was taken over after %s", took)
	}
	waitFor(t, db, "SELECT count(*) = 1 AND bool_and(state = 'completed' AND attempt = 2) FROM river_job")
	if len(done) != 0 {
		t.Error("it was done twice")
	}
}

func TestTwoReplicasDoEachJobOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	const jobs = 300
	var times [jobs]atomic.Int32
	var replicas [2]*work.Service
	for i := range replicas {
		replicas[i] = create(t, db)
		work.Do(replicas[i], time.Minute, func(_ context.Context, args count) error { times[args.Number].Add(1); return nil })
		run(t, replicas[i])
	}
	var all sync.WaitGroup
	for number := range jobs {
		all.Go(func() { insert(t, db, replicas[number%2], count{number}) })
	}
	all.Wait()
	waitFor(t, db, "SELECT count(*) = 300 AND bool_and(state = 'completed') FROM river_job")
	for number := range times {
		if got := times[number].Load(); got != 1 {
			t.Errorf("job %d is done %d times", number, got)
		}
	}
}

func TestPeriodicJobsComeOncePerIntervalWhateverTheReplicas(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	const interval = time.Second
	for range 2 {
		service := create(t, db)
		work.Do(service, time.Minute, func(context.Context, tick) error { return nil })
		service.Every(interval, tick{})
		run(t, service)
	}
	waitFor(t, db, "SELECT count(*) >= 4 FROM river_job WHERE state = 'completed'")
	rows, err := db.Pool.Query(t.Context(), "SELECT created_at FROM river_job ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	at, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		t.Fatal(err)
	}
	for i := 2; i < len(at); i++ { // the first comes at the start, the second when the interval is over
		if apart := at[i].Sub(at[i-1]); apart < interval/2 {
			t.Errorf("%s between two of a job that comes each %s", apart, interval)
		}
	}
}

func TestALaterJobAndAFailedOneAreDoneAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	service := create(t, db)
	done := make(chan int, 10)
	var tries [3]atomic.Int32
	work.Do(service, time.Minute, func(_ context.Context, args count) error {
		if tries[args.Number].Add(1) == 1 {
			return []error{1: work.Later(time.Second), 2: errors.New("not this time")}[args.Number]
		}
		done <- args.Number
		return nil
	})
	run(t, service)
	insert(t, db, service, count{1})
	insert(t, db, service, count{2})
	if got := next(t, done) + next(t, done); got != 3 {
		t.Errorf("done %d", got)
	}
	waitFor(t, db, "SELECT count(*) = 2 AND bool_and(state = 'completed') AND max(attempt) = 2 AND min(attempt) = 1 FROM river_job")
}

func TestRunEndsWhenAJobIsSlow(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	service := create(t, db)
	begun := make(chan int, 1)
	work.Do(service, time.Minute, func(ctx context.Context, args count) error {
		begun <- args.Number
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	insert(t, db, service, count{1})
	next(t, begun)
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Run does not end")
	}
	waitFor(t, db, "SELECT state IN ('available', 'retryable') FROM river_job")
}

// TestTheTablesAreRivers compares what our migration makes with what River's own would.
func TestTheTablesAreRivers(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), pgtest.Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	theirs, ours := schemaOf(t, pool), schemaOf(t, pgtest.New(t).Pool)
	if len(theirs) < 40 {
		t.Fatalf("only %d lines of River's schema", len(theirs))
	}
	for _, line := range theirs {
		if !slices.Contains(ours, line) {
			t.Errorf("ours lacks %s", line)
		}
	}
	for _, line := range ours {
		if !slices.Contains(theirs, line) {
			t.Errorf("River's lacks %s", line)
		}
	}
}

func schemaOf(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable || ' ' || coalesce(column_default, '') AS line
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE 'river_%'
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename LIKE 'river_%'
		UNION ALL SELECT c.relname || ' ' || c.relpersistence::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname LIKE 'river_%'
		UNION ALL SELECT o.conname || ' ' || pg_get_constraintdef(o.oid) FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid WHERE c.relname LIKE 'river_%'
		UNION ALL SELECT 'state ' || e.enumlabel FROM pg_enum e JOIN pg_type y ON y.oid = e.enumtypid WHERE y.typname = 'river_job_state'
		UNION ALL SELECT p.proname || pg_get_function_arguments(p.oid) || regexp_replace(p.prosrc, '\s+', ' ', 'g') FROM pg_proc p WHERE p.proname LIKE 'river_%'
		ORDER BY line`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(lines, func(line string) bool { // whose history is goose's affair
		return strings.Contains(line, "river_migration") || strings.HasPrefix(line, "line_length") || strings.HasPrefix(line, "version_gte_1")
	})
}

// hang begins jobs and never ends them.
func hang(url string) {
	pool, err := pgxpool.New(context.Background(), url)
	if err != nil {
		panic(err)
	}
	service, err := work.New(pool, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	work.Do(service, time.Minute, func(context.Context, count) error {
		_, _ = os.Stdout.WriteString("begun\n")
		select {}
	})
	_ = service.Run(context.Background())
}

func create(t *testing.T, db *pgtest.DB) *work.Service {
	t.Helper()
	service, err := work.New(db.Pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return service
}

// run does jobs until the test ends.
func run(t *testing.T, service *work.Service) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func insert(t *testing.T, db *pgtest.DB, service *work.Service, args work.Args) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return service.Insert(t.Context(), tx, args) })
	if err != nil {
		t.Error(err)
	}
}

func next(t *testing.T, from <-chan int) int {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatal("no job is done")
		return 0
	}
}

// waitFor waits until a question is answered with true.
func waitFor(t *testing.T, db *pgtest.DB, question string) {
	t.Helper()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); ; <-ticker.C {
		var yes *bool
		if err := db.Pool.QueryRow(t.Context(), question).Scan(&yes); err != nil {
			t.Fatal(err)
		}
		if yes != nil && *yes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not so: %s", question)
		}
	}
}
