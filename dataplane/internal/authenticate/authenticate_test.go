package authenticate

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

var pepper = []byte(strings.Repeat("p", 32))

func text(c string) string { return wire.KeyText("live", strings.Repeat(c, 32)) }

func fixture(now time.Time) *Authenticator {
	org := &state.Org{}
	keys := map[[32]byte]*state.Key{
		wire.KeyHash(pepper, text("a")): {Name: "good", Org: org},
		wire.KeyHash(pepper, text("b")): {Name: "revoked", Org: org, Revoked: true},
		wire.KeyHash(pepper, text("c")): {Name: "expired", Org: org, ExpiresAt: now},
		wire.KeyHash(pepper, text("d")): {Name: "suspended", Org: &state.Org{Suspended: true}},
	}
	return New(pepper, func(hash [32]byte) *state.Key { return keys[hash] })
}

func TestIdentifyAcceptsOnlyALivingKey(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	a := fixture(now)
	for name, c := range map[string]struct {
		header http.Header
		code   string
		known  bool
	}{
		"bearer":         {http.Header{"Authorization": {"Bearer " + text("a")}}, "", true},
		"lower case":     {http.Header{"Authorization": {"bearer " + text("a")}}, "", true},
		"x-api-key":      {http.Header{"X-Api-Key": {text("a")}}, "", true},
		"both the same":  {http.Header{"Authorization": {"Bearer " + text("a")}, "X-Api-Key": {text("a")}}, "", true},
		"both differ":    {http.Header{"Authorization": {"Bearer " + text("a")}, "X-Api-Key": {text("b")}}, wire.CodeInvalidKey, false},
		"none":           {http.Header{}, wire.CodeInvalidKey, false},
		"basic":          {http.Header{"Authorization": {"Basic eDp5"}}, wire.CodeInvalidKey, false},
		"mistyped":       {http.Header{"X-Api-Key": {text("a")[:40] + "x"}}, wire.CodeInvalidKey, false},
		"twice":          {http.Header{"X-Api-Key": {text("a"), text("a")}}, wire.CodeInvalidKey, false},
		"unknown":        {http.Header{"X-Api-Key": {text("z")}}, wire.CodeInvalidKey, false},
		"revoked":        {http.Header{"X-Api-Key": {text("b")}}, wire.CodeKeyRevoked, true},
		"expired now":    {http.Header{"X-Api-Key": {text("c")}}, wire.CodeKeyExpired, true},
		"suspended":      {http.Header{"X-Api-Key": {text("d")}}, wire.CodeOrgSuspended, true},
		"provider's key": {http.Header{"X-Api-Key": {"sk-proj-" + strings.Repeat("a", 40)}}, wire.CodeInvalidKey, false},
	} {
		key, _, problem := a.Identify(c.header, now)
		code := ""
		if problem != nil {
			code = problem.Code
		}
		if code != c.code || (key != nil) != c.known {
			t.Errorf("%s: code %q key %v", name, code, key)
		}
	}
}

func TestAnExpiringKeyWorksUntilItsLastMoment(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	if _, _, problem := fixture(now).Identify(http.Header{"X-Api-Key": {text("c")}}, now.Add(-time.Nanosecond)); problem != nil {
		t.Error(problem)
	}
}

func BenchmarkIdentify(b *testing.B) {
	now := time.Unix(1_800_000_000, 0)
	a := fixture(now)
	header := http.Header{"Authorization": {"Bearer " + text("a")}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, problem := a.Identify(header, now); problem != nil {
			b.Fatal(problem)
		}
	}
}
