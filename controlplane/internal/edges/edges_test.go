package edges_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

func (e *fakeEdge) has(org ident.Org, key string) func() bool {
	return func() bool { _, there := e.items[org][key]; return there }
}

// listed waits until the console's list shows what is asked for.
func (p *plane) listed(t *testing.T, actor authz.Actor, what string, holds func(edge.Edge) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(patience); ; {
		all, err := p.shown.List(t.Context(), actor)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(all, holds) {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s: not within %s: %+v", what, patience, all)
		}
	}
}

func TestAnEdgeIsToldOnceThatItHoldsEveryOrganization(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	const orgs = 5
	for i := range orgs {
		p.workspace(t, p.db.Org(t, fmt.Sprint("org-", i)))
	}
	e := p.connect(t, nil)
	e.until("everything", func() bool { return len(e.whole) > 0 })
	e.mu.Lock()
	held := e.whole[0]
	e.mu.Unlock()
	if held < orgs {
		t.Errorf("told so with %d organizations", held)
	}
	actor := p.db.Org(t, "late")
	p.workspace(t, actor)
	e.until("a later one", func() bool { return e.at[actor.Org] != 0 })
	again := p.connect(t, e)
	again.until("everything again", func() bool { return len(again.whole) == 1 })
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.whole) != 1 {
		t.Errorf("told %d times on one stream", len(e.whole))
	}
}

func TestAKeyArrivesAndItsRevocationOvertakesTheDelta(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	e := p.connect(t, nil)
	key := p.key(t, actor, main, "one")
	item := "virtual_key/" + key.ID.String()
	e.until("the key", e.has(actor.Org, item))
	if _, err := p.keys.Revoke(t.Context(), actor, key.ID); err != nil {
		t.Fatal(err)
	}
	e.until("the revocation", func() bool { return e.revoked[key.Hash] != 0 })
	e.until("the delta", func() bool {
		body := new(wire.ItemBody)
		return decode(t, e.items[actor.Org][item], body) && body.GetVirtualKey().GetRevoked()
	})
	e.until("the tombstone's end", func() bool { return e.at[actor.Org] >= e.revoked[key.Hash] })
	e.mu.Lock()
	deltas, generation := e.deltas, e.at[actor.Org]
	e.mu.Unlock()
	if deltas == 0 {
		t.Error("every push was a full state")
	}
	if counts := p.edges.Counts(); counts.Connected != 1 || counts.Delta == 0 || counts.Full == 0 || counts.Nacks != 0 {
		t.Errorf("counted %+v", counts)
	}
	select {
	case lag := <-p.lags:
		if lag <= 0 || lag > patience {
			t.Errorf("lag %s from commit to ack", lag)
		}
	case <-time.After(patience):
		t.Error("no lag was measured")
	}
	p.listed(t, actor, "the ack", func(edge edge.Edge) bool {
		return edge.Connected && edge.Generation == generation && edge.Current == generation && edge.Name == "fake"
	})
}

func TestAnEdgeThatHoldsEverythingIsSentNothing(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	first := p.connect(t, nil)
	key := p.key(t, actor, main, "one")
	first.until("the key", first.has(actor.Org, "virtual_key/"+key.ID.String()))
	first.until("the platform", func() bool { return first.at[ident.Org{}] != 0 })
	_ = first.stream.CloseRequest()
	again := p.connect(t, first)
	next := p.key(t, actor, main, "two")
	again.until("the next key", again.has(actor.Org, "virtual_key/"+next.ID.String()))
	again.mu.Lock()
	defer again.mu.Unlock()
	if again.fulls != 0 {
		t.Errorf("%d full states were sent to an edge that held them", again.fulls)
	}
}

func TestACredentialStaysTheSameWhileItsProviderDoes(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	made, err := p.providers.Create(t.Context(), actor, provider.Input{
		Name: "openai", Kind: provider.OpenAI, BaseURL: "https://api.openai.com", Catalog: "openai", Credential: seal.NewSecret("sk-one"),
	})
	if err != nil {
		t.Fatal(err)
	}
	item := "provider/" + made.ID.String()
	e := p.connect(t, nil)
	e.until("the provider", e.has(actor.Org, item))
	e.mu.Lock()
	before := e.items[actor.Org][item]
	e.mu.Unlock()
	key := p.key(t, actor, main, "one")
	e.until("the key", e.has(actor.Org, "virtual_key/"+key.ID.String()))
	e.mu.Lock()
	after := e.items[actor.Org][item]
	e.mu.Unlock()
	if string(before) != string(after) {
		t.Error("the sealed credential changed although nothing did")
	}
	body := new(wire.ItemBody)
	decode(t, after, body)
	sealed := body.GetProvider().GetCredentials()[0]
	open, err := p.fleet.Cipher("credential")
	if err != nil {
		t.Fatal(err)
	}
	text, err := open.Open(nil, nil, sealed.GetSealed(), wire.CredentialData(wire.ID(actor.Org.UUID), wire.ID(made.ID.UUID), wire.ID(sealed.GetId())))
	if err != nil || string(text) != "sk-one" {
		t.Errorf("opened %q, %v", text, err)
	}
}

func TestANackIsShownAndItsGenerationIsNotPushedAgain(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor, other := p.db.Org(t, "a"), p.db.Org(t, "b")
	main := p.workspace(t, actor)
	e := p.connect(t, nil)
	first := p.key(t, actor, main, "one")
	e.until("the key", e.has(actor.Org, "virtual_key/"+first.ID.String()))
	e.mu.Lock()
	e.refusing = "it does not compile"
	e.mu.Unlock()
	p.key(t, actor, main, "two")
	p.listed(t, actor, "the nack", func(edge edge.Edge) bool {
		return edge.NackGeneration == edge.Current && edge.NackReason == "it does not compile" && edge.Generation < edge.Current
	})
	p.listed(t, other, "an edge without the other's nack", func(edge edge.Edge) bool { return edge.NackReason == "" })
	e.until("the full state after the refused delta", func() bool { return e.nacks == 2 })
	e.mu.Lock()
	e.refusing = ""
	e.mu.Unlock()
	p.workspace(t, other) // makes rounds of pushes go on
	e.until("another organization's push", func() bool { return e.at[other.Org] != 0 })
	e.mu.Lock()
	if e.nacks != 2 {
		t.Errorf("the refused generation was pushed %d times", e.nacks)
	}
	e.mu.Unlock()
	third := p.key(t, actor, main, "three")
	e.until("the next generation", e.has(actor.Org, "virtual_key/"+third.ID.String()))
	p.listed(t, actor, "the end of the nack", func(edge edge.Edge) bool { return edge.NackGeneration == 0 && edge.Generation == edge.Current })
}

func TestAFragmentThatCannotCompileIsWithheldAndSaysWhy(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	e := p.connect(t, nil)
	first := p.key(t, actor, main, "one")
	e.until("the key", e.has(actor.Org, "virtual_key/"+first.ID.String()))
	p.sql(t, actor.Org, "INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone) VALUES ($1, gen_random_uuid(), 'b', 'org', 1, 'day', 'Mars/Olympus')", actor.Org)
	p.key(t, actor, main, "two")
	for over := time.After(patience); ; {
		problem, err := p.shown.Problem(t.Context(), actor)
		if err != nil {
			t.Fatal(err)
		}
		if problem != nil {
			if !strings.HasPrefix(problem.Path, "budget/") || !strings.Contains(problem.Reason, "Mars/Olympus") {
				t.Errorf("problem %+v", problem)
			}
			break
		}
		select {
		case <-over:
			t.Fatal("no problem is shown")
		default:
		}
	}
	p.sql(t, actor.Org, "UPDATE budget SET time_zone = 'UTC' WHERE org_id = $1", actor.Org)
	third := p.key(t, actor, main, "three")
	e.until("the mended fragment", e.has(actor.Org, "virtual_key/"+third.ID.String()))
	if problem, err := p.shown.Problem(t.Context(), actor); err != nil || problem != nil {
		t.Errorf("after mending: %+v, %v", problem, err)
	}
}

func (p *plane) sql(t *testing.T, org ident.Org, text string, args ...any) {
	t.Helper()
	err := p.db.Tenant.Write(t.Context(), org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), text, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWithoutTheTokenNothingIsServed(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	for _, wrong := range []string{"", "edge-token", token + "x"} {
		client := wireconnect.NewEdgeServiceClient(h2c(), p.url, connect.WithInterceptors(bearer(wrong)))
		_, err := client.Lease(t.Context(), connect.NewRequest(&wire.LeaseRequest{}))
		if connect.CodeOf(err) != connect.CodeUnauthenticated || !strings.Contains(err.Error(), wire.CodeEdgeUnauthorized) {
			t.Errorf("token %q: lease: %v", wrong, err)
		}
		stream := client.Sync(t.Context())
		_ = stream.Send(&wire.SyncRequest{})
		if _, err := stream.Receive(); connect.CodeOf(err) != connect.CodeUnauthenticated {
			t.Errorf("token %q: sync: %v", wrong, err)
		}
	}
}

func TestACopyOfAnEdgeIsFenced(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	e := p.connect(t, nil)
	copied := p.client().Sync(t.Context())
	hello := &wire.Hello{EdgeId: e.id[:], Epoch: 7, PreviousEpoch: 6}
	if err := copied.Send(&wire.SyncRequest{Message: &wire.SyncRequest_Hello{Hello: hello}}); err != nil {
		t.Fatal(err)
	}
	if _, err := copied.Receive(); connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), wire.CodeEdgeFenced) {
		t.Errorf("a copy was let in: %v", err)
	}
	_, err := e.client.Lease(t.Context(), connect.NewRequest(&wire.LeaseRequest{EdgeId: e.id[:], Epoch: 7}))
	if connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("a foreign epoch may claim: %v", err)
	}
}

func TestMoneyIsLentRecalledSettledAndRefused(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	key := p.key(t, actor, main, "one")
	budget := ident.New[ident.Budget]()
	p.sql(t, actor.Org, "INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone) VALUES ($1, $2, 'b', 'org', 1000, 'total', 'UTC')", actor.Org, budget)
	one, two := p.connect(t, nil), p.connect(t, nil)
	claim := &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), NeedPico: 1000, WantPico: 1000}
	got := one.lease(t, claim)
	if got.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_OK || got.GetGrantedTotalPico() != 1000 || got.GetRemainingPico() != 0 {
		t.Fatalf("grant %v", got)
	}
	if got := two.lease(t, &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), NeedPico: 400, WantPico: 400}); got.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_EXHAUSTED {
		t.Errorf("grant from an empty budget: %v", got)
	}
	one.until("the recall", func() bool {
		return len(one.recalls) > 0 && string(one.recalls[0].GetBudgetId()) == string(budget.Bytes())
	})
	one.report(t, 1, &wire.UsageEvent{
		EventId: id(), OrgId: actor.Org.Bytes(), RequestId: id(), WorkspaceId: main.Bytes(), VirtualKeyId: key.ID.Bytes(), Model: "m",
		Outcome: wire.Outcome_OUTCOME_OK, StartedUnixUs: time.Now().UnixMicro(), CostPico: 300, Charges: []*wire.Charge{{BudgetId: budget.Bytes(), SpentPico: 300}},
	})
	one.lease(t, &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), GrantedTotalPico: 1000, ReturnedTotalPico: 500})
	if got := two.lease(t, &wire.LeaseClaim{OrgId: actor.Org.Bytes(), BudgetId: budget.Bytes(), NeedPico: 400, WantPico: 400}); got.GetVerdict() != wire.LeaseVerdict_LEASE_VERDICT_OK || got.GetRemainingPico() != 100 {
		t.Errorf("after the return: %v", got)
	}
	var spent, leased money.Amount
	var events int
	err := p.db.Tenant.Read(t.Context(), actor.Org, func(tx pgx.Tx) error {
		if err := tx.QueryRow(t.Context(), "SELECT spent, leased FROM budget_period WHERE budget_id = $1", budget).Scan(&spent, &leased); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), "SELECT count(*) FROM usage_event").Scan(&events)
	})
	if err != nil || spent.Pico() != 300 || leased.Pico() != 600 || events != 1 {
		t.Errorf("spent %s leased %s events %d: %v", spent, leased, events, err)
	}
}

func (e *fakeEdge) lease(t *testing.T, claim *wire.LeaseClaim) *wire.LeaseGrant {
	t.Helper()
	answer, err := e.client.Lease(t.Context(), connect.NewRequest(&wire.LeaseRequest{EdgeId: e.id[:], Epoch: e.epoch, Claims: []*wire.LeaseClaim{claim}}))
	if err != nil {
		t.Fatal(err)
	}
	return answer.Msg.GetGrants()[0]
}

func (e *fakeEdge) report(t *testing.T, seq uint64, event *wire.UsageEvent) {
	t.Helper()
	stream := e.client.ReportUsage(t.Context())
	defer func() { _ = stream.CloseRequest() }()
	if err := stream.Send(&wire.UsageBatch{EdgeId: e.id[:], Epoch: e.epoch, Records: []*wire.UsageRecord{{Seq: seq, Event: encode(t, event)}}}); err != nil {
		t.Fatal(err)
	}
	ack, err := stream.Receive()
	if err != nil || ack.GetSeq() != seq || ack.GetEpoch() != e.epoch {
		t.Fatalf("ack %v, %v", ack, err)
	}
}
