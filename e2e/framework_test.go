package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// runFramework runs a program of one of the frameworks against an edge and decodes what it prints.
func runFramework(t *testing.T, name string, edge *rig.Edge, key string, found any) {
	t.Helper()
	dir := filepath.Join("framework", name)
	if _, err := os.Stat(filepath.Join("framework", "node_modules")); err != nil {
		t.Fatal("the frameworks are not installed: run `make prepare`")
	}
	command := exec.CommandContext(t.Context(), "node", "index.mjs")
	command.Dir = dir
	command.Env = append(os.Environ(), "EDGE_URL="+edge.URL, "VIRTUAL_KEY="+key, "MODEL="+claude, "OTHER_MODEL="+openAIModel, "GEMINI_MODEL="+gemini)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	if err := json.Unmarshal(out, found); err != nil {
		t.Fatalf("%s printed %q: %v", name, out, err)
	}
}

// asked is what a framework got of one model: whole, streamed, and through a loop with a tool in both ways.
type asked struct {
	Plain, Streamed string
	Chunks          int
	Loop            map[string]struct {
		Text  string
		Calls []string // the types of what the tool was given
	}
}

// callsAsked is how many calls of the model that takes: the tool is called once in each loop.
const callsAsked = 1 + 1 + 2*2

// TestFrameworks has each framework speak each format that it has through an edge, and compares the events with the
// provider's ledger.
func TestFrameworks(t *testing.T) {
	for name, formats := range map[string][]string{
		"vercel":    {"responses", "chat", "anthropic", "google"},
		"langgraph": {"chat", "responses", "anthropic"},
		"agents":    {"responses", "chat"},
		"strands":   {"chat", "responses", "anthropic"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProject(t, stand(t))
			var found map[string]asked
			runFramework(t, name, p.house.Edges[0], p.key, &found)
			for _, format := range formats {
				got := found[format]
				if got.Plain == "" || got.Plain != got.Streamed || got.Chunks < 3 {
					t.Errorf("%s: whole and streamed differ, or did not stream: %+v", format, got)
				}
				for _, form := range []string{"whole", "streamed"} {
					loop := got.Loop[form]
					if loop.Text == "" || len(loop.Calls) != 1 || loop.Calls[0] != "string" {
						t.Errorf("%s, a loop with a tool, %s: %+v", format, form, loop)
					}
				}
			}
			p.billedAsReported(t, p.keyID, len(formats)*callsAsked)
			told := slices.DeleteFunc(formats, func(format string) bool { return format == "google" })
			p.loopsAreRuns(t, 2*len(told))
		})
	}
}

// loopsAreRuns fails unless the key's calls that belong to loops with a tool are two for each of so many runs, told by the tool's call. Calls of
// Google's tools have no id before the caller makes one up, and such a one may not look like one: they are left out.
func (p *project) loopsAreRuns(t *testing.T, loops int) {
	t.Helper()
	turns := map[string]int{}
	for _, event := range p.events(t, p.keyID, 1) {
		switch {
		case event.RunSource != "tool" && event.RunSource != "call":
			t.Errorf("a run is known by %q: %+v", event.RunSource, event)
		case event.Dialect == "gemini_generate":
		case event.RunSource == "tool":
			turns[event.RunID]++
		}
	}
	if len(turns) != loops {
		t.Errorf("%d runs of loops, want %d: %v", len(turns), loops, turns)
	}
	for run, count := range turns {
		if count != 2 {
			t.Errorf("run %s has %d calls, want 2", run, count)
		}
	}
}
