package route_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/dataplane/wire"
)

func TestReliabilityIsKeptWithEachVersionAndToldToEdges(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	if made.Wire().GetReliability() != nil {
		t.Errorf("nothing is set, and edges are told %v", made.Wire())
	}
	in := made.Input()
	in.Version = 0 // whichever is in force
	in.Reliability = route.Reliability{TriesPerTarget: 3, RetryStatuses: []int{429, 503}, FirstTokenTimeoutMS: 1500, DeadlineMS: 60_000, Breaker: &route.Breaker{Failures: 3, PauseMS: 60_000, Probes: 2}}
	changed, err := service.Update(t.Context(), a, made.ID, in)
	if err != nil {
		t.Fatal(err)
	}
	want := &wire.Reliability{TriesPerTarget: 3, RetryStatuses: []uint32{429, 503}, FirstTokenTimeoutMs: 1500, DeadlineMs: 60_000, Breaker: &wire.Breaker{Failures: 3, PauseMs: 60_000, Probes: 2}}
	if got := changed.Wire().GetReliability(); !proto.Equal(got, want) {
		t.Errorf("edges are told %v", got)
	}
	in.Reliability = route.Reliability{TriesPerTarget: 21, TriesMost: -1, BackoffMS: -1, RetryStatuses: []int{429, 404}, DeadlineMS: 86_400_001}
	_, err = service.Update(t.Context(), a, made.ID, in)
	wantFields(t, err, fault.Invalid, "reliability.tries_per_target", "reliability.tries_most", "reliability.backoff_ms", "reliability.deadline_ms", "reliability.retry_statuses")
}

func TestABreakerHasItsBounds(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := route.New(db.Tenant)
	made := create(t, service, a, "gpt", providerOf(t, db, a, "openai"))
	in := made.Input()
	in.Version = 0 // whichever is in force
	in.Reliability.Breaker = &route.Breaker{Failures: 1001, Percent: 101, Calls: -1, WindowMS: 999, PauseMS: 99, PauseMostMS: 3_600_001, Probes: 101}
	_, err := service.Update(t.Context(), a, made.ID, in)
	const at = "reliability.breaker."
	wantFields(t, err, fault.Invalid, at+"failures", at+"percent", at+"calls", at+"probes", at+"window_ms", at+"pause_ms", at+"pause_most_ms")
	in.Reliability.Breaker = &route.Breaker{Off: true, Failures: 3, PauseMostMS: 4999}
	_, err = service.Update(t.Context(), a, made.ID, in)
	wantFields(t, err, fault.Invalid, at+"off", at+"pause_most_ms")
	in.Reliability.Breaker = &route.Breaker{}
	if same, err := service.Update(t.Context(), a, made.ID, in); err != nil || same.Reliability.Breaker != nil {
		t.Errorf("a breaker that sets nothing is %+v, %v", same.Reliability.Breaker, err)
	}
	in.Reliability.Breaker = &route.Breaker{Off: true}
	if off, err := service.Update(t.Context(), a, made.ID, in); err != nil || !off.Wire().GetReliability().GetBreaker().GetOff() {
		t.Errorf("%+v, %v", off.Wire(), err)
	}
}
