package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

func TestContentHashBindsKeysAndBodies(t *testing.T) {
	t.Parallel()
	base := map[string][]byte{"agent/1": []byte("a"), "agent/2": []byte("b")}
	same := map[string][]byte{"agent/2": []byte("b"), "agent/1": []byte("a")}
	if wire.HashItems(base) != wire.HashItems(same) {
		t.Fatal("the hash depends on insertion order")
	}
	others := []map[string][]byte{
		{},
		{"agent/1": []byte("a")},
		{"agent/1": []byte("b"), "agent/2": []byte("a")},
		{"agent/1": []byte("a"), "agent/3": []byte("b")},
		{"agent/1a": nil, "agent/2": []byte("b")},
	}
	for _, other := range others {
		if wire.HashItems(base) == wire.HashItems(other) {
			t.Errorf("%v hashes like %v", other, base)
		}
	}
}

func TestManifestSignatureIsChecked(t *testing.T) {
	t.Parallel()
	public, private, _ := ed25519.GenerateKey(nil)
	stranger, _, _ := ed25519.GenerateKey(nil)
	raw, signature, err := wire.SignManifest(private, &wire.Manifest{Generation: 7, ItemCount: 3})
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := wire.VerifyManifest(public, raw, signature)
	if err != nil || manifest.GetGeneration() != 7 {
		t.Fatalf("got %v, %v", manifest, err)
	}
	for i := range raw {
		flipped := bytes.Clone(raw)
		flipped[i] ^= 1
		if _, err := wire.VerifyManifest(public, flipped, signature); err == nil {
			t.Errorf("bit flip at %d passed", i)
		}
	}
	if _, err := wire.VerifyManifest(stranger, raw, signature); err == nil {
		t.Error("another key's signature passed")
	}
}

func TestRemovalSignatureIsBoundToOrgAndGeneration(t *testing.T) {
	t.Parallel()
	public, private, _ := ed25519.GenerateKey(nil)
	org, other := wire.NewID(time.Now()), wire.NewID(time.Now())
	signature := wire.SignRemoval(private, org, 4)
	if !wire.VerifyRemoval(public, org, 4, signature) {
		t.Fatal("the right removal is refused")
	}
	if wire.VerifyRemoval(public, other, 4, signature) || wire.VerifyRemoval(public, org, 5, signature) {
		t.Fatal("the signature serves another removal")
	}
}

func TestFleetKeySeparatesPurposesAndBindsData(t *testing.T) {
	t.Parallel()
	fleet := wire.FleetKey(bytes.Repeat([]byte{7}, 32))
	credentials, _ := fleet.Cipher("credential")
	lastGood, _ := fleet.Cipher("last-good")
	org, provider, credential := wire.ID{1}, wire.ID{2}, wire.ID{3}
	data := wire.CredentialData(org, provider, credential)
	sealed := credentials.Seal(nil, nil, []byte("sk-secret"), data)

	opened, err := credentials.Open(nil, nil, sealed, data)
	if err != nil || string(opened) != "sk-secret" {
		t.Fatalf("got %q, %v", opened, err)
	}
	if _, err := lastGood.Open(nil, nil, sealed, data); err == nil {
		t.Error("a key for another purpose opens it")
	}
	if _, err := credentials.Open(nil, nil, sealed, wire.CredentialData(provider, org, credential)); err == nil {
		t.Error("it opens in another place")
	}
	if text := fmt.Sprintf("%v %s %#v", fleet, fleet, fleet); strings.Contains(text, "7") {
		t.Errorf("the fleet key prints as %s", text)
	}
}

func TestVirtualKeyRefusesTypingErrors(t *testing.T) {
	t.Parallel()
	key := wire.KeyText("live", "0123456789ABCDEFGHIJKLMNOPQRSTUV")
	if !wire.KeyWellFormed(key) {
		t.Fatalf("%q is refused", key)
	}
	for i := range key {
		wrong := []byte(key)
		wrong[i] = 'z'
		if key[i] == 'z' {
			wrong[i] = 'y'
		}
		if wire.KeyWellFormed(string(wrong)) {
			t.Errorf("%q passes although character %d is wrong", wrong, i)
		}
	}
	for _, text := range []string{"", "tg_", "tg__" + key[8:], key + "0", key[:len(key)-1], "sk-" + key, strings.ToUpper(key)} {
		if wire.KeyWellFormed(text) {
			t.Errorf("%q passes", text)
		}
	}
}

func TestKeyHashNeedsThePepper(t *testing.T) {
	t.Parallel()
	if wire.KeyHash([]byte("a"), "key") == wire.KeyHash([]byte("b"), "key") {
		t.Fatal("two peppers give one hash")
	}
}

func TestPeriodBounds(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// A Sunday evening in UTC that is already Monday in Berlin, in the week after the clocks went forward.
	now := time.Date(2026, 4, 5, 22, 30, 0, 0, time.UTC)
	local := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, berlin) }
	for _, c := range []struct {
		period     wire.Period
		start, end time.Time
	}{
		{wire.Period_PERIOD_DAY, local(2026, 4, 6), local(2026, 4, 7)},
		{wire.Period_PERIOD_WEEK, local(2026, 4, 6), local(2026, 4, 13)},
		{wire.Period_PERIOD_MONTH, local(2026, 4, 1), local(2026, 5, 1)},
		{wire.Period_PERIOD_QUARTER, local(2026, 4, 1), local(2026, 7, 1)},
		{wire.Period_PERIOD_TOTAL, time.Unix(0, 0), time.Time{}},
	} {
		start, end := c.period.Bounds(now, berlin)
		if !start.Equal(c.start) || !end.Equal(c.end) {
			t.Errorf("%s: got %s to %s, want %s to %s", c.period, start, end, c.start, c.end)
		}
	}
}

func TestPeriodsTileTheYear(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, period := range []wire.Period{wire.Period_PERIOD_DAY, wire.Period_PERIOD_WEEK, wire.Period_PERIOD_MONTH, wire.Period_PERIOD_QUARTER} {
		_, end := period.Bounds(time.Date(2025, 12, 31, 12, 0, 0, 0, zone), zone)
		for end.Year() < 2027 {
			start, next := period.Bounds(end, zone)
			if !start.Equal(end) || !next.After(start) {
				t.Fatalf("%s: after a period's end at %s comes one from %s to %s", period, end, start, next)
			}
			last, _ := period.Bounds(next.Add(-time.Nanosecond), zone)
			if !last.Equal(start) {
				t.Fatalf("%s: the last moment before %s belongs to %s, want %s", period, next, last, start)
			}
			end = next
		}
	}
}

func TestIDTextAndBytes(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_770_000_000_123)
	id := wire.NewID(now)
	if text := id.String(); len(text) != 36 || text[14] != '7' || !strings.ContainsRune("89ab", rune(text[19])) {
		t.Errorf("%s is not a UUIDv7", text)
	}
	if back, err := wire.IDFromBytes(id.Bytes()); err != nil || back != id {
		t.Errorf("got %s, %v", back, err)
	}
	if none, err := wire.IDFromBytes(nil); err != nil || !none.IsZero() || none.Bytes() != nil {
		t.Errorf("none is %v, %v", none, err)
	}
	if _, err := wire.IDFromBytes([]byte{1, 2}); err == nil {
		t.Error("two bytes pass for an id")
	}
}
