package e2e

import (
	"bytes"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// member is somebody who is signed in to the console without a script.
func member(t *testing.T, house *rig.Rig) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	page := pageOf(t, client, house.ConsoleURL+"/sign-in")
	_, token, _ := strings.Cut(page, `name="csrf" value="`)
	token, _, _ = strings.Cut(token, `"`)
	form := url.Values{"email": {house.AdminEmail}, "password": {house.AdminSecret}, "csrf": {token}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, house.ConsoleURL+"/sign-in", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", house.ConsoleURL)
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Request.URL.Path == "/sign-in" {
		t.Fatalf("signing in ends at %s with %d", answer.Request.URL, answer.StatusCode)
	}
	return client
}

func pageOf(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	answer, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", address, answer.StatusCode, err)
	}
	return string(page)
}

var linesOnPage = regexp.MustCompile(`(?s)<pre id="([a-z0-9-]+)"[^>]*>(.*?)</pre>`)

// setup returns the lines that the console tells for the project's key, by their place on the page, with the key and an edge's address written in.
func (p *project) setup(t *testing.T) map[string]string {
	t.Helper()
	page := pageOf(t, member(t, p.house), p.house.ConsoleURL+"/virtual-keys/"+p.keyID+"/setup")
	// The rig's control plane is not told where the edges are: it shows where one is by default.
	written := strings.NewReplacer("YOUR_VIRTUAL_KEY", p.key, "http://127.0.0.1:8410", p.house.Edges[0].URL)
	lines := map[string]string{}
	for _, found := range linesOnPage.FindAllStringSubmatch(page, -1) {
		lines[found[1]] = written.Replace(html.UnescapeString(found[2]))
	}
	if len(lines) < 30 || strings.Contains(page, p.key) {
		t.Fatalf("%d pieces of lines, or the key itself, on the page", len(lines))
	}
	return lines
}

// runLines has a program read lines as they stand on the page, and returns what it says.
func runLines(t *testing.T, dir, lines string, program ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), program[0], program[1:]...)
	command.Dir, command.Stdin, command.Env = dir, strings.NewReader(lines), os.Environ()
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s\n%s", program, err, lines, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// TestTheLinesOfTheSetUpPageWork runs what the console says to copy, each against an edge.
func TestTheLinesOfTheSetUpPageWork(t *testing.T) {
	p := newProject(t, stand(t))
	lines := p.setup(t)
	node := []string{"node", "--input-type=module"}
	for _, one := range []struct {
		id, dir string
		program []string
	}{
		{"curl-1", ".", []string{"sh", "-s"}},
		{"openai-js-2", ".", node},
		{"anthropic-js-2", ".", node},
		{"google-js-2", ".", node},
		{"vercel-2", "framework/vercel", node},
		{"langgraph-js-2", "framework/langgraph", node},
		{"agents-js-2", "framework/agents", node},
		{"strands-js-2", "framework/strands", node},
	} {
		t.Run(one.id, func(t *testing.T) {
			if said := runLines(t, one.dir, lines[one.id], one.program...); len(strings.Fields(said)) < 3 || strings.Contains(said, "error") {
				t.Errorf("%s\nsays %q", lines[one.id], said)
			}
		})
	}
	p.billedAsReported(t, p.keyID, 8)
}
