package authenticate

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func secrets(t testing.TB, fill byte) *Secrets {
	t.Helper()
	s, err := NewSecrets(wire.FleetKey(bytes.Repeat([]byte{fill}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASecretSpeaksForItsKeyUntilItsEnd(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	key := &state.Key{ID: wire.ID{1}, Org: &state.Org{}}
	a := New([]byte("pepper"), func(sum [32]byte) *state.Key {
		if sum == [32]byte{7} {
			return key
		}
		return nil
	})
	text := secrets(t, 1).Seal(&Secret{Key: [32]byte{7}, Until: now.Add(time.Minute), Of: []byte("gates")})
	secret, problem := secrets(t, 1).Open(text, now)
	if problem != nil || string(secret.Of) != "gates" || !strings.HasPrefix(text, SecretPrefix) || strings.Contains(text, "gates") {
		t.Fatalf("%+v %v", secret, problem)
	}
	if got, sum, problem := a.Behind(secret, now); got != key || sum != secret.Key || problem != nil {
		t.Errorf("%+v %v", got, problem)
	}
	key.Revoked = true
	if got, _, problem := a.Behind(secret, now); got != key || problem == nil || problem.Code != wire.CodeKeyRevoked {
		t.Errorf("of a revoked key: %v", problem)
	}
	if _, _, problem := a.Behind(&Secret{}, now); problem == nil || problem.Code != wire.CodeInvalidKey {
		t.Errorf("of a key that is gone: %v", problem)
	}
	if _, problem := secrets(t, 1).Open(text, now.Add(time.Minute)); problem == nil || problem.Code != wire.CodeKeyExpired {
		t.Errorf("at its end: %v", problem)
	}
	if _, problem := secrets(t, 2).Open(text, now); problem == nil || problem.Code != wire.CodeInvalidKey {
		t.Errorf("of another fleet: %v", problem)
	}
}

func FuzzSecrets(f *testing.F) {
	s, now := secrets(f, 1), time.Unix(1_800_000_000, 0)
	f.Add("")
	f.Add("ek_")
	f.Add(secrets(f, 2).Seal(&Secret{Until: now.Add(time.Hour), Of: []byte("x")}))
	f.Fuzz(func(t *testing.T, text string) {
		if got, problem := s.Open(text, now); problem == nil {
			t.Errorf("%q opens: %+v", text, got)
		}
	})
}
