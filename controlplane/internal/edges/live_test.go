package edges_test

import (
	"testing"

	"tollgate.dev/dataplane/wire"
)

func TestAnEdgeIsToldHowManyAreConnected(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.connect(t, nil)
	p.connect(t, nil)
	gone := p.connect(t, nil)
	if _, err := p.db.Pool.Exec(t.Context(), "UPDATE edge SET last_seen_at = last_seen_at - interval '2 minutes' WHERE edge_id = $1", gone.id[:]); err != nil {
		t.Fatal(err) // its control plane died, and could not say that it left
	}
	stream := p.client().Sync(t.Context())
	defer func() { _ = stream.CloseRequest() }()
	hello := &wire.Hello{EdgeId: make([]byte, 16), Epoch: 9}
	hello.EdgeId[0] = 1
	if err := stream.Send(&wire.SyncRequest{Message: &wire.SyncRequest_Hello{Hello: hello}}); err != nil {
		t.Fatal(err)
	}
	first, err := stream.Receive()
	if got := first.GetWelcome().GetLiveEdges(); err != nil || got != 3 {
		t.Fatalf("%d edges, %v", got, err)
	}
	for {
		message, err := stream.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if beat := message.GetHeartbeat(); beat != nil {
			if beat.GetLiveEdges() != 3 {
				t.Errorf("a heartbeat says %d", beat.GetLiveEdges())
			}
			return
		}
	}
}
