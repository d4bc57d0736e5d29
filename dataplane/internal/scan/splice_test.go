package scan

import (
	"encoding/json"
	"testing"
)

// FuzzMembers: what Each and Elements find of a body is what encoding/json finds, at any depth, and a body with one value put in another's
// place differs in that alone.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":"\u00e9"},[]],"c":{"d":null}}`, ` { "\ud83d\ude00" : "x" , "y":[ ] } `, `{"a":"\"","b":"\\"}`, `{"":0}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r Result
		if r.Scan(body) == nil {
			checkMembers(t, body)
		}
	})
}

func checkMembers(t *testing.T, raw []byte) {
	t.Helper()
	var object map[string]json.RawMessage
	var array []json.RawMessage
	switch {
	case json.Unmarshal(raw, &array) == nil && array != nil:
		n := 0
		Elements(raw, func(value []byte) {
			if n >= len(array) || string(value) != string(array[n]) {
				t.Fatalf("element %d of %q is %q", n, raw, value)
			}
			n++
			checkMembers(t, value)
		})
		if n != len(array) {
			t.Fatalf("%q has %d elements, want %d", raw, n, len(array))
		}
	case json.Unmarshal(raw, &object) == nil && object != nil:
		checkObject(t, raw, object)
	}
}

func checkObject(t *testing.T, raw []byte, object map[string]json.RawMessage) {
	t.Helper()
	found, twice := map[string]Value{}, false
	Each(raw, func(key, value []byte) {
		name := string(Unescape(nil, key))
		_, seen := found[name]
		twice = twice || seen
		begin := cap(raw) - cap(value)
		found[name] = Value{Start: begin, End: begin + len(value)}
		checkMembers(t, value)
	})
	if twice || len(found) != len(object) { // two keys with the same broken escapes are one to encoding/json
		return
	}
	for name, at := range found {
		if string(object[name]) != string(raw[at.Start:at.End]) {
			t.Fatalf("%q of %q is %q", name, raw, raw[at.Start:at.End])
		}
		var back map[string]json.RawMessage
		if out := Splice(nil, raw, []Edit{{at.Start, at.End, []byte(`"put"`)}}); json.Unmarshal(out, &back) != nil || len(back) != len(object) || string(back[name]) != `"put"` {
			t.Fatalf("%q becomes %q", raw, out)
		}
	}
}
