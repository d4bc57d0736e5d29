package pipeline

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const uploadMost = 8 << 20

// carrying gives the rig a disk.
func (g *rig) carrying() *buffer.Disk {
	g.t.Helper()
	disk, err := buffer.NewDisk(g.t.TempDir(), 8*uploadMost)
	if err != nil {
		g.t.Fatal(err)
	}
	g.pipeline.Disk, g.pipeline.UploadBytesMax = disk, uploadMost
	return disk
}

// clean checks that nothing of a body is left.
func (g *rig) clean(disk *buffer.Disk) {
	g.t.Helper()
	g.wait(0)
	if used := disk.Used(); used != 0 {
		g.t.Errorf("%d bytes of the disk stay taken", used)
	}
	g.balanced()
}

func noise(n int) string {
	text := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(text)
	return string(text)
}

func TestALongFileReachesItsProviderAsItIs(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1000, buffer.DraftMemory, 5<<20 + 3} {
		g, provider := archiveRig(t)
		disk := g.carrying()
		want := noise(size)
		s := g.upload("user_data", want)
		if s.status != http.StatusOK || provider.content["file-own0"] != want {
			t.Fatalf("%d bytes: %d %s, and the provider has %d", size, s.status, s.body, len(provider.content["file-own0"]))
		}
		g.wait(1)
		g.clean(disk)
	}
}

func TestALongBatchIsCheckedLineByLine(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	disk := g.carrying()
	line := `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"fast","max_tokens":10,"messages":[{"role":"user","content":"` + strings.Repeat("hi ", 1000) + `"}]}}`
	if s := g.upload("batch", strings.Repeat(line+"\n", 1000)); s.status != http.StatusOK {
		t.Fatalf("%+v", s)
	}
	if got, want := provider.content["file-own0"], strings.Repeat(strings.Replace(line, `"fast"`, `"fast-2"`, 1)+"\n", 1000); got != want {
		t.Errorf("the provider has %d bytes, want %d", len(got), len(want))
	}
	g.wait(1)
	g.clean(disk)
	s := g.upload("batch", strings.Repeat(line+"\n", 1000)+strings.Replace(line, "POST", "GET", 1))
	if s.status != http.StatusBadRequest || !strings.Contains(s.body, "Line 1001 of the file") {
		t.Errorf("%+v", s)
	}
	g.wait(2)
	g.clean(disk)
}

func TestALongBodyGoesToAProviderAsItIs(t *testing.T) {
	t.Parallel()
	var got string
	g := passing(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got = string(raw)
		answering("application/json", `{}`)(w, r)
	})
	disk := g.carrying()
	g.ceiling(state.Price{RequestPico: 5})
	line := `{"a":"` + strings.Repeat("x", 1000) + `"}` + "\n"
	for name, c := range map[string]struct {
		body, kind string
		status     int
	}{
		"bytes":              {noise(5 << 20), "application/octet-stream", http.StatusOK},
		"lines of JSON":      {strings.Repeat(line, 5000), "application/jsonl; charset=utf-8", http.StatusOK},
		"lines as one value": {`{"a":"` + strings.Repeat("x", 5<<20) + `"}`, "application/x-ndjson", http.StatusRequestEntityTooLarge},
		"undeclared lines":   {strings.Repeat(line, 5000), "application/octet-stream", http.StatusOK},
		"declared JSON":      {`{"a":"` + strings.Repeat("x", 5<<20) + `"}`, "application/json", http.StatusRequestEntityTooLarge},
		"undeclared JSON":    {`{"a":"` + strings.Repeat("x", 5<<20) + `"}`, "application/octet-stream", http.StatusRequestEntityTooLarge},
		"too long":           {noise(uploadMost + 1), "application/octet-stream", http.StatusRequestEntityTooLarge},
		"as long as it may":  {noise(uploadMost), "application/octet-stream", http.StatusOK},
		"a known chat":       {`{"model":"fast-2","messages":[{"role":"user","content":"` + strings.Repeat("x", 2<<20) + `"}]}`, "application/octet-stream", http.StatusRequestEntityTooLarge},
		"a form with a file": {"--x\r\n" + noise(2<<20), "multipart/form-data; boundary=x", http.StatusOK},
	} {
		path := "/proxy/prov/v1/things"
		if name == "a known chat" {
			path = "/proxy/prov/v1/chat/completions"
		}
		got = ""
		s := g.do(http.MethodPost, path, c.body, "Content-Type", c.kind)
		if s.status != c.status || s.status == http.StatusOK && got != c.body {
			t.Errorf("%s: %d %.200s, and the provider has %d of %d bytes", name, s.status, s.body, len(got), len(c.body))
		}
	}
	g.clean(disk)
}

// counted notes how much of a body is read.
type counted struct {
	io.Reader
	read int
}

func (c *counted) Read(into []byte) (int, error) {
	n, err := c.Reader.Read(into)
	c.read += n
	return n, err
}

// bring has the pipeline serve one request, whose body may fail, and returns how much of it was read.
func (g *rig) bring(path string, length int64, body io.Reader) (*httptest.ResponseRecorder, int) {
	g.t.Helper()
	w, read := httptest.NewRecorder(), &counted{Reader: body}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, read)
	r.ContentLength = length
	r.Header.Set("Authorization", "Bearer "+g.text)
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	if strings.HasPrefix(path, ProxyPrefix) {
		g.pipeline.Proxy(w, r)
	} else {
		g.pipeline.Serve(w, r, dialect.OpenAIFiles)
	}
	return w, read.read
}

func TestWhoIsRefusedIsRefusedBeforeABodyIsTakenIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(g *rig, disk *buffer.Disk)
		path   string
		length int64
		status int
		says   string
	}{
		"key unknown":      {func(g *rig, _ *buffer.Disk) { g.text = "tg_unknown" }, "/v1/files", 4 << 20, http.StatusUnauthorized, ""},
		"key may not":      {func(g *rig, _ *buffer.Disk) { g.key.AllowsProxy = false }, "/proxy/prov/v1/things", 4 << 20, http.StatusForbidden, wire.CodeProxyNotAllowed},
		"over limit":       {usedUp, "/v1/files", 4 << 20, http.StatusTooManyRequests, wire.CodeRateLimited},
		"over limit there": {usedUp, "/proxy/prov/v1/things", 4 << 20, http.StatusTooManyRequests, wire.CodeRateLimited},
		"in chunks":        {usedUp, "/v1/files", -1, http.StatusTooManyRequests, wire.CodeRateLimited},
		"too long":         {func(*rig, *buffer.Disk) {}, "/v1/files", uploadMost + 1, http.StatusRequestEntityTooLarge, wire.CodeBodyTooLarge},
		"no room": {func(g *rig, _ *buffer.Disk) {
			draft := g.pipeline.buffers.Draft(g.pipeline.Disk, buffer.Owner(g.key.Org.ID))
			_ = draft.Announce(4*uploadMost - 100)
			g.t.Cleanup(draft.Drop)
		}, "/v1/files", 4 << 20, http.StatusServiceUnavailable, wire.CodeUploadNoRoom},
	} {
		g := passing(t, answering("application/json", `{}`))
		disk := g.carrying()
		g.ceiling(state.Price{RequestPico: 5})
		c.change(g, disk)
		before := disk.Used()
		w, read := g.bring(c.path, c.length, strings.NewReader(noise(4<<20)))
		if w.Code != c.status || read != 0 || !strings.Contains(w.Body.String(), c.says) || disk.Used() != before {
			t.Errorf("%s: %d %s after %d bytes, %d of the disk are taken", name, w.Code, w.Body, read, disk.Used()-before)
		}
		if (c.status == http.StatusServiceUnavailable || c.status == http.StatusTooManyRequests) && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
		g.balanced()
	}
}

// usedUp leaves nothing of the key's rate limit.
func usedUp(g *rig, _ *buffer.Disk) {
	g.key.RateLimits = []*state.RateLimit{limitOf(wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, 1, wire.RateLimitPer_RATE_LIMIT_PER_DAY)}
	g.ask("/v1/chat/completions", chatAsk)
	g.wait(1)
}

func TestAFullDiskIsTheEdgesFaultAndSaysTheFix(t *testing.T) {
	t.Parallel()
	g, _ := archiveRig(t)
	disk, err := buffer.NewDisk(t.TempDir(), 1<<62)
	if err != nil {
		t.Fatal(err)
	}
	g.pipeline.Disk, g.pipeline.UploadBytesMax = disk, 1<<61
	w, read := g.bring("/v1/files", 1<<60, strings.NewReader("x"))
	if w.Code != http.StatusInsufficientStorage || read != 0 || !strings.Contains(w.Body.String(), "TOLLGATE_UPLOAD_DIR") || disk.Used() != 0 {
		t.Errorf("%d %s after %d bytes, %d are taken", w.Code, w.Body, read, disk.Used())
	}
	g.balanced()
}

func TestACallerWhoHangsUpLeavesNothing(t *testing.T) {
	t.Parallel()
	g, provider := archiveRig(t)
	disk := g.carrying()
	g.key.RateLimits = []*state.RateLimit{limitOf(wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT, 1, 0)}
	for _, length := range []int64{6 << 20, -1} {
		body := io.MultiReader(strings.NewReader(noise(3<<20)), iotest.ErrReader(io.ErrUnexpectedEOF))
		if w, read := g.bring("/v1/files", length, body); w.Code != http.StatusBadRequest || read != 3<<20 || disk.Used() != 0 {
			t.Errorf("%d %s after %d bytes, %d of the disk are taken", w.Code, w.Body, read, disk.Used())
		}
	}
	if w, read := g.bring("/v1/files", -1, strings.NewReader(noise(2*uploadMost))); w.Code != http.StatusRequestEntityTooLarge || read > uploadMost+buffer.DraftMemory || disk.Used() != 0 {
		t.Errorf("too long without a word: %d after %d bytes, %d of the disk are taken", w.Code, read, disk.Used())
	}
	if len(provider.content) != 0 {
		t.Error("half a file is kept")
	}
	if s := g.upload("user_data", noise(2<<20)); s.status != http.StatusOK { // its place is free again
		t.Errorf("%d %s", s.status, s.body)
	}
	g.wait(4)
	g.clean(disk)
}

func TestALongFileIsGuardedAsAShortOneIs(t *testing.T) {
	t.Parallel()
	for name, word := range map[string]string{"plain": "forbidden", "escaped": `for\u0062idden`, "harmless": "forbid den"} {
		g, provider := archiveRig(t)
		disk := g.carrying()
		matcher, err := state.NewMatcher([]string{"forbidden"})
		if err != nil {
			t.Fatal(err)
		}
		g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: matcher}}
		text := bytes.Repeat([]byte("plain words in a line\n"), 4<<20/22)
		copy(text[len(text)-100:], " "+word+" ")
		s := g.upload("user_data", string(text))
		blocked := s.status == http.StatusBadRequest && strings.Contains(s.body, wire.CodeGuardrailBlocked)
		if blocked == (name == "harmless") || (len(provider.content) == 0) != blocked {
			t.Errorf("%s: %d %s", name, s.status, s.body)
		}
		g.wait(1)
		g.clean(disk)
	}
}

func TestLinesOfJSONAreNotJSON(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string][2]bool{ // JSON, lines
		"application/json": {true, false}, "application/json; charset=utf-8": {true, false}, "application/vnd.api+json": {true, false}, "Application/JSON": {true, false},
		"application/jsonl": {false, true}, "application/x-ndjson; charset=utf-8": {false, true}, "APPLICATION/X-NDJSON": {false, true}, "application/json-seq": {false, true}, "text/jsonl ;a=b": {false, true},
		"application/json;x=application/jsonl": {true, false}, "application/octet-stream": {false, false}, "": {false, false},
	} {
		if got := [2]bool{isJSON(kind), isLines(kind)}; got != want {
			t.Errorf("%q: %v, want %v", kind, got, want)
		}
	}
}

// TestLinesOfJSONComeOneByOne has the provider wait with the second until the first is there.
func TestLinesOfJSONComeOneByOne(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	g := passing(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, "{\"a\":1}\n")
		_ = http.NewResponseController(w).Flush()
		<-next
		_, _ = io.WriteString(w, "{\"a\":\"a falcon\"}\n")
	})
	g.ceiling(state.Price{RequestPico: 5})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.edge.URL+"/proxy/prov/v1/things", strings.NewReader(`{"b":2}`))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+g.text)
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	defer func() { _ = answer.Body.Close() }()
	line := make([]byte, 8)
	_, err = io.ReadFull(answer.Body, line)
	must(t, err)
	close(next)
	if rest, err := io.ReadAll(answer.Body); err != nil || string(line)+string(rest) != "{\"a\":1}\n{\"a\":\"a falcon\"}\n" {
		t.Errorf("%s%s, %v", line, rest, err)
	}
	if e := g.event(); e.GetCostPico() != 5 {
		t.Errorf("event %v", e)
	}
	matcher, err := state.NewMatcher([]string{"falcon"})
	must(t, err)
	g.key.Guardrails = []*state.Guardrail{{Name: "words", Matcher: matcher}}
	if s := g.ask("/proxy/prov/v1/things", `{"b":2}`); s.status != http.StatusBadRequest || !strings.Contains(s.body, wire.CodeGuardrailBlocked) {
		t.Errorf("%+v", s)
	}
}
