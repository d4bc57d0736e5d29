package authenticate

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

// FuzzIdentify: whatever the fields say, a key is known only when one of them has its whole text and none another.
func FuzzIdentify(f *testing.F) {
	good := text("a")
	f.Add("Bearer "+good, "", "")
	f.Add("bearer  "+good+" ", good, "")
	f.Add("", "", good)
	f.Add("Basic "+good, good, "x")
	f.Add("Bearer "+text("b"), "", good)
	now := time.Unix(1_800_000_000, 0)
	a := fixture(now)
	f.Fuzz(func(t *testing.T, bearer, apiKey, googles string) {
		header := http.Header{}
		for name, value := range map[string]string{"Authorization": bearer, "X-Api-Key": apiKey, "X-Goog-Api-Key": googles} {
			if value != "" {
				header[name] = []string{value}
			}
		}
		key, _, problem := a.Identify(header, now)
		if (key == nil || key.Name != "good") != (problem != nil) {
			t.Fatalf("%q: key %v, problem %v", header, key, problem)
		}
		if key == nil {
			return
		}
		for name, values := range header {
			value := values[0]
			if name == "Authorization" {
				value = strings.TrimSpace(value[min(len("Bearer "), len(value)):])
			}
			if value != "" && wire.KeyHash(pepper, value) != wire.KeyHash(pepper, good) && problem == nil {
				t.Fatalf("%q is taken for %s", header, key.Name)
			}
		}
	})
}
