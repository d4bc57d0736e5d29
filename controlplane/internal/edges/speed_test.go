package edges_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/dataplane/wire"
)

func TestChangesReachFourEdgesWithinASecond(t *testing.T) {
	t.Parallel()
	const changes, clients = 200, 4
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	var fleet []*fakeEdge
	for range clients {
		e := p.connect(t, nil)
		e.until("the organization", func() bool { return e.at[actor.Org] != 0 })
		e.mu.Lock()
		e.lags = nil
		e.mu.Unlock()
		fleet = append(fleet, e)
	}
	var last virtualkey.VirtualKey
	var revoking []time.Duration
	for i := range changes {
		key := p.key(t, actor, main, fmt.Sprintf("key %d", i))
		if i%4 == 3 {
			began := time.Now()
			if _, err := p.keys.Revoke(t.Context(), actor, key.ID); err != nil {
				t.Fatal(err)
			}
			for _, e := range fleet {
				e.until("the revocation", func() bool { return e.revoked[key.Hash] != 0 })
			}
			revoking = append(revoking, time.Since(began))
		}
		last = key
	}
	var lags []time.Duration
	for _, e := range fleet {
		e.until("the last key", e.has(actor.Org, "virtual_key/"+last.ID.String()))
		e.mu.Lock()
		lags = append(lags, e.lags...)
		e.mu.Unlock()
	}
	slices.Sort(lags)
	slices.Sort(revoking)
	p99, revoked := lags[len(lags)*99/100], revoking[len(revoking)*99/100]
	t.Logf("%d changes, %d edges: %d pushes; commit to ack p50 %s p99 %s; revocation at the last edge p50 %s p99 %s",
		changes, clients, len(lags), lags[len(lags)/2], p99, revoking[len(revoking)/2], revoked)
	if p99 > time.Second || revoked > time.Second {
		t.Errorf("commit to ack p99 %s, revocation p99 %s: both must be within a second", p99, revoked)
	}
	p.listed(t, actor, "every edge at the newest generation", func(edge edge.Edge) bool { return edge.Generation == edge.Current && edge.LagMS < 1000 })
}

func TestASlowEdgeDoesNotHoldUpAnother(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	actor := p.db.Org(t, "a")
	main := p.workspace(t, actor)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	deaf := p.client().Sync(ctx) // says hello and never reads or answers
	name := wire.NewID(time.Now())
	if err := deaf.Send(&wire.SyncRequest{Message: &wire.SyncRequest_Hello{Hello: &wire.Hello{EdgeId: name[:], Epoch: 1}}}); err != nil {
		t.Fatal(err)
	}
	e := p.connect(t, nil)
	for i := range 20 {
		key := p.key(t, actor, main, fmt.Sprintf("key %d", i))
		e.until("a key", e.has(actor.Org, "virtual_key/"+key.ID.String()))
	}
}
