package e2e

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// codingAgent is a coding agent as people install it, told of an edge by the lines that the console shows for it.
type codingAgent struct {
	program string // empty: it has the name of the test
	file    string // of the person's home, which holds the lines of a step
	lines   string // the step
	shell   string // the step of lines that the terminal is given
	run     string // after them: PROMPT stands for what is asked, MODEL for the model
	call    string // of its tool that reads FILE
	models  []string
	calls   int    // of a model, to read a file and say what is in it
	source  string // what says that they are one run
}

const saidInFile = "the note says heron"

// codingAgents are those that can be told of an edge. Models are of its own format first.
func codingAgents() map[string]codingAgent {
	return map[string]codingAgent{
		"claude": {
			shell: "claude-code-1", run: "export ANTHROPIC_MODEL={model} ANTHROPIC_DEFAULT_HAIKU_MODEL={model} CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1; claude -p {prompt}",
			call: `Read {"file_path":"FILE"}`, models: []string{claude, openAIModel, gemini, "bedrock", "mistral"}, calls: 2, source: "session",
		},
		"claude by its file": {
			program: "claude", file: ".claude/settings.json", lines: "claude-code-2", run: "export CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1; claude --model {model} -p {prompt}",
			call: `Read {"file_path":"FILE"}`, models: []string{claude}, calls: 2, source: "session",
		},
		"codex": {
			file: ".codex/config.toml", lines: "codex-1", shell: "codex-2", run: "codex exec --skip-git-repo-check -m {model} {prompt}",
			call: `exec_command {"cmd":"cat FILE"}`, models: []string{openAIModel, claude, gemini, "bedrock", "mistral"}, calls: 2, source: "session",
		},
		"gemini": {
			file: ".gemini/settings.json", lines: "gemini-cli-1", shell: "gemini-cli-2", run: "export GEMINI_CLI_TRUST_WORKSPACE=true; gemini -m {model} -p {prompt}",
			call: `read_file {"file_path":"FILE"}`, models: []string{gemini, claude, openAIModel}, calls: 2, source: "tool",
		},
		"opencode": {
			file: "opencode.json", lines: "opencode-1", shell: "opencode-2", run: "printf %s {prompt} | opencode run -m tollgate/{model}",
			call: `read {"filePath":"FILE"}`, models: []string{openAIModel, claude, gemini}, calls: 3, source: "session", // one of them for a title
		},
		"cline": {
			shell: "cline-1", run: "cline --json -m {model} {prompt}",
			call: `run_commands {"commands":["cat FILE"]}`, models: []string{openAIModel, claude}, calls: 2, source: "tool",
		},
	}
}

// installed returns where the coding agents' programs are, or skips the test.
func (a *codingAgent) installed(t *testing.T) (bin string) {
	t.Helper()
	bin, err := filepath.Abs("agent/node_modules/.bin")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(bin, a.program), "--version").CombinedOutput()
	if err != nil {
		t.Skipf("SKIPPED: %s is not installed, or its program for this platform is not; `make agents` installs the coding agents and runs this: %v %.300s", a.program, err, out)
	}
	return bin
}

// TestCodingAgents has each coding agent answer a prompt and read a file through an edge, by models of its own format and of others. What it
// cost is what the providers billed, and the calls are one run.
func TestCodingAgents(t *testing.T) {
	p := newProject(t, stand(t))
	there := clouds(t, p.house)
	p.withClouds(t, map[string]cloud{"bedrock": there["bedrock"], "mistral": there["mistral"]})
	lines := p.setup(t)
	for name, agent := range codingAgents() {
		if agent.program == "" {
			agent.program = name
		}
		t.Run(name, func(t *testing.T) {
			bin := agent.installed(t)
			for _, model := range agent.models {
				t.Run(model, func(t *testing.T) {
					const plain = "plain answers arrive"
					id, key := p.newKey(t, rig.Object{"fields_not_carried": "drop"}) // Gemini CLI sets topK
					if got := agent.ask(t, p.withKey(lines, key), bin, model, "sim:say="+plain); !strings.Contains(got, plain) {
						t.Errorf("it says %q", got)
					}
					p.billedAsReported(t, id, agent.calls-1)
					id, key = p.newKey(t, rig.Object{"fields_not_carried": "drop"})
					if got := agent.ask(t, p.withKey(lines, key), bin, model, "sim:call="+agent.call); !strings.Contains(got, saidInFile) {
						t.Errorf("with a tool it says %q", got)
					}
					p.billedAsReported(t, id, agent.calls)
					p.isOneRun(t, id, agent.calls, agent.source)
				})
			}
		})
	}
}

// withKey returns the set-up page's lines with another key.
func (p *project) withKey(lines map[string]string, key string) map[string]string {
	other := map[string]string{}
	for id, text := range lines {
		other[id] = strings.ReplaceAll(text, p.key, key)
	}
	return other
}

// ask starts the agent in a home and a folder of its own with one prompt, and returns what it says.
func (a *codingAgent) ask(t *testing.T, lines map[string]string, bin, model, prompt string) string {
	t.Helper()
	home := t.TempDir()
	note := filepath.Join(home, "note.txt")
	must(t, os.WriteFile(note, []byte("sim:say="+saidInFile+"\n"), 0o600))
	if a.file != "" {
		at := filepath.Join(home, a.file)
		must(t, os.MkdirAll(filepath.Dir(at), 0o700))
		must(t, os.WriteFile(at, []byte(strings.ReplaceAll(lines[a.lines], `"`+openAIModel+`": {}`, `"`+model+`": {}`)), 0o600))
	}
	shell := lines[a.shell] + "\n" + strings.NewReplacer("{model}", model, "{prompt}", "'"+strings.ReplaceAll(prompt, "FILE", note)+"'").Replace(a.run)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", shell)
	command.Dir = home
	command.Env = []string{"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "CI=1"}
	command.WaitDelay = time.Second // what it leaves running may hold its output
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Errorf("%v\n%s\n%s", err, out, stderr.String())
	}
	return string(out) + stderr.String()
}

// isOneRun fails unless a key's calls are so many of one run of the project's agent, known by source.
func (p *project) isOneRun(t *testing.T, keyID string, calls int, source string) {
	t.Helper()
	runs := map[string]int{}
	for _, event := range p.events(t, keyID, calls) {
		if runs[event.RunID]++; event.RunSource != source {
			t.Errorf("a run is known by %q, want %q: %+v", event.RunSource, source, event)
		}
	}
	if len(runs) != 1 {
		t.Errorf("the calls are of the runs %v, want one", runs)
		return
	}
	var shown struct {
		AgentID string `json:"agent_id"`
		Calls   []struct {
			ID string `json:"id"`
		} `json:"calls"`
	}
	must(t, p.house.Admin.Do(t.Context(), "GET", "/usage/runs/"+slices.Collect(maps.Keys(runs))[0], nil, &shown))
	if shown.AgentID != p.agent || len(shown.Calls) != calls {
		t.Errorf("the run is shown as %+v, want %d calls of agent %s", shown, calls, p.agent)
	}
}
