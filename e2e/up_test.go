package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// upFile is what `up` writes when it is ready; scripts rely on it.
type upFile struct {
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
	DatabaseURL   string   `json:"database_url"`
}

// up starts `tollgate up` and waits until it says that it is ready.
func up(t *testing.T, process *rig.Process, dir string) upFile {
	t.Helper()
	path := filepath.Join(dir, "up.json")
	_ = os.Remove(path)
	must(t, process.Start())
	ctx, cancel := contextOf(t, time.Minute)
	defer cancel()
	var file upFile
	err := rig.Until(ctx, func() error {
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &file)
	})
	if err != nil {
		t.Fatalf("up is not ready: %v: %s", err, process.Tail(20))
	}
	return file
}

func TestUpGivesAWorkingKeyAndGoesOnWithItsState(t *testing.T) {
	bin, err := filepath.Abs(binaries)
	must(t, err)
	dir := filepath.Join(t.TempDir(), "state")
	process := rig.NewProcess("up", t.TempDir(), filepath.Join(bin, "tollgate"), []string{"up", "--dir", dir, "--port-base", "20400"}, nil)
	t.Cleanup(func() { process.Stop(patience) })
	first := up(t, process, dir)
	if info, err := os.Stat(filepath.Join(dir, "up.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("up.json: mode %v, %v; want 0600", info.Mode(), err)
	}
	if len(first.EdgeURLs) != 2 || first.OrgID == "" || first.WorkspaceID == "" || first.DatabaseURL == "" || first.AdminPassword == "" {
		t.Errorf("up.json is not whole: %+v", first)
	}
	calls(t, first)
	admin := rig.NewAdmin(strings.TrimSuffix(first.APIURL, "/api/v1"), first.AdminToken)
	_, err = admin.Create(t.Context(), "/workspaces", rig.Object{"name": "Kept", "slug": "kept"})
	must(t, err)
	process.Stop(patience)
	for _, url := range append([]string{first.ConsoleURL, first.SimulatorURL}, first.EdgeURLs...) {
		if answer := ask(t.Context(), http.MethodGet, url+"/healthz", "", ""); answer.Status != 0 {
			t.Errorf("%s still answers after up has ended: %d", url, answer.Status)
		}
	}
	second := up(t, process, dir)
	if second.VirtualKey != first.VirtualKey || second.AdminPassword != first.AdminPassword || second.OrgID != first.OrgID {
		t.Errorf("the second start has another state: %+v and %+v", first, second)
	}
	calls(t, second)
	var workspaces struct {
		Items []struct {
			Slug string `json:"slug"`
		} `json:"items"`
	}
	must(t, admin.Do(t.Context(), http.MethodGet, "/workspaces", nil, &workspaces))
	if !strings.Contains(strings.ToLower(jsonOf(t, workspaces)), `"kept"`) {
		t.Errorf("the workspace is gone: %+v", workspaces)
	}
}

// calls uses the key that up prints at every edge.
func calls(t *testing.T, file upFile) {
	t.Helper()
	for _, edge := range file.EdgeURLs {
		for _, stream := range []bool{false, true} {
			answer := ask(t.Context(), http.MethodPost, edge+dialects[0].path, file.VirtualKey, bodyOf(dialects[0].body, openAIModel, "What is a toll gate?", stream))
			if answer.Status != http.StatusOK {
				t.Errorf("%s: %d %s", edge, answer.Status, answer.Body)
			}
		}
	}
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	raw, err := json.Marshal(value)
	must(t, err)
	return string(raw)
}

func TestUpSaysThatAPortIsInUse(t *testing.T) {
	bin, err := filepath.Abs(binaries)
	must(t, err)
	dir := filepath.Join(t.TempDir(), "state")
	process := rig.NewProcess("up", t.TempDir(), filepath.Join(bin, "tollgate"), []string{"up", "--dir", dir, "--port-base", "22400"}, nil)
	t.Cleanup(func() { process.Stop(patience) })
	file := up(t, process, dir)
	failsWithOneLine(t, "tollgate", []string{"up", "--dir", filepath.Join(t.TempDir(), "other"), "--port-base", "22400"}, nil, "port 22400", "--port-base")
	calls(t, file)
}
