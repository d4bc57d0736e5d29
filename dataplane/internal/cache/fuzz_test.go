package cache

import (
	"bytes"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

// FuzzEntry: what is kept opens at its place as it was, and with any byte changed, cut or put elsewhere it is nothing. Whatever an answer is,
// whether it may be kept can be said.
func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"choices":[{"finish_reason":"stop"}]}`), "k", uint16(3), byte(1))
	f.Add([]byte("data: {\"type\":\"message_stop\"}\n\n"), "", uint16(900), byte(0))
	seal, err := wire.FleetKey(make([]byte, 32)).Cipher("cache")
	if err != nil {
		f.Fatal(err)
	}
	owner := &tenant{seal: seal}
	f.Fuzz(func(t *testing.T, body []byte, key string, at uint16, flip byte) {
		for d := range dialect.Count {
			for _, streamed := range []bool{false, true} {
				_ = (&Answer{Dialect: dialect.Dialect(d), Body: body, Form: Form{Streamed: streamed}}).whole()
			}
		}
		sealed := owner.close(key, &Answer{Body: body, CostPico: 7, Form: Form{Streamed: true, Usage: true}, Used: wire.Tokens{Input: 1, Output: 5}}, time.UnixMilli(9))
		if kept, ok := owner.open(key, sealed); !ok || !bytes.Equal(kept.Body, body) || kept.CostPico != 7 || kept.At.UnixMilli() != 9 || kept.Form != (Form{Streamed: true, Usage: true}) || kept.Used != (wire.Tokens{Input: 1, Output: 5}) {
			t.Fatalf("%q is %+v, %v", body, kept, ok)
		}
		if _, ok := owner.open(key+"x", sealed); ok {
			t.Fatal("it opens at another place")
		}
		if _, ok := owner.open(key, sealed[:int(at)%len(sealed)]); ok {
			t.Fatal("a part of it opens")
		}
		if sealed[int(at)%len(sealed)] ^= flip; flip != 0 {
			if _, ok := owner.open(key, sealed); ok {
				t.Fatal("it opens with a byte changed")
			}
		}
		_, _ = owner.open(key, body)
	})
}
