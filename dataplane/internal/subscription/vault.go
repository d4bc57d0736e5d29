package subscription

import (
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// vault keeps the last good fragments and the revocations that no fragment knows yet, encrypted, below one directory:
//
//	<org>/<generation>.fragment   the newest keptGenerations of them
//	<org>/<generation>.applying   how often its application has begun and not ended
//	tombstones
//	whole                         empty: every organization was received once
//	edges                         how many live, as last known
type vault struct {
	dir  string
	box  cipher.AEAD
	edge wire.ID // what is kept opens for this edge alone
}

const (
	keptGenerations  = 3
	crashesMax       = 2
	fragmentSuffix   = ".fragment"
	applyingSuffix   = ".applying"
	tombstonesName   = "tombstones"
	wholeName        = "whole"
	edgesName        = "edges"
	generationDigits = 20
)

// errQuarantined says that the process died while it applied the generation, more than once.
var errQuarantined = errors.New("the edge stopped twice while it applied this generation")

// open makes the directory.
func (v *vault) open() error {
	if err := os.MkdirAll(v.dir, 0o700); err != nil {
		return fmt.Errorf("make the snapshot directory: %w", err)
	}
	return nil
}

func (v *vault) org(org wire.ID) string { return filepath.Join(v.dir, hex.EncodeToString(org[:])) }

func (v *vault) fragment(org wire.ID, generation uint64) string {
	return filepath.Join(v.org(org), fmt.Sprintf("%0*d%s", generationDigits, generation, fragmentSuffix))
}

func (v *vault) data(purpose string, org wire.ID, generation uint64) []byte {
	data := append([]byte(purpose), v.edge[:]...)
	return binary.BigEndian.AppendUint64(append(data, org[:]...), generation)
}

// orgs returns the organizations of which something is kept; the platform comes first.
func (v *vault) orgs() (orgs []wire.ID) {
	entries, _ := os.ReadDir(v.dir) // by name, and the platform's is all zeros
	for _, entry := range entries {
		if raw, err := hex.DecodeString(entry.Name()); err == nil && len(raw) == len(wire.ID{}) && entry.IsDir() {
			orgs = append(orgs, wire.ID(raw))
		}
	}
	return orgs
}

// generations returns what is kept of an organization, newest first.
func (v *vault) generations(org wire.ID) (generations []uint64) {
	entries, _ := os.ReadDir(v.org(org))
	for _, entry := range entries {
		number, ok := strings.CutSuffix(entry.Name(), fragmentSuffix)
		if generation, err := strconv.ParseUint(number, 10, 64); ok && err == nil {
			generations = append(generations, generation)
		}
	}
	slices.Sort(generations)
	slices.Reverse(generations)
	return generations
}

// keep writes a full fragment and lets go of the oldest.
func (v *vault) keep(org wire.ID, generation uint64, whole *wire.Fragment) error {
	plain, err := proto.Marshal(whole)
	if err != nil {
		return fmt.Errorf("marshal fragment: %w", err)
	}
	if err := os.MkdirAll(v.org(org), 0o700); err != nil {
		return fmt.Errorf("make the organization's directory: %w", err)
	}
	if err := replaceFile(v.fragment(org, generation), v.box.Seal(nil, nil, plain, v.data("fragment", org, generation))); err != nil {
		return fmt.Errorf("keep generation %d: %w", generation, err)
	}
	all := v.generations(org)
	for _, old := range all[min(keptGenerations, len(all)):] {
		_ = os.Remove(v.fragment(org, old)) // tried again with the next one
	}
	return nil
}

// load returns a fragment that was kept.
func (v *vault) load(org wire.ID, generation uint64) (*wire.Fragment, error) {
	sealed, err := os.ReadFile(v.fragment(org, generation))
	if err != nil {
		return nil, err
	}
	plain, err := v.box.Open(nil, nil, sealed, v.data("fragment", org, generation))
	if err != nil {
		return nil, errors.New("the kept fragment does not open with this fleet's key")
	}
	whole := new(wire.Fragment)
	if err := proto.Unmarshal(plain, whole); err != nil {
		return nil, fmt.Errorf("decode the kept fragment: %w", err)
	}
	return whole, nil
}

// begin notes that a generation is about to be applied. It refuses one that brought the process down crashesMax times.
func (v *vault) begin(org wire.ID, generation uint64) error {
	path := v.applying(org, generation)
	attempts := 0
	if text, err := os.ReadFile(path); err == nil {
		attempts, _ = strconv.Atoi(string(text)) // unreadable: none
	}
	if attempts >= crashesMax {
		return errQuarantined
	}
	if err := os.MkdirAll(v.org(org), 0o700); err != nil {
		return fmt.Errorf("make the organization's directory: %w", err)
	}
	err := os.WriteFile(path, strconv.AppendInt(nil, int64(attempts)+1, 10), 0o600)
	if errors.Is(err, syscall.ENOSPC) { // an edge on a full disk still answers: better without the note than without its configuration
		return nil
	}
	return err
}

// end notes that applying has come to an end, a good or a bad one.
func (v *vault) end(org wire.ID, generation uint64) { _ = os.Remove(v.applying(org, generation)) }

func (v *vault) applying(org wire.ID, generation uint64) string {
	return filepath.Join(v.org(org), fmt.Sprintf("%0*d%s", generationDigits, generation, applyingSuffix))
}

// forget removes what is kept of an organization.
func (v *vault) forget(org wire.ID) error { return os.RemoveAll(v.org(org)) }

// keepTombstones writes the revocations that hold by themselves.
func (v *vault) keepTombstones(all []state.Revocation) error {
	plain, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("marshal revocations: %w", err)
	}
	return replaceFile(filepath.Join(v.dir, tombstonesName), v.box.Seal(nil, nil, plain, v.data("tombstones", wire.ID{}, 0)))
}

// tombstones returns the revocations that were kept.
func (v *vault) tombstones() (all []state.Revocation) {
	sealed, err := os.ReadFile(filepath.Join(v.dir, tombstonesName))
	if err != nil {
		return nil
	}
	plain, err := v.box.Open(nil, nil, sealed, v.data("tombstones", wire.ID{}, 0))
	if err != nil || json.Unmarshal(plain, &all) != nil {
		return nil
	}
	return all
}

// keepWhole notes that every organization was received.
func (v *vault) keepWhole() error { return replaceFile(filepath.Join(v.dir, wholeName), nil) }

// whole says whether every organization was received once.
func (v *vault) whole() bool {
	_, err := os.Stat(filepath.Join(v.dir, wholeName))
	return err == nil
}

// keepEdges notes how many edges live.
func (v *vault) keepEdges(edges int) error {
	return replaceFile(filepath.Join(v.dir, edgesName), strconv.AppendInt(nil, int64(edges), 10))
}

// edges returns how many lived when that was last known; 0: it never was.
func (v *vault) edges() int {
	text, err := os.ReadFile(filepath.Join(v.dir, edgesName))
	edges, bad := strconv.Atoi(string(text))
	if err != nil || bad != nil {
		return 0
	}
	return max(edges, 0)
}

// replaceFile writes a file whole or not at all, and durably.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
