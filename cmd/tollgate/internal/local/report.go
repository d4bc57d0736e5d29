package local

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"tollgate.dev/cmd/tollgate/internal/demo"
	"tollgate.dev/cmd/tollgate/internal/simulator"
	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// report is up.json: scripts rely on its fields.
type report struct {
	ConsoleURL    string   `json:"console_url"`
	APIURL        string   `json:"api_url"`
	EdgeURLs      []string `json:"edge_urls"`
	AdminEmail    string   `json:"admin_email"`
	AdminPassword string   `json:"admin_password"`
	AdminToken    string   `json:"admin_token"`
	OrgID         string   `json:"org_id"`
	WorkspaceID   string   `json:"workspace_id"`
	VirtualKey    string   `json:"virtual_key"`
	SimulatorURL  string   `json:"simulator_url"`
	DatabaseURL   string   `json:"database_url"` // as the control plane's role
}

func (h *house) report(seeded demo.Seeded) report {
	return report{
		ConsoleURL: h.consoleURL(), APIURL: h.consoleURL() + "/api/v1", EdgeURLs: h.edgeURLs(),
		AdminEmail: h.secrets.AdminEmail, AdminPassword: h.secrets.AdminPassword, AdminToken: h.secrets.AdminToken,
		OrgID: seeded.OrgID, WorkspaceID: seeded.WorkspaceID, VirtualKey: seeded.VirtualKey,
		SimulatorURL: h.simulatorURL(), DatabaseURL: h.appURL,
	}
}

// seed makes what the demo needs and waits until every edge knows the key.
func (h *house) seed(ctx context.Context) (demo.Seeded, string, error) {
	client := demo.NewClient(h.consoleURL()+"/api/v1", h.secrets.AdminToken)
	seeded, made, err := demo.Seed(ctx, client, demo.Config{
		File: h.path("demo.json"), Agents: h.config.Demo,
		OpenAI: h.simulatorURL() + simulator.OpenAIPath, Anthropic: h.simulatorURL() + simulator.AnthropicPath,
	})
	if err != nil {
		return demo.Seeded{}, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for _, edge := range h.edgeURLs() {
		err := supervisor.Poll(ctx, nil, 25*time.Millisecond, func(ctx context.Context) error {
			return demo.Ask(ctx, edge+"/v1/models", seeded.VirtualKey)
		})
		if err != nil {
			return demo.Seeded{}, "", errors.Join(errors.New("the edge at "+edge+" does not accept the demo's virtual key"), err)
		}
	}
	if made {
		return seeded, "organization, agents, keys, budgets made", nil
	}
	return seeded, "as it was", nil
}

// welcome prints what a stranger needs next.
func (h *house) welcome(seeded demo.Seeded, took time.Duration) {
	h.printf(`
ready in %.1f s

  console      %s
  login        %s
  password     %s
  edges        %s
  virtual key  %s

Try it (add "stream":true to stream; the Anthropic dialect is at /v1/messages):

  curl %s/v1/chat/completions \
    -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
    -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"What is a toll gate?"}]}'

State is in %s. Ctrl-C stops everything; the next start goes on with it.
`, took.Seconds(), h.consoleURL(), h.secrets.AdminEmail, h.secrets.AdminPassword, strings.Join(h.edgeURLs(), "  "), seeded.VirtualKey,
		h.edgeURLs()[0], seeded.VirtualKey, h.config.Dir)
}

// lastWords returns the last line that a child wrote to its log since offset from.
func lastWords(path string, from int64) string {
	raw, err := os.ReadFile(path)
	if err != nil || int64(len(raw)) <= from {
		return "it said nothing"
	}
	lines := strings.Split(strings.TrimSpace(string(raw[from:])), "\n")
	return lines[len(lines)-1]
}
