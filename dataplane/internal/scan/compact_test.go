package scan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestCompactTakesOutSpacesThatSayNothing(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{ "a b" : [ 1 , "c \" d" ,` + "\n\t\r" + `null ] }`: `{"a b":[1,"c \" d",null]}`,
		`{"x":"\\", "y":"\\\" "}`:                            `{"x":"\\","y":"\\\" "}`,
		``:                                                   ``,
		`, "open`:                                            `,"open`,
	} {
		if got := string(Compact([]byte("+"), []byte(in))); got != "+"+want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func FuzzCompact(f *testing.F) {
	f.Add([]byte(`{ "a": [1, "b \\\" c", {"d" : ""}] }`))
	f.Add([]byte(`"\"`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := Compact(nil, data)
		if !Valid(data) {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, data); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%q: %q, want %q %v", data, got, want.Bytes(), err)
		}
	})
}

func BenchmarkCompact(b *testing.B) {
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("lorem ipsum ", 85) + `"}],"model":"fast","max_tokens":100}`)
	dst := make([]byte, 0, len(body))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		dst = Compact(dst[:0], body)
	}
}
