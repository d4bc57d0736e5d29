package pipeline

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// library is an account that keeps files as Anthropic and Google do; it notes what it was asked.
type library struct {
	got   []*http.Request
	sent  []string
	names []string // of files, as they were sent
	older bool     // Anthropic's lists go by ids, not by tokens
	at    string   // where uploads go on; empty: here
}

func (a *library) serve(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	a.got, a.sent = append(a.got, r), append(a.sent, string(raw))
	w.Header().Set("Content-Type", "application/json")
	id, content := strings.CutSuffix(r.URL.Path[strings.LastIndex(r.URL.Path, "files")+len("files"):], "/content")
	id = strings.Trim(id, "/")
	switch {
	case strings.HasPrefix(r.URL.Path, GeminiUploads):
		a.upload(w, r, raw)
	case strings.Contains(r.URL.Path, "messages"):
		_, _ = io.WriteString(w, `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}`)
	case strings.Contains(r.URL.Path, ":generateContent"):
		_, _ = io.WriteString(w, `{"candidates":[{"content":{"role":"model","parts":[{"text":"ok"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"totalTokenCount":7}}`)
	case content:
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, "the content")
	case r.Method == http.MethodPost:
		_, rest, _ := strings.Cut(string(raw), `filename="`)
		name, _, _ := strings.Cut(rest, `"`)
		a.names = append(a.names, name)
		_, _ = io.WriteString(w, a.describe(r, len(a.names)-1))
	case r.Method == http.MethodDelete:
		_, _ = fmt.Fprintf(w, `{"id":%q,"type":"file_deleted"}`, id)
	case id != "":
		n, _ := strconv.Atoi(strings.TrimLeft(id, "file_own"))
		_, _ = io.WriteString(w, a.describe(r, n))
	default:
		a.list(w, r)
	}
}

// upload answers as https://ai.google.dev/api/files has it.
func (a *library) upload(w http.ResponseWriter, r *http.Request, raw []byte) {
	if r.Header.Get(uploadCommand) == "start" {
		var in struct{ File struct{ DisplayName string } }
		_ = json.Unmarshal(raw, &in)
		a.names = append(a.names, in.File.DisplayName)
		at := a.at
		if at == "" {
			at = "http://" + r.Host
		}
		w.Header().Set(uploadAddress, at+GeminiUploads+"?upload_id=own-secret&upload_protocol=resumable")
		return
	}
	w.Header().Set("X-Goog-Upload-Status", "final")
	_, _ = io.WriteString(w, `{"file": `+a.describe(r, len(a.names)-1)+`}`)
}

func (a *library) describe(r *http.Request, n int) string {
	if strings.Contains(r.URL.Path, "v1beta") {
		return fmt.Sprintf(`{"name":"files/own%d","displayName":%q,"mimeType":"text/plain","uri":"http://%s/v1beta/files/own%d","state":"ACTIVE"}`, n, a.names[n], r.Host, n)
	}
	return fmt.Sprintf(`{"id":"file_own%d","type":"file","filename":%q,"mime_type":"text/plain","size_bytes":3,"downloadable":true}`, n, a.names[n])
}

// list shows two files on a page.
func (a *library) list(w http.ResponseWriter, r *http.Request) {
	google, query := strings.Contains(r.URL.Path, "v1beta"), r.URL.Query()
	from, _ := strconv.Atoi(query.Get("page") + query.Get("pageToken"))
	if after := query.Get("after_id"); after != "" {
		n, _ := strconv.Atoi(strings.TrimPrefix(after, "file_own"))
		from = n + 1
	}
	var all []string
	for n := from; n < min(from+2, len(a.names)); n++ {
		all = append(all, a.describe(r, n))
	}
	more := from+2 < len(a.names)
	switch {
	case google && more:
		_, _ = fmt.Fprintf(w, `{"files":[%s],"nextPageToken":"%d"}`, strings.Join(all, ","), from+2)
	case google:
		_, _ = fmt.Fprintf(w, `{"files":[%s]}`, strings.Join(all, ","))
	case a.older || !more:
		_, _ = fmt.Fprintf(w, `{"data":[%s],"has_more":%t}`, strings.Join(all, ","), more)
	default:
		_, _ = fmt.Fprintf(w, `{"data":[%s],"next_page":"%d"}`, strings.Join(all, ","), from+2)
	}
}

func libraryRig(t *testing.T, kind wire.ProviderKind) (*rig, *library) {
	t.Helper()
	a := &library{}
	g := newRig(t, provider(t, kind, a.serve))
	g.provider().Credentials = []state.Credential{{ID: wire.ID{1}, Secret: state.NewSecret("one")}, {ID: wire.ID{2}, Secret: state.NewSecret("two")}}
	return g, a
}

var asAnthropic = []string{"Anthropic-Version", "2023-06-01"}

// lend has Anthropic keep a file and returns what came back.
func (g *rig) lend(name, text string) said {
	body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\nContent-Type: text/plain\r\n\r\n" + text + "\r\n--x--\r\n"
	return g.ask("/v1/files", body, append(asAnthropic, "Content-Type", "multipart/form-data; boundary=x")...)
}

// send has Google keep a file and returns what came back in the end.
func (g *rig) send(name, text string, header ...string) said {
	g.t.Helper()
	begun := g.ask(GeminiUploads, `{"file":{"displayName":"`+name+`","mimeType":"text/plain"}}`, "X-Goog-Upload-Protocol", "resumable", uploadCommand, "start")
	where, err := url.Parse(begun.header.Get(uploadAddress))
	if err != nil || begun.status != http.StatusOK || "http://"+where.Host != g.edge.URL || strings.Contains(where.String(), "secret") {
		g.t.Fatalf("%+v", begun)
	}
	return g.ask(where.RequestURI(), text, append([]string{uploadCommand, "upload, finalize", "X-Goog-Upload-Offset", "0"}, header...)...)
}

func TestAnthropicKeepsFilesForTheWorkspace(t *testing.T) {
	t.Parallel()
	g, a := libraryRig(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC)
	s := g.lend("gates.txt", "the gates")
	id := textOf([]byte(s.body), "id")
	if s.status != http.StatusOK || !strings.HasPrefix(id, "file_") || strings.Contains(s.body, "own0") || textOf([]byte(s.body), "filename") != "gates.txt" {
		t.Fatalf("%+v", s)
	}
	if got := a.sent[0]; !strings.Contains(got, "Content-Type: text/plain\r\n\r\nthe gates\r\n") || !strings.Contains(got, `filename="tg-`) {
		t.Errorf("the provider got %s", got)
	}
	for action, want := range map[string]string{"": id, "/content": "the content"} {
		if s := g.do(http.MethodGet, "/v1/files/"+id+action, "", asAnthropic...); s.status != http.StatusOK || !strings.Contains(s.body, want) || strings.Contains(s.body, "own0") {
			t.Errorf("%s: %+v", action, s)
		}
	}
	for range 4 { // whichever credential comes first
		block := `{"type":"document","source":{"type":"file","file_id":"` + id + `"}}`
		call := `{"type":"tool_use","id":"t","name":"n","input":{"type":"file","file_id":"callers"}},{"type":"bash_code_execution_output","file_id":"file_written"}`
		s := g.ask("/v1/messages", `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":[`+block+`]},{"role":"assistant","content":[`+call+`]}]}`, asAnthropic...)
		if want := `{"model":"fast-2","max_tokens":9,"messages":[{"role":"user","content":[` + strings.Replace(block, id, "file_own0", 1) + `]},{"role":"assistant","content":[` + call + `]}]}`; s.status != http.StatusOK || a.sent[len(a.sent)-1] != want {
			t.Errorf("%+v, the provider got %s, want %s", s, a.sent[len(a.sent)-1], want)
		}
		if with, made := a.got[len(a.got)-1].Header.Get("X-Api-Key"), a.got[0].Header.Get("X-Api-Key"); with != made {
			t.Errorf("it is asked with the credential %s, the file was made with %s", with, made)
		}
	}
	if s := g.do(http.MethodDelete, "/v1/files/"+id, "", asAnthropic...); textOf([]byte(s.body), "id") != id {
		t.Errorf("%+v", s)
	}
	g.balanced()
}

func TestGoogleKeepsFilesForTheWorkspace(t *testing.T) {
	t.Parallel()
	g, a := libraryRig(t, wire.ProviderKind_PROVIDER_KIND_GEMINI)
	s := g.send(`a \"gate\"`, "the gates", "X-Forwarded-Proto", "https")
	var made struct {
		File struct{ Name, DisplayName, URI string }
	}
	must(t, json.Unmarshal([]byte(s.body), &made))
	id := strings.TrimPrefix(made.File.Name, "files/")
	if strings.Contains(s.body, "own0") || made.File.DisplayName != `a "gate"` || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || made.File.URI != strings.Replace(g.edge.URL, "http:", "https:", 1)+"/v1beta/files/"+id || s.header.Get("X-Goog-Upload-Status") != "final" {
		t.Fatalf("%+v", s)
	}
	if got := a.got[1]; a.sent[1] != "the gates" || got.URL.RawQuery != "upload_id=own-secret&upload_protocol=resumable" || got.Header.Get("X-Goog-Upload-Offset") != "0" {
		t.Errorf("the provider got %s %q", got.URL, a.sent[1])
	}
	if s := g.do(http.MethodGet, "/v1beta/files/"+id, ""); s.status != http.StatusOK || textOf([]byte(s.body), "name") != "files/"+id {
		t.Errorf("%+v", s)
	}
	ask := func(uri string) said {
		return g.ask("/v1beta/models/fast:generateContent", `{"contents":[{"role":"user","parts":[{"fileData":{"fileUri":"`+uri+`","mimeType":"text/plain"}}]},{"role":"model","parts":[{"functionCall":{"name":"n","args":{"fileUri":"files/callers"}}}]}]}`)
	}
	for range 4 {
		s := ask(made.File.URI)
		if got := a.sent[len(a.sent)-1]; s.status != http.StatusOK || !strings.Contains(got, `"fileUri":"`+g.provider().BaseURL.String()+`/v1beta/files/own0"`) || !strings.Contains(got, `"files/callers"`) {
			t.Errorf("%+v, the provider got %s", s, got)
		}
		if with, made := a.got[len(a.got)-1].Header.Get("X-Goog-Api-Key"), a.got[0].Header.Get("X-Goog-Api-Key"); with != made {
			t.Errorf("it is asked with the credential %s, the file was made with %s", with, made)
		}
	}
	for uri, status := range map[string]int{
		"https://example.com/files/gate.png": 200, "https://www.youtube.com/watch?v=1": 200, g.provider().BaseURL.String() + "/v1beta/files/own0": 404, "files/own0": 404,
		"https://generativelanguage.googleapis.com/v1beta/files/own0": 404, "HTTPS://GenerativeLanguage.googleapis.com./v1beta/files/own0": 404,
	} {
		if s := ask(uri); s.status != status || status == 404 && !strings.Contains(s.body, wire.CodeNotFound) {
			t.Errorf("%s: %+v", uri, s)
		}
	}
	g.key.AllowsProxy = true
	if s := ask("files/own0"); s.status != http.StatusOK {
		t.Errorf("a key that sees the account: %+v", s)
	}
	if s := g.do(http.MethodDelete, "/v1beta/files/"+id, ""); s.status != http.StatusOK {
		t.Errorf("%+v", s)
	}
	g.balanced()
}

// TestAListOfFilesHasWhatTheWorkspaceUploaded lists an account of which every other file is somebody else's, a page at a time.
func TestAListOfFilesHasWhatTheWorkspaceUploaded(t *testing.T) {
	t.Parallel()
	for name, older := range map[string]bool{"anthropic": false, "anthropic by ids": true, "gemini": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, items, token, size, id, kind := "/v1/files", "data", "page", "limit", "id", wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
			next := "next_page"
			if name == "gemini" {
				path, items, token, size, id, kind, next = "/v1beta/files", "files", "pageToken", "pageSize", "name", wire.ProviderKind_PROVIDER_KIND_GEMINI, "nextPageToken"
			}
			g, a := libraryRig(t, kind)
			a.older = older
			var want []string
			for n := range 7 {
				a.names = append(a.names, "somebody's.txt")
				if name == "gemini" {
					var made struct{ File struct{ Name string } }
					must(t, json.Unmarshal([]byte(g.send(fmt.Sprint(n), "text").body), &made))
					want = append(want, made.File.Name)
				} else {
					want = append(want, textOf([]byte(g.lend(fmt.Sprint(n), "text").body), "id"))
				}
			}
			for _, limit := range []int{1, 3, 50} {
				var got []string
				query := ""
				for range 20 {
					var page map[string]json.RawMessage
					s := g.do(http.MethodGet, path+"?"+size+"="+strconv.Itoa(limit)+query, "", asAnthropic...)
					must(t, json.Unmarshal([]byte(s.body), &page))
					var listed []map[string]any
					must(t, json.Unmarshal(page[items], &listed))
					for _, one := range listed {
						got = append(got, fmt.Sprint(one[id]))
					}
					if len(listed) > limit || strings.Contains(s.body, "own0") {
						t.Errorf("%+v", s)
					}
					if page[next] == nil {
						break
					}
					query = "&" + token + "=" + url.QueryEscape(strings.Trim(string(page[next]), `"`))
					if older {
						query = "&after_id=" + strings.Trim(string(page["last_id"]), `"`)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%d at a time: %q, want %q", limit, got, want)
				}
			}
			g.key.WorkspaceID = wire.ID{22}
			if s := g.do(http.MethodGet, path, "", asAnthropic...); s.status != http.StatusOK || strings.Contains(s.body, "text/plain") {
				t.Errorf("another workspace: %+v", s)
			}
		})
	}
}

func TestNobodyUsesAFileOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(g *rig){
		"another organization":       func(g *rig) { g.key.Org = &state.Org{ID: wire.ID{44}} },
		"another workspace":          func(g *rig) { g.key.WorkspaceID = wire.ID{22} },
		"a key that may not call it": func(g *rig) { g.key.AllowedModels = map[string]struct{}{"slow": {}} },
		"a provider that is gone":    func(g *rig) { g.provider().ID = wire.ID{77} },
		"a provider of another kind": func(g *rig) { g.provider().Kind = wire.ProviderKind_PROVIDER_KIND_COHERE },
		"a model that leads elsewhere": func(g *rig) {
			there := provider(t, wire.ProviderKind_PROVIDER_KIND_OPENAI, answering("application/json", chatAnswer))
			there.Provider.ID = wire.ID{66}
			g.key.Routes["fast"].Targets = []state.Target{there}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, a := libraryRig(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC)
			claudes := textOf([]byte(g.lend("x", "text").body), "id")
			h, b := libraryRig(t, wire.ProviderKind_PROVIDER_KIND_GEMINI)
			var made struct{ File struct{ Name, URI string } }
			must(t, json.Unmarshal([]byte(h.send("x", "text").body), &made))
			upload := h.pipeline.Handles.Seal(handle.Owner{Org: h.key.Org.ID, Workspace: h.key.WorkspaceID}, handle.Kept{Kind: handle.GeminiUpload, Provider: wire.ID{6}, Credential: wire.ID{1}, Name: "upload_id=own"})
			asked, askedToo := len(a.got), len(b.got)
			change(g)
			change(h)
			for _, s := range []said{
				g.do(http.MethodGet, "/v1/files/"+claudes, "", asAnthropic...), g.do(http.MethodGet, "/v1/files/"+claudes+"/content", "", asAnthropic...), g.do(http.MethodDelete, "/v1/files/"+claudes, "", asAnthropic...),
				g.do(http.MethodGet, "/v1/files/"+claudes, ""), h.do(http.MethodGet, "/v1beta/"+made.File.Name, ""), h.do(http.MethodDelete, "/v1beta/"+made.File.Name, ""),
				h.ask(GeminiUploads+"?upload_id="+upload, "text", uploadCommand, "upload, finalize", "X-Goog-Upload-Offset", "0"),
			} {
				if s.status != http.StatusNotFound {
					t.Errorf("%+v", s)
				}
			}
			for _, s := range []said{
				g.ask("/v1/messages", `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"`+claudes+`"}}]}]}`, asAnthropic...),
				h.ask("/v1beta/models/fast:generateContent", `{"contents":[{"role":"user","parts":[{"fileData":{"fileUri":"`+made.File.URI+`","mimeType":"text/plain"}}]}]}`),
			} {
				if s.status < 400 || s.status > 404 {
					t.Errorf("%+v", s)
				}
			}
			if len(a.got) != asked || len(b.got) != askedToo {
				t.Errorf("the provider was asked: %v, %v", a.got[asked:], b.got[askedToo:])
			}
		})
	}
}

func TestAFileOfAKeyUnderGuardrailsIsReadBeforeItIsSent(t *testing.T) {
	t.Parallel()
	word, err := state.NewMatcher([]string{"falcon"})
	must(t, err)
	for _, kind := range []wire.ProviderKind{wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, wire.ProviderKind_PROVIDER_KIND_GEMINI} {
		g, a := libraryRig(t, kind)
		g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: word}}
		upload := g.lend
		if kind == wire.ProviderKind_PROVIDER_KIND_GEMINI {
			upload = func(name, text string) said { return g.send(name, text) }
		}
		if s := upload("a", "the falcon flies"); s.status != http.StatusForbidden && !strings.Contains(s.body, wire.CodeGuardrailBlocked) || slices.ContainsFunc(a.sent, func(sent string) bool { return strings.Contains(sent, "falcon") }) {
			t.Errorf("%s: %+v, the provider got %q", kind, s, a.sent)
		}
		if s := upload("a", "the gate opens"); s.status != http.StatusOK {
			t.Errorf("%s: %+v", kind, s)
		}
		if kind == wire.ProviderKind_PROVIDER_KIND_GEMINI {
			begun := g.ask(GeminiUploads, `{"file":{}}`, "X-Goog-Upload-Protocol", "resumable", uploadCommand, "start")
			where, _ := url.Parse(begun.header.Get(uploadAddress))
			for command, offset := range map[string]string{"upload": "0", "upload, finalize": "3"} {
				if s := g.ask(where.RequestURI(), "fal", uploadCommand, command, "X-Goog-Upload-Offset", offset); s.status != http.StatusBadRequest || !strings.Contains(s.body, "guardrails") {
					t.Errorf("%s at %s: %+v", command, offset, s)
				}
			}
		}
	}
}

func TestAnUploadThatMayNotBeIsRefusedByTheFieldsName(t *testing.T) {
	t.Parallel()
	start := []string{"X-Goog-Upload-Protocol", "resumable", uploadCommand, "start"}
	for name, c := range map[string]struct {
		path, body, says string
		header           []string
	}{
		"another protocol":  {GeminiUploads, `{}`, "X-Goog-Upload-Protocol", []string{"X-Goog-Upload-Protocol", "multipart"}},
		"a name":            {GeminiUploads, `{"file":{"name":"files/mine"}}`, "file.name", start},
		"an unknown field":  {GeminiUploads, `{"file":{"gate":1}}`, "file.gate", start},
		"no file":           {GeminiUploads, `{"gate":{}}`, "gate", start},
		"a long name":       {GeminiUploads, `{"file":{"displayName":"` + strings.Repeat("x", 401) + `"}}`, "displayName", start},
		"no JSON":           {GeminiUploads, `x`, "JSON", start},
		"a foreign upload":  {GeminiUploads + "?upload_id=own-secret", `x`, "upload_id", []string{uploadCommand, "upload"}},
		"an unknown query":  {"/v1beta/files?filter=x", "", "filter", nil},
		"a page of nobody":  {"/v1beta/files?pageToken=x", "", "pageToken", nil},
		"a page of letters": {"/v1beta/files?pageSize=x", "", "pageSize", nil},
	} {
		g, a := libraryRig(t, wire.ProviderKind_PROVIDER_KIND_GEMINI)
		method := http.MethodPost
		if c.body == "" {
			method = http.MethodGet
		}
		if s := g.do(method, c.path, c.body, c.header...); s.status < 400 || s.status > 404 || !strings.Contains(s.body, c.says) || len(a.got) != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	g, a := libraryRig(t, wire.ProviderKind_PROVIDER_KIND_GEMINI)
	for _, at := range []string{"https://evil.example", "http://127.0.0.1:1"} {
		a.at = at
		if s := g.ask(GeminiUploads, `{"file":{}}`, start...); s.status != http.StatusBadGateway || s.header.Get(uploadAddress) != "" {
			t.Errorf("uploads go on at %s: %+v", at, s)
		}
	}
}
