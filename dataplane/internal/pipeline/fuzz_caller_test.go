package pipeline

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// FuzzOfWhom: whatever a caller says of whom and what a call is for, it is refused, or the books take it: an event that they do not take is not
// billed.
func FuzzOfWhom(f *testing.F) {
	f.Add("team", "blue", "run-1", "1000", "", []byte(`{"model":"m","messages":[],"user":"a\u0000b","metadata":{"a\u0000":"\ud83d\ude00","n":7}}`), uint8(0))
	f.Add("a", strings.Repeat("a\xff", 256), "", "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", []byte(`{"model":"m","messages":[],"metadata":{"user_id":"user_1_account__session_s"}}`), uint8(1))
	f.Add("b", "\x00", "", "0", "", []byte(`{"model":"m\u0000","input":"x","conversation":{"id":"c\u0000"},"metadata":{"":"x"}}`), uint8(2))
	g, c := newRig(f, openAI(f, answering("application/json", chatAnswer))), newCall()
	f.Fuzz(func(t *testing.T, label, value, run, timeout, trace string, body []byte, which uint8) {
		d := []dialect.Dialect{dialect.OpenAIChat, dialect.AnthropicMessages, dialect.OpenAIResponses}[which%3]
		r := httptest.NewRequest(http.MethodPost, d.Path(), strings.NewReader(string(body)))
		r.Header = http.Header{
			"Authorization": {"Bearer " + g.text}, http.CanonicalHeaderKey(labelPrefix + label): {value}, runField: {run}, timeoutField: {timeout}, "Traceparent": {trace}, "X-Tollgate-User": {value},
		}
		c.begin(httptest.NewRecorder(), r, d, time.Now())
		defer c.end()
		var problem *refusal.Error
		for _, stage := range g.pipeline.order()[:4] {
			if problem = stage.run(c); problem != nil {
				break
			}
		}
		if problem != nil && (problem.Status < 400 || problem.Status > 499) {
			t.Errorf("%d %s", problem.Status, problem.Message)
		}
		c.fill(&c.event, &wire.ID{1})
		if c.timeout < 0 || len(c.event.GetLabels()) > labelsMax {
			t.Errorf("%d labels, %s", len(c.event.GetLabels()), c.timeout)
		}
		texts := []string{c.event.GetModel(), c.event.GetRunId(), c.event.GetEndUser()}
		for name, value := range c.event.GetLabels() {
			texts = append(texts, name, value)
		}
		if i := slices.IndexFunc(texts, func(text string) bool { return !wire.ValidText(text) }); i >= 0 {
			t.Errorf("the books do not take %q", texts[i])
		}
	})
}

// FuzzCacheControl: what a caller asks of caches narrows what the route allows, and who asks for nothing to be kept is heard.
func FuzzCacheControl(f *testing.F) {
	f.Add("no-store", "")
	f.Add("", "max-age=\"60\", No-Cache")
	f.Add("max-age=-1", "no-store")
	f.Fuzz(func(t *testing.T, own, plain string) {
		c := &call{r: &http.Request{Header: http.Header{cacheField: {own}, "Cache-Control": {plain}}}}
		asks, problem := c.cacheControl(time.Hour)
		if c.memo.age < 0 || c.memo.age > time.Hour {
			t.Errorf("%q and %q: %s", own, plain, c.memo.age)
		}
		said := plain
		if own != "" {
			said = own
		}
		for directive := range strings.SplitSeq(said, ",") {
			if strings.EqualFold(strings.Trim(directive, " "), "no-store") && asks && problem == nil {
				t.Errorf("%q and %q are taken for leave to keep", own, plain)
			}
		}
	})
}

// FuzzQuery: no key leaves in a query, and all else of it as it came.
func FuzzQuery(f *testing.F) {
	f.Add("a=1&Key=secret&b=%2b&api_%6bey=x&&c")
	f.Add("a=1;key=x")
	f.Fuzz(func(t *testing.T, raw string) {
		kept, ok := strippedQuery(raw)
		if !ok {
			return
		}
		before, err := url.ParseQuery(raw)
		after, failed := url.ParseQuery(kept)
		if (err == nil) != (failed == nil) {
			return // a value is no escape: that is the provider's to say
		}
		for name := range before {
			if isCredential(name) {
				delete(before, name)
			}
		}
		if before.Encode() != after.Encode() {
			t.Errorf("%q becomes %q", raw, kept)
		}
	})
}

// FuzzBatches: of a batch that is taken each field is known and stands once, and without the edge's notes its metadata are JSON that has none.
func FuzzBatches(f *testing.F) {
	f.Add([]byte(`{"input_file_id":"file-1","endpoint":"/v1/responses","completion_window":"24h","metadata":{"a":"b","tollgate":"x"}}`))
	f.Add([]byte(`{"input_file_id":"f","metadata":{"tollgat\u0065":"x","b":1},"endpoint":1}`))
	f.Add([]byte(`{"input_file_id":"f","input_file_i\u0064":"g"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if !scan.Valid(body) || body[0] != '{' {
			return
		}
		metadata := scan.Lookup(body, "metadata")
		if len(metadata) > 0 && metadata[0] == '{' {
			var left map[string]json.RawMessage
			out := scan.Splice(nil, metadata, withoutNotes(metadata, 0))
			if err := json.Unmarshal(out, &left); err != nil || left[noteName] != nil || left[callerName] != nil {
				t.Errorf("%s becomes %s", metadata, out)
			}
		}
		file, endpoint, problem := readBatch(body)
		var plain struct {
			File     any `json:"input_file_id"`
			Endpoint any `json:"endpoint"`
		}
		if problem != nil || json.Unmarshal(body, &plain) != nil {
			return
		}
		if file != plain.File || plain.Endpoint != endpoint && endpoint != "" {
			t.Errorf("%s is the file %q at %q, and to others %v", body, file, endpoint, plain)
		}
	})
}
