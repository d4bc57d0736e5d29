package subscription

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// gathering is a push of which not all chunks have come.
type gathering struct {
	whole *wire.Fragment
	items int
}

// chunkItemsMax bounds what a push may pile up before its last chunk.
const chunkItemsMax = 5_000_000

// fragment gathers chunks and applies the push when it is whole. Anything wrong is a nack; an error ends the stream.
func (s *Subscription) fragment(line *line, chunk *wire.Fragment) error {
	manifest, err := wire.VerifyManifest(s.config.PublicKey, chunk.GetManifest(), chunk.GetSignature())
	if err != nil {
		return fmt.Errorf("a fragment is not the control plane's: %w", err)
	}
	org, err := wire.IDFromBytes(manifest.GetOrgId())
	if err != nil {
		return fmt.Errorf("a manifest is malformed: %w", err)
	}
	pending := s.pushes[org]
	if pending == nil || string(pending.whole.GetManifest()) != string(chunk.GetManifest()) || pending.whole.GetBaseGeneration() != chunk.GetBaseGeneration() {
		pending = &gathering{whole: &wire.Fragment{Manifest: chunk.GetManifest(), Signature: chunk.GetSignature(), BaseGeneration: chunk.GetBaseGeneration()}}
		s.pushes[org] = pending
	}
	pending.whole.Upserts = append(pending.whole.GetUpserts(), chunk.GetUpserts()...)
	pending.whole.Deletes = append(pending.whole.GetDeletes(), chunk.GetDeletes()...)
	if pending.items += len(chunk.GetUpserts()) + len(chunk.GetDeletes()); pending.items > chunkItemsMax {
		return errors.New("a push has no end")
	}
	if !chunk.GetLast() {
		return nil
	}
	delete(s.pushes, org)
	return s.answer(line, org, manifest, s.apply(org, pending.whole))
}

// apply compiles the push, keeps it on the disk and puts it in force, in this order.
func (s *Subscription) apply(org wire.ID, whole *wire.Fragment) error {
	push, err := pushOf(s.config.PublicKey, whole)
	if err != nil {
		return err
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.vault.begin(org, push.Generation); err != nil {
		return err
	}
	defer s.vault.end(org, push.Generation)
	prepared, err := s.config.Store.Prepare(push)
	if err != nil {
		return err
	}
	full := prepared.Full()
	kept := &wire.Fragment{Manifest: whole.GetManifest(), Signature: whole.GetSignature(), Upserts: full.Upserts, Last: true}
	if err := s.vault.keep(org, push.Generation, kept); err != nil {
		s.config.Logger.Error("a fragment is not kept on the disk", "org_id", org.String(), "error", err) // it works, until a restart
	}
	tombstones := len(s.config.Store.Tombstones())
	if err := s.config.Store.Commit(prepared); err != nil {
		return err
	}
	if len(s.config.Store.Tombstones()) != tombstones {
		s.keepTombstones()
	}
	return nil
}

func (s *Subscription) answer(line *line, org wire.ID, manifest *wire.Manifest, err error) error {
	if err == nil || errors.Is(err, state.ErrOld) && s.holds(manifest) {
		s.config.Logger.Info("a fragment is in force", "org_id", org.String(), "generation", manifest.GetGeneration())
		return line.send(&wire.SyncRequest{Message: &wire.SyncRequest_Ack{Ack: &wire.Ack{
			OrgId: manifest.GetOrgId(), Generation: manifest.GetGeneration(), ContentHash: manifest.GetContentHash(),
		}}})
	}
	nack := &wire.Nack{OrgId: manifest.GetOrgId(), Generation: manifest.GetGeneration(), Reason: err.Error()}
	if invalid := (*state.Invalid)(nil); errors.As(err, &invalid) {
		nack.Path, nack.Reason = invalid.Path, invalid.Reason
	}
	s.config.Logger.Error("a fragment is refused", "org_id", org.String(), "generation", nack.GetGeneration(), "path", nack.GetPath(), "reason", nack.GetReason())
	return line.send(&wire.SyncRequest{Message: &wire.SyncRequest_Nack{Nack: nack}})
}

// holds says whether what the manifest describes is in force already.
func (s *Subscription) holds(manifest *wire.Manifest) bool {
	org := orPlatform(manifest.GetOrgId())
	for _, held := range s.config.Store.Held() {
		if string(held.GetOrgId()) == org && held.GetGeneration() == manifest.GetGeneration() && string(held.GetContentHash()) == string(manifest.GetContentHash()) {
			return true
		}
	}
	return false
}

func orPlatform(org []byte) string {
	if len(org) == 0 {
		return string(wire.PlatformID[:])
	}
	return string(org)
}

func (s *Subscription) remove(line *line, in *wire.FragmentRemoval) error {
	org, err := wire.IDFromBytes(in.GetOrgId())
	if err != nil || org.IsZero() || !wire.VerifyRemoval(s.config.PublicKey, org, in.GetGeneration(), in.GetSignature()) {
		return errors.New("a removal is not the control plane's")
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.config.Store.Remove(org, in.GetGeneration()) != nil {
		return nil // older than what is held: it says nothing any more
	}
	if err := s.vault.forget(org); err != nil {
		s.config.Logger.Error("a removed organization is still on the disk", "org_id", org.String(), "error", err)
	}
	s.keepTombstones()
	return line.send(&wire.SyncRequest{Message: &wire.SyncRequest_Ack{Ack: &wire.Ack{OrgId: in.GetOrgId(), Generation: in.GetGeneration()}}})
}

// pushOf checks the signature of a whole fragment and returns it in the store's form.
func pushOf(key ed25519.PublicKey, whole *wire.Fragment) (state.Push, error) {
	manifest, err := wire.VerifyManifest(key, whole.GetManifest(), whole.GetSignature())
	if err != nil {
		return state.Push{}, err
	}
	org, err := wire.IDFromBytes(manifest.GetOrgId())
	if err != nil {
		return state.Push{}, err
	}
	return state.Push{
		Org: org, Generation: manifest.GetGeneration(), ContentHash: manifest.GetContentHash(), ItemCount: manifest.GetItemCount(),
		CommittedUS: manifest.GetCommittedUnixUs(), BaseGeneration: whole.GetBaseGeneration(), Upserts: whole.GetUpserts(), Deletes: whole.GetDeletes(),
	}, nil
}
