package subscription

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

// FuzzVault: what lies in the vault's files opens only as it was put there, in its place and for this edge; anything else is an error or nothing.
func FuzzVault(f *testing.F) {
	f.Add([]byte{}, uint16(0), byte(1))
	f.Add([]byte("-7"), uint16(40), byte(0))
	f.Add([]byte("[7,0,9]"), uint16(3), byte(0x80))
	box, err := wire.FleetKey(make([]byte, 32)).Cipher("last-good")
	if err != nil {
		f.Fatal(err)
	}
	v, whose := vault{dir: f.TempDir(), box: box, edge: wire.ID{9}}, wire.ID{4}
	if err := os.MkdirAll(v.org(whose), 0o700); err != nil {
		f.Fatal(err)
	}
	put := func(t *testing.T, path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte, at uint16, flip byte) {
		plain, err := proto.Marshal(&wire.Fragment{Manifest: content, BaseGeneration: uint64(at)})
		if err != nil {
			t.Fatal(err)
		}
		sealed := box.Seal(nil, nil, plain, v.data("fragment", whose, 7))
		put(t, v.fragment(whose, 7), sealed)
		if whole, err := v.load(whose, 7); err != nil || string(whole.GetManifest()) != string(content) {
			t.Fatalf("%q is %v, %v", content, whole, err)
		}
		put(t, v.fragment(whose, 8), sealed)
		if _, err := v.load(whose, 8); err == nil {
			t.Error("it opens as another generation")
		}
		if sealed[int(at)%len(sealed)] ^= flip; flip != 0 {
			put(t, v.fragment(whose, 7), sealed)
			if _, err := v.load(whose, 7); err == nil {
				t.Error("it opens with a byte changed")
			}
		}
		for _, path := range []string{v.fragment(whose, 7), filepath.Join(v.dir, tombstonesName), filepath.Join(v.dir, edgesName), filepath.Join(v.dir, epochsName)} {
			put(t, path, content)
		}
		if _, err := v.load(whose, 7); err == nil {
			t.Errorf("%q opens", content)
		}
		if all := v.tombstones(); all != nil {
			t.Errorf("%q revokes %v", content, all)
		}
		if edges := v.edges(); edges < 0 {
			t.Errorf("%q is %d edges", content, edges)
		}
		own, hint := uint64(at), uint64(flip)
		l := newLineage(v.dir, own, hint)
		if len(l.known) > epochsKept || slices.Contains(l.known, own) || slices.Contains(l.known, 0) || hint != own && hint != 0 && !slices.Contains(l.known, hint) {
			t.Errorf("%q is the epochs %v of %d, %d", content, l.known, own, hint)
		}
	})
}
