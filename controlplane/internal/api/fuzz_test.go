package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzBody: a body is taken as encoding/json takes it or refused without a word of what it holds, and one that changes something leaves what it does
// not mention as it was.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"name":"a","limit":7}`, `{"Name":"a"}`, `{"name":"a"} {}`, `{"tagſ":["x"]}`, `{"limit":1e999}`, `{"limit":"secretsecretsecret"}`, `null`, `{"name":null}`, ``} {
		f.Add([]byte(seed))
	}
	type fields struct {
		Name  *string           `json:"name"`
		Limit *int64            `json:"limit"`
		Tags  []string          `json:"tags"`
		Other map[string]string `json:"other"`
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var ours, theirs fields
		err := (&sent{raw}).into(&ours)
		if err != nil {
			for _, word := range strings.FieldsFunc(string(raw), func(r rune) bool { return strings.ContainsRune(` "{}[],:`, r) }) {
				if len(word) > 16 && strings.Contains(err.Error(), word) && !strings.HasPrefix(err.Error(), "unknown field") {
					t.Errorf("%q is repeated: %v", word, err)
				}
			}
			return
		}
		if json.Unmarshal(raw, &theirs) != nil || !reflect.DeepEqual(ours, theirs) {
			t.Fatalf("%s is %+v here and %+v to others", raw, ours, theirs)
		}
		name, limit := "before", int64(3)
		before := fields{Name: &name, Limit: &limit, Tags: []string{"before"}, Other: map[string]string{"before": ""}}
		var changed fields
		if string(raw) == "null" || (&sent{raw}).over(&before, &changed) != nil {
			return
		}
		for i := range reflect.TypeFor[fields]().NumField() {
			got, was, said := reflect.ValueOf(changed).Field(i).Interface(), reflect.ValueOf(before).Field(i).Interface(), reflect.ValueOf(theirs).Field(i)
			if !reflect.DeepEqual(got, said.Interface()) && (!said.IsNil() || !reflect.DeepEqual(got, was)) {
				t.Errorf("%s makes %+v of %+v", raw, changed, before)
			}
		}
	})
}
