package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
)

const canary = "sk-canary-4711"

func TestSecretNeverShowsItself(t *testing.T) {
	t.Parallel()
	secret := seal.NewSecret(canary)
	hidden := struct{ inner seal.Secret }{secret}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&shown, verb+verb+verb, secret, &secret, hidden)
	}
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("secret", "value", secret, "within", map[string]any{"secret": secret}, "struct", hidden)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("secret", "value", secret, "struct", hidden)
	if err := json.NewEncoder(&shown).Encode(map[string]any{"secret": secret, "pointer": &secret, "list": []seal.Secret{secret}}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&shown, errors.New(fmt.Sprint("failed with ", secret)))
	for _, form := range []string{canary, fmt.Sprintf("%x", canary)} {
		if strings.Contains(shown.String(), form) {
			t.Errorf("the secret shows in %s", shown.String())
		}
	}
	if secret.Reveal() != canary {
		t.Error("Reveal does not reveal")
	}
}

func TestSecretIsReadFromJSON(t *testing.T) {
	t.Parallel()
	var in struct{ Secret seal.Secret }
	if err := json.Unmarshal([]byte(`{"secret":"`+canary+`"}`), &in); err != nil {
		t.Fatal(err)
	}
	if in.Secret.Reveal() != canary {
		t.Errorf("read %q", in.Secret.Reveal())
	}
}

func TestSealedSecretOpensOnlyAtItsPlace(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	box := newBox(t, 1)
	place := seal.Place{Table: "credential", Row: uuid.New(), Column: "sealed"}
	sealed, version := sealFor(t, db, box, a.Org, place)
	_, _ = sealFor(t, db, box, b.Org, place) // so that b has a data key too

	if bytes.Contains(sealed, []byte(canary)) {
		t.Error("the ciphertext holds the text")
	}
	secret, err := openFor(t, db, box, a.Org, version, place, sealed)
	if err != nil || secret.Reveal() != canary {
		t.Errorf("open at its place: %q, %v", secret.Reveal(), err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	for name, try := range map[string]func() error{
		"another row": func() error {
			_, err := openFor(t, db, box, a.Org, version, seal.Place{Table: "credential", Row: uuid.New(), Column: "sealed"}, sealed)
			return err
		},
		"another column": func() error {
			_, err := openFor(t, db, box, a.Org, version, seal.Place{Table: "credential", Row: place.Row, Column: "other"}, sealed)
			return err
		},
		"another table": func() error {
			_, err := openFor(t, db, box, a.Org, version, seal.Place{Table: "webhook", Row: place.Row, Column: "sealed"}, sealed)
			return err
		},
		"another organization": func() error {
			_, err := openFor(t, db, box, b.Org, version, place, sealed)
			return err
		},
		"another master key": func() error {
			_, err := openFor(t, db, newBox(t, 2), a.Org, version, place, sealed)
			return err
		},
		"an unknown data key": func() error {
			_, err := openFor(t, db, box, a.Org, version+1, place, sealed)
			return err
		},
		"a changed ciphertext": func() error {
			_, err := openFor(t, db, box, a.Org, version, place, flipped)
			return err
		},
	} {
		if try() == nil {
			t.Errorf("it opened with %s", name)
		}
	}
}

func TestNewRefusesAShortMasterKey(t *testing.T) {
	t.Parallel()
	if _, err := seal.New(make([]byte, 16)); err == nil {
		t.Error("16 bytes were taken as a master key")
	}
}

func newBox(t *testing.T, fill byte) *seal.Box {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{fill}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func sealFor(t *testing.T, db *pgtest.DB, box *seal.Box, org ident.Org, place seal.Place) (sealed []byte, version int32) {
	t.Helper()
	err := db.Tenant.Write(t.Context(), org, func(tx pgx.Tx) (err error) {
		sealed, version, err = box.Seal(t.Context(), tx, org, place, seal.NewSecret(canary))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sealed, version
}

func openFor(t *testing.T, db *pgtest.DB, box *seal.Box, org ident.Org, version int32, place seal.Place, sealed []byte) (secret seal.Secret, err error) {
	t.Helper()
	err = db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) error {
		ring, err := box.Ring(t.Context(), tx, org)
		if err != nil {
			return err
		}
		secret, err = ring.Open(version, place, sealed)
		return err
	})
	return secret, err
}
