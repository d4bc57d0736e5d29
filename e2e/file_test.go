package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// TestTheOfficialSDKsHaveFilesKeptByAnthropicAndGoogle uploads at one edge, reads at another, and asks for what is another workspace's.
func TestTheOfficialSDKsHaveFilesKeptByAnthropicAndGoogle(t *testing.T) {
	p := newProject(t, stand(t))
	var other *project
	t.Run("another", func(t *testing.T) { other = newProject(t, p.house) })
	type kept struct {
		Name, Kind, State, Content string
		Size, Strangers            int
		Same, Listed, URI, Long    bool
		Answer, Counted, Removed   bool
		Refusals                   map[string]string
	}
	var found struct{ Claude, Google kept }
	runSDK(t, "kept_files.mjs", p.house.Edges[0], p.key, claude+" "+other.key+" "+p.house.Edges[1].URL, &found)
	if c := found.Claude; c.Name != "gates.txt" || c.Kind != "text/plain" || c.Size != 22 || c.Content != "The gates of the city." || !c.Same || !c.Listed || c.Strangers != 0 || !c.Answer || !c.Counted || !c.Removed {
		t.Errorf("%+v", c)
	}
	if g := found.Google; g.Name != `gates "quoted"` || g.Kind != "text/plain" || g.Size != 22 || g.State != "ACTIVE" || !g.URI || !g.Long || !g.Same || !g.Listed || g.Strangers != 0 || !g.Answer || !g.Counted {
		t.Errorf("%+v", g)
	}
	for what, want := range map[string]string{
		"reads": "404 not_found", "content": "404 not_found", "removes": "404 not_found", "asks": "404 not_found", "invented": "404 not_found", "gone": "404 not_found_error",
	} {
		if found.Claude.Refusals[what] != want {
			t.Errorf("Anthropic's: %s: %s, want %s", what, found.Claude.Refusals[what], want)
		}
	}
	for what, want := range map[string]string{
		"reads": "404 NOT_FOUND", "removes": "404 NOT_FOUND", "asks": "404 NOT_FOUND", "invented": "404 NOT_FOUND", "name": "400 INVALID_ARGUMENT", "gone": "403", "unread": "403",
	} {
		if found.Google.Refusals[what] != want {
			t.Errorf("Google's: %s: %s, want %s", what, found.Google.Refusals[what], want)
		}
	}
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	must(t, rig.Until(ctx, func() error {
		var free, paid int64
		err := p.house.Row(ctx, "SELECT count(*) FILTER (WHERE dialect IN ('anthropic_files', 'gemini_files') AND cost_pico = 0 AND outcome = 'ok'), count(*) FILTER (WHERE dialect IN ('anthropic_messages', 'gemini_generate') AND cost_pico > 0) FROM usage_event WHERE virtual_key_id = $1", []any{p.keyID}, &free, &paid)
		if err == nil && (free < 15 || paid != 2) {
			err = errors.New(fmt.Sprint("the books have ", free, " requests about files and ", paid, " answers"))
		}
		return err
	}))
}

// anthropicHead tells a request of an Anthropic client's from one of OpenAI's.
var anthropicHead = map[string]string{"Anthropic-Version": "2023-06-01"}

// claudesFile has Anthropic keep a file and returns its path, with what is asked for of it.
func claudesFile(action string) func(t *testing.T, p *project) string {
	return func(t *testing.T, p *project) string {
		t.Helper()
		return "/v1/files/" + p.madeBy(t, way{head: anthropicHead}, "/v1/files", formOf("file", "@text")) + action
	}
}

// startingHead begins an upload to Google.
var startingHead = map[string]string{"X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": "start"}

// googlesFileFirst is googlesFile by the path of Google's first version.
func googlesFileFirst(t *testing.T, p *project) string {
	t.Helper()
	return strings.Replace(googlesFile(t, p), "/v1beta/", "/v1/", 1)
}

// googlesFile has Google keep a file and returns its path.
func googlesFile(t *testing.T, p *project) string {
	t.Helper()
	ask := func(url, command, body string) said {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		must(t, err)
		for name, value := range map[string]string{"Authorization": "Bearer " + p.key, "X-Goog-Upload-Protocol": "resumable", "X-Goog-Upload-Command": command, "X-Goog-Upload-Offset": "0", "Content-Type": "application/json"} {
			request.Header.Set(name, value)
		}
		return sayOf(http.DefaultClient.Do(request))
	}
	begun := ask(p.house.Edges[0].URL+"/upload/v1beta/files", "start", `{"file":{"mimeType":"text/plain"}}`)
	ended := ask(begun.Header.Get("X-Goog-Upload-Url"), "upload, finalize", "text")
	var made struct{ File struct{ Name string } }
	must(t, json.Unmarshal([]byte(ended.Body), &made))
	return "/v1beta/" + made.File.Name
}
