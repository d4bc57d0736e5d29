package ingest_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// longCall makes the events of a call that its provider works at for long: the one that left its cost in doubt, and the one of its end.
func longCall(actor authz.Actor, dialect, kept string, budgets ...ident.Budget) (begun, ended *wire.UsageEvent) {
	begun, ended = batchEvents(actor, budgets...)
	id := wire.NewID(time.Now())
	settling := wire.SettlingID(id)
	begun.EventId, begun.StartedUnixUs, begun.Dialect, begun.Kept, begun.RouteId = id[:], id.Time().UnixMicro()+7, dialect, kept, fixed(7)
	ended.EventId, ended.SettlesEventId, ended.StartedUnixUs, ended.Dialect = settling[:], id[:], id.Time().UnixMicro(), dialect
	return begun, ended
}

// due makes everything that is awaited due now.
func (f *fixture) due(t *testing.T) {
	t.Helper()
	if _, err := f.db.Pool.Exec(t.Context(), "UPDATE awaited SET due_at = now() WHERE due_at IS NOT NULL"); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) awaited(t *testing.T) []*wire.Awaited {
	t.Helper()
	out, err := f.service.Await(t.Context(), &wire.AwaitRequest{EdgeId: f.edge.Bytes()})
	if err != nil {
		t.Fatal(err)
	}
	return out.GetAwaited()
}

func TestWhatIsAwaitedIsHandedToOneEdgeAtATimeUntilItsCostIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	begun, ended := longCall(actor, "openai_batches", "batch_sealed-x", f.budget(t, actor, "one"))
	nameless, _ := longCall(actor, "openai_responses", "")
	plain := event(actor.Org)
	f.take(t, f.batch(t, 9, 1, begun, nameless, plain))
	if got := f.awaited(t); len(got) != 0 {
		t.Errorf("at once: %v", got)
	}
	f.due(t)
	got := f.awaited(t)
	if len(got) != 1 || string(got[0].GetEventId()) != string(begun.GetEventId()) || got[0].GetKept() != "batch_sealed-x" || got[0].GetModel() != "fast" ||
		string(got[0].GetOrgId()) != string(actor.Org.Bytes()) || string(got[0].GetWorkspaceId()) != string(fixed(1)) || string(got[0].GetRouteId()) != string(fixed(7)) || got[0].GetDialect() != "openai_batches" {
		t.Fatalf("%v", got)
	}
	if again := f.awaited(t); len(again) != 0 {
		t.Errorf("handed out twice: %v", again)
	}
	f.due(t)
	if again := f.awaited(t); len(again) != 1 {
		t.Errorf("what the first edge did not learn is not asked for again: %v", again)
	}
	f.take(t, f.batch(t, 9, 10, ended))
	f.take(t, f.batch(t, 9, 20, begun, ended))
	f.due(t)
	if after := f.awaited(t); len(after) != 0 {
		t.Errorf("its cost is known: %v", after)
	}
}

func TestWhatNobodyLearnsIsLeftToPeopleAfterNineDays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	begun, _ := longCall(actor, "anthropic_batches", "x")
	f.take(t, f.batch(t, 9, 1, begun))
	waits := func(tries int, noted string) (seconds *float64) {
		t.Helper()
		if _, err := f.db.Pool.Exec(t.Context(), "UPDATE awaited SET due_at = now(), tries = $1, noted_at = now() - $2::interval", tries, noted); err != nil {
			t.Fatal(err)
		}
		if got := f.awaited(t); len(got) != 1 {
			t.Fatalf("%v", got)
		}
		if err := f.db.Pool.QueryRow(t.Context(), "SELECT extract(epoch FROM due_at - now())::float8 FROM awaited").Scan(&seconds); err != nil {
			t.Fatal(err)
		}
		return seconds
	}
	for tries, want := range map[int]float64{0: 5, 3: 40, 30: 900} {
		if got := waits(tries, "1 day"); got == nil || *got > want || *got < want-3 {
			t.Errorf("after %d tries: %v seconds, want %v", tries, got, want)
		}
	}
	if got := waits(700, "9 days"); got != nil {
		t.Errorf("after nine days it is due in %v seconds", *got)
	}
}

func TestAListOfWhatIsKeptIsOneWorkspaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor, other := f.db.Org(t, "a"), f.db.Org(t, "b")
	var ids [][]byte
	var all []*wire.UsageEvent
	for n := range 5 {
		begun, _ := longCall(actor, "anthropic_batches", fmt.Sprint("kept-", n))
		id := wire.NewID(time.Now().Add(time.Duration(n) * time.Second))
		begun.EventId = id[:]
		ids, all = append(ids, begun.GetEventId()), append(all, begun)
	}
	foreign, _ := longCall(other, "anthropic_batches", "foreign")
	beside, _ := longCall(actor, "anthropic_batches", "beside")
	beside.WorkspaceId = fixed(9)
	file, _ := longCall(actor, "openai_batches", "another")
	f.take(t, f.batch(t, 9, 1, append(all, foreign, beside, file)...))
	for name, c := range map[string]struct {
		change func(*wire.ListKeptRequest)
		want   string
	}{
		"the latest":     {func(r *wire.ListKeptRequest) { r.Limit = 2 }, "[kept-4 kept-3] true"},
		"all":            {func(r *wire.ListKeptRequest) { r.Limit = 5 }, "[kept-4 kept-3 kept-2 kept-1 kept-0] false"},
		"older than one": {func(r *wire.ListKeptRequest) { r.OlderThan = ids[1] }, "[kept-0] false"},
		"newer than one": {func(r *wire.ListKeptRequest) { r.NewerThan, r.Limit = ids[1], 2 }, "[kept-3 kept-2] true"},
		"theirs":         {func(r *wire.ListKeptRequest) { r.OrgId = other.Org.Bytes() }, "[foreign] false"},
	} {
		request := &wire.ListKeptRequest{OrgId: actor.Org.Bytes(), WorkspaceId: fixed(1), Dialect: "anthropic_batches", Limit: 10}
		c.change(request)
		out, err := f.service.ListKept(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, each := range out.GetKept() {
			names = append(names, each.GetKept())
		}
		if got := fmt.Sprint(names, out.GetMore()); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestEndsOfLongCallsMeetOrdinaryUsageWithoutADeadlock has several edges report at once: usage of all budgets, calls that leave some of them in doubt, and
// their ends, each from another edge and some before their beginning.
func TestEndsOfLongCallsMeetOrdinaryUsageWithoutADeadlock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	actor := f.db.Org(t, "a")
	var budgets []ident.Budget
	for n := range 6 {
		budgets = append(budgets, f.budget(t, actor, fmt.Sprint("b", n)))
	}
	const edges, rounds = 6, 30
	ends := make(chan *wire.UsageEvent, edges*rounds)
	var reporting sync.WaitGroup
	for number := range edges {
		edge := ident.New[ident.Edge]()
		f.addEdge(t, edge)
		reporting.Go(func() {
			random := rand.New(rand.NewPCG(uint64(number), 5))
			for seq := uint64(1); seq <= rounds*10; seq += 10 {
				some := func() []ident.Budget {
					mixed := append([]ident.Budget(nil), budgets...)
					random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
					return mixed[:2]
				}
				begun, ended := longCall(actor, "openai_batches", "kept", some()...)
				out := []*wire.UsageEvent{begun}
				for range 3 {
					pair := some()
					out = append(out, event(actor.Org, charged(pair[0], 1), charged(pair[1], 1)))
				}
				if random.IntN(2) == 0 { // its end comes first, or at the same time from elsewhere
					ends <- ended
				}
				select {
				case end := <-ends:
					out = append(out, end)
				default:
				}
				if err := f.takeAs(t, edge, seq, out...); err != nil {
					t.Error(err)
					return
				}
				if len(ends) < cap(ends)-edges {
					ends <- ended // perhaps a second time
				}
			}
		})
	}
	reporting.Wait()
	for seq := uint64(1); len(ends) > 0; seq++ {
		f.take(t, f.batch(t, 77, seq, <-ends))
	}
	var deadlocks int64
	if err := f.db.Pool.QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&deadlocks); err != nil || deadlocks != 0 {
		t.Errorf("%d deadlocks, %v", deadlocks, err)
	}
	var spent, inDoubt int64
	err := f.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
		return tx.QueryRow(t.Context(), "SELECT sum(spent)::bigint, sum(in_doubt)::bigint FROM budget_period").Scan(&spent, &inDoubt)
	})
	if want := int64(edges * rounds * (2*batchCost + 3*2)); err != nil || spent != want || inDoubt != 0 {
		t.Errorf("spent %d, want %d; %d in doubt; %v", spent, want, inDoubt, err)
	}
}

// takeAs takes events of another edge.
func (f *fixture) takeAs(t *testing.T, edge ident.Edge, seq uint64, events ...*wire.UsageEvent) error {
	batch := f.batch(t, 9, seq, events...)
	batch.EdgeId = edge.Bytes()
	_, err := f.service.Take(t.Context(), batch)
	return err
}
