package translate

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func dialectOf(t testing.TB, name string) dialect.Dialect {
	t.Helper()
	for d := dialect.OpenAIChat; d.String() != ""; d++ {
		if d.String() == strings.TrimSpace(name) {
			return d
		}
	}
	t.Fatalf("there is no dialect %q", name)
	return dialect.None
}

// other is a target that speaks another format than the dialect.
func other(d dialect.Dialect, model string) (*state.Target, dialect.Dialect) {
	p := &state.Provider{Name: "there", Kind: wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, Catalog: "anthropic"}
	if d == dialect.AnthropicMessages {
		p.Kind, p.Catalog = wire.ProviderKind_PROVIDER_KIND_OPENAI, "openai"
	}
	target := &state.Target{Provider: p, Model: model}
	return target, Spoken(d, target)
}

// TestStories carries each story's request there and its answers back, whole and streamed, the stream cut at every byte that matters.
func TestStories(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("testdata/*.txtar")
	if len(files) == 0 {
		t.Fatal("there are no stories")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := map[string][]byte{}
			for _, each := range archive.Files {
				in[each.Name] = each.Data
			}
			d := dialectOf(t, string(in["dialect"]))
			target, spoken := other(d, strings.TrimSpace(string(in["model"])))
			if kind := strings.TrimSpace(string(in["kind"])); kind != "" {
				target.Provider.Kind = wire.ProviderKind(wire.ProviderKind_value["PROVIDER_KIND_"+kind])
				spoken = Spoken(d, target)
			}
			ask, _, _ := read(t, d, string(in["request"]))
			out, dropped, problem := ask.Request(nil, in["request"], spoken, target, &state.Price{MaxOutputTokens: 64000}, 0, false)
			if problem != nil {
				t.Fatal(problem)
			}
			got := []txtar.File{{Name: "request, there", Data: pretty(t, out)}, {Name: "dropped", Data: []byte(strings.Join(dropped, "\n") + "\n")}}
			ask.IncludeUsage = true
			used := usage(t, spoken, in["answer"])
			back, err := ask.Answer(nil, in["answer"], spoken, "id", &used, noon)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, txtar.File{Name: "answer, here", Data: pretty(t, back)}, txtar.File{Name: "stream, here", Data: carry(t, spoken, &ask, in["stream"])})
			for _, each := range got {
				compare(t, archive, each)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func compare(t *testing.T, archive *txtar.Archive, got txtar.File) {
	t.Helper()
	for i := range archive.Files {
		if archive.Files[i].Name != got.Name {
			continue
		}
		if *update {
			archive.Files[i] = got
		} else if !bytes.Equal(archive.Files[i].Data, got.Data) {
			t.Errorf("%s:\n%s\nwant:\n%s", got.Name, got.Data, archive.Files[i].Data)
		}
		return
	}
	if !*update {
		t.Errorf("%s is missing", got.Name)
	}
	archive.Files = append(archive.Files, got)
}

func pretty(t testing.TB, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", " "); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return append(out.Bytes(), '\n')
}

func usage(t testing.TB, d dialect.Dialect, body []byte) wire.Tokens {
	t.Helper()
	var r scan.Result
	if err := r.ScanAnswer(body); err != nil {
		t.Fatal(err)
	}
	return wire.Tokens(meter.Answer(d, body, &r, 0))
}

// carry carries a stream whose events are metered as the pipeline does it, to the end that it needs.
func carry(t testing.TB, from dialect.Dialect, ask *Ask, raw []byte) (out []byte) {
	t.Helper()
	var split sse.Splitter
	var r scan.Result
	metered, carrier := meter.NewStream(from, 0), NewStream(from, ask, "id", noon)
	split.Feed(raw)
	for {
		event, ok, err := split.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			used := wire.Tokens(metered.Usage())
			return carrier.End(out, &used)
		}
		if kind := metered.Event(event, &r); kind == meter.Garbage || kind == meter.Failed {
			t.Fatalf("%d: %s", kind, event.Data)
		}
		used := wire.Tokens(metered.Usage())
		out = carrier.Event(out, event.Data, &used)
	}
}

func TestWhatCannotBeCarriedIsRefusedByName(t *testing.T) {
	t.Parallel()
	chat := func(more string) string {
		return `{"model":"m","messages":[{"role":"user","content":"hi"}]` + more + `}`
	}
	messages := func(more string) string {
		return `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]` + more + `}`
	}
	responses := func(more string) string { return `{"model":"m","input":"hi"` + more + `}` }
	for body, param := range map[string]string{
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image\/png\",\"x\":\"y;base64,AA"}}]}]}`: "messages[0].content[0].image_url.url",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_data":"data:a\/b;base64,AA\\"}]}]}`:                           "input[0].content[0].file_data",
		responses(`,"previous_response_id":"r"`):                                                   "previous_response_id",
		responses(`,"conversation":"c"`):                                                           "conversation",
		responses(`,"store":true`):                                                                 "store",
		responses(`,"tools":[{"type":"web_search"}]`):                                              "tools[0]",
		`{"model":"m","input":[{"type":"item_reference","id":"a"}]}`:                               "input[0]",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]}`: "input[0].content[0].file_id",
		chat(`,"seed":1`):                                                         "seed",
		chat(`,"n":2`):                                                            "n",
		chat(`,"frequency_penalty":0.5`):                                          "frequency_penalty",
		chat(`,"logprobs":true`):                                                  "logprobs",
		chat(`,"store":true`):                                                     "store",
		chat(`,"service_tier":"priority"`):                                        "service_tier",
		chat(`,"unheard_of":{"a":1}`):                                             "unheard_of",
		chat(`,"stop":[1]`):                                                       "stop[0]",
		chat(`,"reasoning_effort":"huge"`):                                        "reasoning_effort",
		chat(`,"response_format":{"type":"json_object"}`):                         "response_format.type",
		chat(`,"tools":[{"type":"custom","custom":{"name":"x"}}]`):                "tools[0].type",
		chat(`,"tool_choice":{"type":"allowed_tools","allowed_tools":{}}`):        "tool_choice.allowed_tools",
		`{"model":"m","messages":[{"role":"function","name":"f","content":"b"}]}`: "messages[0]",
		`{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"aa","format":"wav"}}]}]}`:              "messages[0].content[0]",
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}`:                  "messages[0].content[0]",
		`{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}`:                                         "messages[0].content[0].file.file_id",
		`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"x","arguments":"{no"}}]}]}`: "messages[0].tool_calls[0].function.arguments",
		messages(`,"top_k":3`): "top_k",
		messages(`,"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}`): "context_management",
		messages(`,"mcp_servers":[]`):                                                                      "mcp_servers",
		messages(`,"stop_sequences":["a","b","c","d","e"]`):                                                "stop_sequences",
		messages(`,"tools":[{"type":"web_search_20250305","name":"web_search"}]`):                          "tools[0].type",
		messages(`,"thinking":{"type":"sometimes"}`):                                                       "thinking",
		`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"server_tool_use"}]}]}`: "messages[0].content[0]",
		`{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://a/b.pdf"}}]}]}`: "messages[0].content[0]",
	} {
		d := dialect.OpenAIChat
		if strings.Contains(body, `"max_tokens":5`) {
			d = dialect.AnthropicMessages
		} else if strings.Contains(body, `"input":`) {
			d = dialect.OpenAIResponses
		}
		target, spoken := other(d, "m")
		var r scan.Result
		if err := r.Scan([]byte(body)); err != nil {
			t.Fatal(err)
		}
		ask, problem := Read(d, []byte(body), &r)
		if problem == nil {
			_, _, problem = ask.Request(nil, []byte(body), spoken, target, &state.Price{}, 0, false)
		}
		if problem == nil || problem.Param != param || problem.Code != wire.CodeFieldNotCarried || problem.Status != 400 {
			t.Errorf("%s: %+v, want %s", body, problem, param)
		}
	}
}

func TestAKeyMayHaveSettingsLeftOutButNothingThatIsSaid(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"seed":1,"logprobs":true,"n":2,"temperature":0.5}`:  "seed n logprobs",
		`{"model":"m","max_tokens":5,"top_k":3,"mcp_servers":[],"messages":[{"role":"user","content":"hi"}]}`:         "mcp_servers top_k",
		`{"model":"m","seed":1,"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}`:      "refused messages[0].content[0].file.file_id",
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"custom","custom":{"name":"x"}}]}`: "refused tools[0].type",
		`{"model":"m","input":"hi","tools":[{"type":"web_search","external_web_access":false}]}`:                      "tools[0]",
		`{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":"hot"}`:                               "refused temperature",
	} {
		d := dialect.OpenAIChat
		if strings.Contains(body, `"max_tokens":5`) {
			d = dialect.AnthropicMessages
		} else if strings.Contains(body, `"input":`) {
			d = dialect.OpenAIResponses
		}
		target, spoken := other(d, "m")
		ask, _, _ := read(t, d, body)
		out, dropped, problem := ask.Request(nil, []byte(body), spoken, target, &state.Price{}, 0, true)
		got := strings.Join(dropped, " ")
		if problem != nil {
			got = "refused " + problem.Param
		} else if !json.Valid(out) {
			t.Errorf("%s becomes %s", body, out)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}
