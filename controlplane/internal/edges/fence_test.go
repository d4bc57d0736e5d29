package edges_test

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/controlplane/internal/edges"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

func TestAFencedEdgeIsRefusedForEverButItsUsageIsTakenIn(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	key := p.key(t, actor, main, "one")
	e := p.connect(t, nil)
	edgeID := ident.Edge{UUID: [16]byte(e.id)}
	for range 2 {
		if name, err := edges.Fence(t.Context(), p.db.Pool, edgeID, time.Now()); err != nil || name != "fake" {
			t.Fatalf("fenced %q, %v", name, err)
		}
	}
	refused := func(what string, err error) {
		t.Helper()
		if connect.CodeOf(err) != connect.CodeFailedPrecondition || !strings.Contains(err.Error(), wire.CodeEdgeFenced) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := e.client.Lease(t.Context(), connect.NewRequest(&wire.LeaseRequest{EdgeId: e.id[:], Epoch: e.epoch}))
	refused("a claim", err)
	e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Status{Status: &wire.Status{}}})
	for over := time.After(patience); ; {
		e.mu.Lock()
		changed, ended := e.changed, e.ended
		e.mu.Unlock()
		if ended != nil {
			refused("the live stream", ended)
			break
		}
		select {
		case <-changed:
		case <-over:
			t.Fatal("the live stream goes on")
		}
	}
	for what, hello := range map[string]*wire.Hello{
		"the same process": {EdgeId: e.id[:], Epoch: e.epoch}, "its successor": {EdgeId: e.id[:], Epoch: e.epoch + 1, PreviousEpoch: e.epoch},
	} {
		stream := p.client().Sync(t.Context())
		if err := stream.Send(&wire.SyncRequest{Message: &wire.SyncRequest_Hello{Hello: hello}}); err != nil {
			t.Fatal(err)
		}
		_, err := stream.Receive()
		refused(what, err)
	}
	e.report(t, 1, &wire.UsageEvent{
		EventId: id(), OrgId: actor.Org.Bytes(), RequestId: id(), WorkspaceId: main.Bytes(), VirtualKeyId: key.ID.Bytes(), Model: "m",
		Outcome: wire.Outcome_OUTCOME_OK, StartedUnixUs: time.Now().UnixMicro(),
	})
	if _, err := edges.Fence(t.Context(), p.db.Pool, ident.New[ident.Edge](), time.Now()); err == nil {
		t.Error("an unknown edge was fenced")
	}
}
