package edges_test

import (
	"testing"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

func TestRestoredBooksKnowAnEdgeByAnEarlierEpoch(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	e := p.connect(t, nil)
	hello := func(earlier ...uint64) error {
		stream := p.client().Sync(t.Context())
		defer func() { _ = stream.CloseRequest() }()
		if err := stream.Send(&wire.SyncRequest{Message: &wire.SyncRequest_Hello{Hello: &wire.Hello{EdgeId: e.id[:], Epoch: e.epoch + 3, PreviousEpoch: e.epoch + 2, EarlierEpochs: earlier}}}); err != nil {
			t.Fatal(err)
		}
		_, err := stream.Receive()
		return err
	}
	if err := hello(e.epoch+2, e.epoch+1); connect.CodeOf(err) != connect.CodeFailedPrecondition {
		t.Errorf("a process of another line: %v", err)
	}
	if err := hello(e.epoch+2, e.epoch+1, e.epoch); err != nil {
		t.Errorf("its successor's successor: %v", err)
	}
	if err := hello(make([]uint64, 1001)...); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("a thousand and one epochs: %v", err)
	}
}

// TestAChangeAfterARestoreReachesTheEdges puts the numbers of configurations back, as a restored database has them, for an edge that is connected
// and one that connects to a new control plane.
func TestAChangeAfterARestoreReachesTheEdges(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	known := p.key(t, actor, main, "known")
	live := p.connect(t, nil)
	live.until("the organization", live.has(actor.Org, "virtual_key/"+known.ID.String()))
	ahead := live.at[actor.Org]
	_ = live.stream.CloseRequest()
	for over := time.After(patience); ; {
		live.mu.Lock()
		changed, ended := live.changed, live.ended
		live.mu.Unlock()
		if ended != nil {
			break
		}
		select {
		case <-changed:
		case <-over:
			t.Fatal("the stream does not end")
		}
	}
	if _, err := p.db.Owner(t).Exec(t.Context(), "UPDATE generation SET generation = 1, changed_at = now() - interval '1 hour' WHERE org_id = $1", actor.Org); err != nil {
		t.Fatal(err)
	}
	if _, err := p.db.Owner(t).Exec(t.Context(), "SELECT setval('generation_seq', 1)"); err != nil {
		t.Fatal(err)
	}
	stale := p.replica(t).connect(t, live) // its control plane has never seen the newer numbers
	stale.until("the restored configuration", func() bool { return stale.at[actor.Org] > ahead })
	fresh := p.key(t, actor, main, "fresh")
	stale.until("the change", stale.has(actor.Org, "virtual_key/"+fresh.ID.String()))

	again := p.connect(t, nil)
	again.until("the change", again.has(actor.Org, "virtual_key/"+fresh.ID.String()))
	number := again.at[actor.Org]
	_, err := p.db.Owner(t).Exec(t.Context(), "UPDATE generation SET generation = $2 - 1, changed_at = now() - interval '1 hour' WHERE org_id = $1", actor.Org, number)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.db.Owner(t).Exec(t.Context(), "SELECT setval('generation_seq', $1 - 1)", number); err != nil {
		t.Fatal(err)
	}
	last := p.key(t, actor, main, "last") // takes the number that the edge and its control plane know as another change's
	again.until("a change under a number that was used before", again.has(actor.Org, "virtual_key/"+last.ID.String()))
}
