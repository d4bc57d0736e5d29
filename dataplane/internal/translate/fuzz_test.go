package translate

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func seeds(f *testing.F, part string) {
	f.Helper()
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, each := range archive.Files {
			if each.Name == part {
				f.Add(each.Data)
			}
		}
	}
}

// FuzzEmbeddings: whatever asks for embeddings is refused or becomes requests of JSON with no field twice and every text in order, and what comes
// back of any answer is JSON too.
func FuzzEmbeddings(f *testing.F) {
	f.Add([]byte(`{"model":"e","input":["a","b"],"dimensions":8,"encoding_format":"base64"}`), []byte(`{"embedding":[1],"embeddings":{"float":[[1]]}}`))
	f.Add([]byte(`{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING","title":"t"}`), []byte(`{"embedding":{"values":[1]},"embeddings":[{"values":[1]}]}`))
	f.Add([]byte(`{"requests":[{"model":"models/e","content":{"parts":[{"text":"a"}]}}]}`), []byte(`{"predictions":[{"embeddings":{"values":[1]}}],"data":[{"embedding":[1]}]}`))
	f.Fuzz(func(t *testing.T, body, answer []byte) {
		for _, d := range []dialect.Dialect{dialect.OpenAIEmbeddings, dialect.GeminiEmbed, dialect.GeminiBatchEmbed} {
			var r scan.Result
			if r.Scan(body) != nil {
				return
			}
			ask, problem := Read(d, body, &r)
			if problem != nil || ask.sameModel(body) != nil {
				continue
			}
			for to := range embedFormats {
				out, _, problem := ask.Request(nil, body, to, &state.Target{Provider: &state.Provider{}, Model: "there"}, &state.Price{}, 0, false)
				if problem != nil {
					continue
				}
				var back []byte
				err := error(nil)
				for i := range ask.Portions {
					if one := ask.Portion(out, i); r.Scan(one) != nil {
						t.Errorf("%s becomes %s", body, one)
					}
					if scan.Valid(answer) && err == nil {
						back, err = ask.AppendVectors(back, answer, to, i)
					}
				}
				if back = ask.CloseVectors(back, &wire.Tokens{Input: 7}); scan.Valid(answer) && err == nil && !json.Valid(back) {
					t.Errorf("%s becomes %s", answer, back)
				}
			}
		}
	})
}

// FuzzRequest: whatever the scanner takes is refused or becomes JSON that names the target's model once, unless the path does.
func FuzzRequest(f *testing.F) {
	seeds(f, "request")
	for _, lacks := range []string{
		`{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b"}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a"}]}`,
		`{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"b"}}]},{"role":"tool","tool_call_id":"a"}`,
		`{"role":"user","content":[{"type":"image"},{"type":"document"},{"type":"text"},{"type":"image_url"},{"type":"input_audio"},{"type":"file"}]}`,
	} {
		f.Add([]byte(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},` + lacks + `]}`))
	}
	f.Add([]byte(`{"model":"m","input":[{"type":"function_call","call_id":"a","name":"b"},{"type":"function_call_output","call_id":"a"},{"type":"message"}]}`))
	f.Add([]byte(`{"contents":[{"role":"model","parts":[{"functionCall":{"name":"b"}}]},{"parts":[{"functionResponse":{"name":"b"}},{"inlineData":{}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range []dialect.Dialect{dialect.OpenAIChat, dialect.OpenAIResponses, dialect.AnthropicMessages, dialect.GeminiGenerate} {
			var r scan.Result
			if r.Scan(body) != nil {
				return
			}
			ask, problem := Read(d, body, &r)
			if problem != nil {
				continue
			}
			for kind := range wire.ProviderKind_name {
				target := &state.Target{Provider: &state.Provider{Kind: wire.ProviderKind(kind)}, Model: "there"}
				spoken := Spoken(d, target)
				if spoken == dialect.None || spoken == d {
					continue
				}
				out, _, problem := ask.Request(nil, body, spoken, target, &state.Price{}, 7, false)
				var made struct{ Model string }
				if problem == nil && (json.Unmarshal(out, &made) != nil || made.Model != "there" && made.Model != "" || r.Scan(out) != nil) { // nor does a field stand twice
					t.Errorf("%s becomes %s", body, out)
				}
			}
		}
	})
}

type pair struct {
	from dialect.Dialect
	ask  Ask
}

// pairs are the formats of providers, each with the callers of every other one.
func pairs() (all []pair) {
	for from, theirs := range formats {
		for to, ours := range formats {
			if theirs.decoder != nil && ours.encoder != nil && from != to {
				all = append(all, pair{from, Ask{Dialect: to, IncludeUsage: true}})
			}
		}
	}
	return all
}

// FuzzAnswer: whatever the scanner takes of a provider is an error or becomes JSON.
func FuzzAnswer(f *testing.F) {
	seeds(f, "answer")
	f.Fuzz(func(t *testing.T, body []byte) {
		var r scan.Result
		if r.ScanAnswer(body) != nil {
			return
		}
		for _, pair := range pairs() {
			if out, err := pair.ask.Answer(nil, body, pair.from, "id", &wire.Tokens{}, noon); err == nil && !json.Valid(out) {
				t.Errorf("%s becomes %s", body, out)
			}
		}
	})
}

// FuzzStream: whatever comes as events becomes events whose data are JSON.
func FuzzStream(f *testing.F) {
	seeds(f, "stream")
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, pair := range pairs() {
			var split, again sse.Splitter
			var r scan.Result
			carrier := NewStream(pair.from, &pair.ask, "id", noon)
			var out []byte
			split.Feed(raw)
			for event, ok, err := split.Next(); ok && err == nil; event, ok, err = split.Next() {
				if string(event.Data) == "[DONE]" || r.ScanAnswer(event.Data) == nil {
					out = carrier.Event(out, event.Data, &wire.Tokens{})
				}
			}
			again.Feed(out)
			for event, ok, err := again.Next(); ok && err == nil; event, ok, err = again.Next() {
				if string(event.Data) != "[DONE]" && !json.Valid(event.Data) {
					t.Errorf("%s becomes %s", raw, event.Data)
				}
			}
		}
	})
}
