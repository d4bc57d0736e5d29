package edges_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

func TestALeaseOfASubjectIsLentRecalledSettledAndClosed(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	key := p.key(t, actor, main, "one")
	budget := ident.New[ident.Budget]()
	p.sql(t, actor.Org, "INSERT INTO budget (org_id, budget_id, name, scope, scope_value, limit_pico, period, time_zone) VALUES ($1, $2, 'b', 'end_user', '*', 1000, 'total', 'UTC')", actor.Org, budget)
	one, two := p.connect(t, nil), p.connect(t, nil)
	claim := func(number int64) *wire.LeaseClaim {
		return &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), Subject: "ann of a", LeaseNo: number, NeedPico: 1000, WantPico: 1000}
	}
	if got := one.lease(t, claim(5)); got.GetGrantedTotalPico() != 1000 || got.GetSubject() != "ann of a" || got.GetLeaseNo() != 5 || got.GetClosed() {
		t.Fatalf("grant %v", got)
	}
	if got := two.lease(t, claim(6)); got.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_EXHAUSTED {
		t.Errorf("her money was granted twice: %v", got)
	}
	one.until("the recall of the lease", func() bool {
		return len(one.recalls) > 0 && one.recalls[0].GetSubject() == "ann of a" && one.recalls[0].GetLeaseNo() == 5
	})
	one.report(t, 1, &wire.UsageEvent{
		EventId: id(), OrgId: actor.Org.Bytes(), RequestId: id(), WorkspaceId: main.Bytes(), VirtualKeyId: key.ID.Bytes(), Model: "m",
		Outcome: wire.Outcome_OUTCOME_OK, StartedUnixUs: time.Now().UnixMicro(), CostPico: 300,
		Charges: []*wire.Charge{{BudgetId: budget.Bytes(), SpentPico: 300, Subject: "ann of a", LeaseNo: 5}},
	})
	closing := claim(5)
	closing.NeedPico, closing.GrantedTotalPico, closing.ReturnedTotalPico, closing.Closing = 0, 1000, 700, true
	if got := one.lease(t, closing); !got.GetClosed() {
		t.Errorf("not closed: %v", got)
	}
	next := claim(6)
	next.NeedPico = 700
	if got := two.lease(t, next); got.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_OK || got.GetRemainingPico() != 0 {
		t.Errorf("what came back is not lent again: %v", got)
	}
}

func TestACallThatWasLongOnItsWayIsRefused(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	edge := p.connect(t, nil)
	for age, want := range map[time.Duration]connect.Code{time.Hour: connect.CodeDeadlineExceeded, time.Second: 0, -time.Second: 0} {
		_, err := edge.client.Lease(t.Context(), connect.NewRequest(&wire.LeaseRequest{EdgeId: edge.id[:], Epoch: edge.epoch, SentUnixMs: time.Now().Add(-age).UnixMilli()}))
		if err != nil && connect.CodeOf(err) != want || err == nil && want != 0 {
			t.Errorf("sent %s ago: %v", age, err)
		}
	}
	claim := &wire.LeaseClaim{OrgId: ident.New[ident.Org]().Bytes(), BudgetId: ident.New[ident.Budget]().Bytes(), Subject: string(make([]byte, 9))}
	_, err := edge.client.Lease(t.Context(), connect.NewRequest(&wire.LeaseRequest{EdgeId: edge.id[:], Epoch: edge.epoch, Claims: []*wire.LeaseClaim{claim}}))
	if connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a subject of zero bytes: %v", err)
	}
}
