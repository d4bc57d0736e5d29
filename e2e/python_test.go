package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pythonOf returns the Python that a framework is installed for, or skips the test.
func pythonOf(t *testing.T, framework string) string {
	t.Helper()
	all := os.Getenv("TOLLGATE_PYTHON")
	python := filepath.Join(all, framework, "bin", "python3")
	if _, err := os.Stat(python); err != nil || all == "" {
		t.Skip("SKIPPED: " + framework + " is not installed; `make python` installs the Python frameworks and runs this")
	}
	for name, value := range map[string]string{"PYTHONDONTWRITEBYTECODE": "1", "CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true", "HOME": t.TempDir()} {
		t.Setenv(name, value)
	}
	return python
}

// TestThePythonLinesOfTheSetUpPageWork runs what the console says to copy, each against an edge.
func TestThePythonLinesOfTheSetUpPageWork(t *testing.T) {
	for id, framework := range map[string]string{
		"openai-python-2": "openai", "anthropic-python-2": "openai", "langgraph-python-2": "langgraph", "crewai-2": "crewai",
		"pydantic-ai-2": "pydantic_ai", "autogen-2": "autogen", "agents-python-2": "agents", "strands-python-2": "strands",
	} {
		t.Run(id, func(t *testing.T) {
			python := pythonOf(t, framework)
			p := newProject(t, stand(t))
			lines := p.setup(t)[id]
			if said := runLines(t, ".", lines, python, "-"); len(strings.Fields(said)) < 3 || strings.Contains(said, "error") {
				t.Errorf("%s\nsays %q", lines, said)
			}
			p.billedAsReported(t, p.keyID, 1)
		})
	}
}

// TestPythonFrameworks has each Python framework speak each format that it has through an edge. Where one is not installed it says so:
// `make python` installs and runs them.
func TestPythonFrameworks(t *testing.T) {
	const (
		noStream   = 1 + 2 // calls of a framework that does not stream
		all        = callsAsked
		crewCounts = 4 // how often CrewAI asks Anthropic for a number of tokens
	)
	for name, formats := range map[string]map[string]int{
		"openai":      {"chat": all, "responses": all, "anthropic": all},
		"agents":      {"chat": all, "responses": all},
		"autogen":     {"chat": all},
		"crewai":      {"chat": noStream, "anthropic": noStream},
		"langgraph":   {"chat": all, "responses": all, "anthropic": all},
		"pydantic_ai": {"chat": all, "responses": all, "anthropic": all},
		"strands":     {"chat": all, "anthropic": all},
	} {
		t.Run(name, func(t *testing.T) {
			python := pythonOf(t, name)
			p := newProject(t, stand(t))
			command := exec.CommandContext(t.Context(), python, "ask_"+name+".py")
			command.Dir = "python"
			command.Env = append(os.Environ(), "EDGE_URL="+p.house.Edges[0].URL, "VIRTUAL_KEY="+p.key, "MODEL="+claude, "OTHER_MODEL="+openAIModel)
			var stderr bytes.Buffer
			command.Stderr = &stderr
			out, err := command.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			var found map[string]asked
			lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
			if err := json.Unmarshal(lines[len(lines)-1], &found); err != nil {
				t.Fatalf("it printed %q: %v", out, err)
			}
			calls := 0
			for format, made := range formats {
				calls += made
				got := found[format]
				if got.Plain == "" || made == all && (got.Plain != got.Streamed || got.Chunks < 3) {
					t.Errorf("%s: whole and streamed differ, or did not stream: %+v", format, got)
				}
				for form, loop := range got.Loop {
					if loop.Text == "" || len(loop.Calls) != 1 || loop.Calls[0] != "string" {
						t.Errorf("%s, a loop with a tool, %s: %+v", format, form, loop)
					}
				}
			}
			counted := 0
			if name == "crewai" {
				counted = crewCounts
			}
			p.billedBesides(t, p.keyID, calls, counted)
		})
	}
}
