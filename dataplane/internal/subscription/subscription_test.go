package subscription

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

func TestFragmentIsInForceWhenItIsAcked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hello, _ := r.run(t)
	if hello.GetEpoch() != 5 || hello.GetPreviousEpoch() != 4 || len(hello.GetEdgeId()) != 16 || len(hello.GetHeld()) != 0 {
		t.Errorf("hello = %v", hello)
	}
	ack := r.pushFull(t, 3, nouns()...).GetAck()
	if ack.GetGeneration() != 3 || r.store.Current().Key(hash) == nil {
		t.Fatalf("ack = %v, key = %v", ack, r.store.Current().Key(hash))
	}
	if there := receive(t, r.clock.learnt); time.Until(there) < 50*time.Minute {
		t.Errorf("the clock learnt %v", there)
	}
	if !r.sub.Connected() {
		t.Error("not connected")
	}
	after := statetest.Full(t, org, 4, nouns("agent")...)
	r.plane.push(t, after, 3, after.Upserts[3:])
	if ack := receive(t, r.plane.in).GetAck(); ack.GetGeneration() != 4 {
		t.Errorf("the delta was not taken: %v", ack)
	}
	r.plane.out <- &wire.SyncResponse{Message: &wire.SyncResponse_LeaseRecall{LeaseRecall: &wire.LeaseRecall{OrgId: org.Bytes()}}}
	receive(t, r.recalls)
}

func TestEdgeServesFromLastGoodWithoutControlPlane(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, stop := r.run(t)
	r.pushFull(t, 3, nouns()...)
	r.plane.out <- &wire.SyncResponse{Message: &wire.SyncResponse_Revocation{Revocation: &wire.Revocation{
		OrgId: org.Bytes(), KeyId: statetest.ID(10).Bytes(), KeyHash: hash[:], Generation: 9,
	}}}
	r.pushFull(t, 4, nouns("agent")...)
	stop()
	r.restart(t)
	key := r.store.Current().Key(hash)
	if key == nil || key.Org.Generation != 4 {
		t.Fatalf("key = %+v, want that of generation 4", key)
	}
	if !key.Revoked {
		t.Error("the restart brought a revoked key back")
	}
	hello, _ := r.run(t)
	if held := hello.GetHeld(); len(held) != 1 || held[0].GetGeneration() != 4 {
		t.Errorf("held = %v", held)
	}
	_ = filepath.WalkDir(r.dir, func(path string, entry os.DirEntry, _ error) error {
		if raw, err := os.ReadFile(path); err == nil && !entry.IsDir() && bytes.Contains(raw, []byte("Acme")) {
			t.Errorf("%s is not encrypted", path)
		}
		return nil
	})
}

func TestBadFragmentIsNackedWithItsPath(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.pushFull(t, 3, nouns()...)
	bad := &wire.Budget{Id: statetest.ID(40).Bytes(), Name: "b", Scope: wire.Scope_SCOPE_ORG, Period: wire.Period_PERIOD_DAY, TimeZone: "Mars/Base"}
	nack := r.pushFull(t, 4, append(nouns(), bad)...).GetNack()
	if nack.GetPath() != "budget/"+statetest.ID(40).String()+": time_zone" || nack.GetGeneration() != 4 {
		t.Errorf("nack = %v", nack)
	}
	if nack := r.pushFull(t, 2, nouns()...).GetNack(); nack == nil || r.store.Current().Generation(org) != 3 {
		t.Error("an older generation was taken")
	}
	full := statetest.Full(t, org, 5, nouns("x")...)
	r.plane.push(t, full, 2, full.Upserts)
	if nack := receive(t, r.plane.in).GetNack(); nack == nil {
		t.Error("a delta against another base was taken")
	}
	if ack := r.pushFull(t, 3, nouns()...).GetAck(); ack.GetGeneration() != 3 {
		t.Error("what is held already is not acked")
	}
}

func TestForeignSignatureEndsTheStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	_, other, _ := ed25519.GenerateKey(nil)
	honest := r.plane.key
	r.plane.key = other
	full := statetest.Full(t, org, 3, nouns()...)
	r.plane.push(t, full, 0, full.Upserts[:1])
	r.plane.key = honest
	if hello := receive(t, r.plane.hellos); len(hello.GetHeld()) != 0 || r.store.Current().Generation(org) != 0 {
		t.Error("a fragment with a foreign signature was taken")
	}
}

func TestTheEdgeIsWholeOnceEveryOrganizationHasCome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.pushFull(t, 3, nouns()...)
	if r.sub.Whole() {
		t.Error("whole after one organization of many")
	}
	r.plane.out <- &wire.SyncResponse{Message: &wire.SyncResponse_Whole{Whole: &wire.Whole{}}}
	r.pushFull(t, 4, nouns()...)
	if !r.sub.Whole() {
		t.Error("not whole after the last organization")
	}
	if r.restart(t); !r.sub.Whole() {
		t.Error("a restarted edge waits for what it holds")
	}
}

func TestEdgeComesBackSoonAfterTheStreamIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(t)
	r.pushFull(t, 3, nouns()...)
	lost := time.Now()
	r.plane.drop <- struct{}{}
	hello := receive(t, r.plane.hellos)
	if took := time.Since(lost); took > 20*time.Second {
		t.Errorf("the first retry took %v", took)
	}
	if held := hello.GetHeld(); len(held) != 1 || held[0].GetGeneration() != 3 {
		t.Errorf("held = %v", held)
	}
}

func TestRemovedOrganizationIsForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, stop := r.run(t)
	r.pushFull(t, 3, nouns()...)
	r.plane.out <- &wire.SyncResponse{Message: &wire.SyncResponse_Removal{Removal: &wire.FragmentRemoval{
		OrgId: org.Bytes(), Generation: 4, Signature: wire.SignRemoval(r.plane.key, org, 4),
	}}}
	receive(t, r.plane.in)
	stop()
	r.restart(t)
	if r.store.Current().Key(hash) != nil {
		t.Error("a removed organization came back with a restart")
	}
}

func TestGenerationThatCrashedTwiceIsQuarantined(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, stop := r.run(t)
	r.pushFull(t, 3, nouns()...)
	r.pushFull(t, 4, nouns("agent")...)
	stop()
	for range crashesMax { // a process that dies while it applies leaves the mark
		if err := r.sub.vault.begin(org, 4); err != nil {
			t.Fatal(err)
		}
	}
	r.restart(t)
	if got := r.store.Current().Generation(org); got != 3 {
		t.Fatalf("generation %d is in force, want the one before", got)
	}
	r.run(t)
	if nack := r.pushFull(t, 4, nouns("agent")...).GetNack(); !strings.Contains(nack.GetReason(), "twice") {
		t.Errorf("nack = %v", nack)
	}
	if ack := r.pushFull(t, 5, nouns("agent")...).GetAck(); ack.GetGeneration() != 5 {
		t.Error("a newer generation is not taken")
	}
}

func TestDamagedFileFallsBackToTheOneBefore(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, stop := r.run(t)
	for generation := uint64(3); generation < 8; generation++ {
		r.pushFull(t, generation, nouns(strings.Repeat("x", int(generation)))...)
	}
	stop()
	if kept := r.sub.vault.generations(org); len(kept) != keptGenerations || kept[0] != 7 {
		t.Fatalf("kept = %v", kept)
	}
	if err := os.WriteFile(r.sub.vault.fragment(org, 7), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.restart(t)
	if got := r.store.Current().Generation(org); got != 6 {
		t.Errorf("generation %d is in force, want 6", got)
	}
}

// The number of edges is known also to one that starts while nobody can be asked.
func TestHowManyEdgesLiveIsHeardAndKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.edges.Load(); got != 0 {
		t.Errorf("%d edges live as far as an empty directory knows", got)
	}
	r.counted.Store(7) // Redis knows better than the control plane
	_, stop := r.run(t)
	until(t, func() bool { return r.edges.Load() == 4 && r.sub.vault.edges() == 7 })
	r.plane.out <- &wire.SyncResponse{Message: &wire.SyncResponse_Heartbeat{Heartbeat: &wire.Heartbeat{LiveEdges: 5}}}
	until(t, func() bool { return r.edges.Load() == 5 })
	stop()
	r.restart(t)
	if got := r.edges.Load(); got != 7 {
		t.Errorf("%d edges live as far as the next process knows", got)
	}
}

func TestEdgeIsKnownAgainAfterProcessesThatNeverHeardAWelcome(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for epoch := uint64(5); epoch < 8; epoch++ { // they wrote their hello and died before the answer
		if _, err := newLineage(r.dir, epoch, epoch-1).previous(); err != nil {
			t.Fatal(err)
		}
	}
	l := newLineage(r.dir, 8, 7)
	if want := []uint64{7, 6, 5, 4}; !slices.Equal(l.known, want) {
		t.Errorf("offered are %v, want %v", l.known, want)
	}
	for _, want := range []uint64{7, 6, 5, 4, 7} { // to a control plane that looks at one
		if previous, err := l.previous(); err != nil || previous != want {
			t.Errorf("the previous epoch is %d, %v; want %d", previous, err, want)
		}
		l.refused()
	}
}

func TestEpochsOfLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for epoch := range uint64(epochsKept + 20) {
		if _, err := newLineage(dir, epoch+1, epoch).previous(); err != nil {
			t.Fatal(err)
		}
	}
	if l := newLineage(dir, 1000, 0); len(l.known) != epochsKept || l.known[0] != epochsKept+20 {
		t.Errorf("%d epochs are offered, the first is %d", len(l.known), l.known[0])
	}
}

func TestFencedEdgeOffersItsOtherEpoch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if err := os.WriteFile(filepath.Join(r.dir, epochsName), []byte("[3,4]"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.restart(t)
	r.plane.fence = func(hello *wire.Hello) bool { return hello.GetPreviousEpoch() != 3 }
	r.run(t)
	if hello := receive(t, r.plane.hellos); hello.GetPreviousEpoch() != 3 {
		t.Errorf("previous epoch %d, want the other one", hello.GetPreviousEpoch())
	}
	if ack := r.pushFull(t, 3, nouns()...).GetAck(); ack == nil {
		t.Error("the edge is not in")
	}
}
