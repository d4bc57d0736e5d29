package controlplane

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
)

// env is a whole environment; each test changes one thing.
func env() map[string]string {
	key := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	return map[string]string{
		"TOLLGATE_DATABASE_URL": "postgres://tollgate_app:canary-password@127.0.0.1/tollgate", "TOLLGATE_MASTER_KEY": key, "TOLLGATE_KEY_PEPPER": key,
		"TOLLGATE_FLEET_KEY": key, "TOLLGATE_SIGNING_KEY": key, "TOLLGATE_EDGE_TOKEN": "canary-edge-token-canary",
	}
}

func TestFromEnvFillsInWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	values := env()
	config, err := FromEnv(func(name string) string { return values[name] })
	if err != nil || config.Addr != "127.0.0.1:8400" || config.LogLevel != slog.LevelInfo || config.PublicURL != nil || config.AdminEmail != "" {
		t.Errorf("%+v, %v", config, err)
	}
}

func TestFromEnvNamesTheVariableAndNeverItsValue(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ variable, value, want string }{
		"missing database":   {"TOLLGATE_DATABASE_URL", "", "TOLLGATE_DATABASE_URL is not set"},
		"another database":   {"TOLLGATE_DATABASE_URL", "mysql://canary", "TOLLGATE_DATABASE_URL is not a Postgres address"},
		"no address":         {"TOLLGATE_ADDR", "canary", "TOLLGATE_ADDR is not host:port"},
		"no days":            {"TOLLGATE_USAGE_RETENTION_DAYS", "-1", "TOLLGATE_USAGE_RETENTION_DAYS is not a number of days"},
		"a short key":        {"TOLLGATE_MASTER_KEY", "Y2FuYXJ5", "TOLLGATE_MASTER_KEY is not 32 bytes"},
		"a key in hex":       {"TOLLGATE_FLEET_KEY", "canary!", "TOLLGATE_FLEET_KEY is not 32 bytes"},
		"no signing key":     {"TOLLGATE_SIGNING_KEY", "", "TOLLGATE_SIGNING_KEY is not set"},
		"a short edge token": {"TOLLGATE_EDGE_TOKEN", "canary", "TOLLGATE_EDGE_TOKEN is too short"},
		"a public path":      {"TOLLGATE_PUBLIC_URL", "https://canary/path", "TOLLGATE_PUBLIC_URL is not an address"},
		"an unknown level":   {"TOLLGATE_LOG_LEVEL", "loud", "TOLLGATE_LOG_LEVEL"},
		"half an admin":      {"TOLLGATE_ADMIN_EMAIL", "canary@example.com", "set all three or none"},
		"no OTLP address":    {"OTEL_EXPORTER_OTLP_ENDPOINT", "canary", "OTEL_EXPORTER_OTLP_ENDPOINT is not an http address"},
	} {
		values := env()
		values[test.variable] = test.value
		_, err := FromEnv(func(name string) string { return values[name] })
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfigHidesItsSecrets(t *testing.T) {
	t.Parallel()
	values := env()
	config, err := FromEnv(func(name string) string { return values[name] })
	if err != nil {
		t.Fatal(err)
	}
	config.SigningKey = nil // a foreign type, which nobody prints
	for _, shown := range []string{fmt.Sprintf("%v", config), fmt.Sprintf("%+v", config), fmt.Sprintf("%#v", config), fmt.Sprintf("%s", config)} {
		if strings.Contains(shown, "canary") || strings.Contains(shown, "0123456789abcdef") || strings.Contains(shown, "48, 49, 50") {
			t.Errorf("it shows %s", shown)
		}
	}
}

func TestHelpNamesEveryVariable(t *testing.T) {
	t.Parallel()
	help := Help()
	for _, v := range variables() {
		if !strings.Contains(help, "  "+v.name) || v.help == "" {
			t.Errorf("%s is not explained", v.name)
		}
	}
	for _, name := range []string{"TOLLGATE_DATABASE_URL (required)", "TOLLGATE_ADDR (default 127.0.0.1:8400)"} {
		if !strings.Contains(help, name) {
			t.Errorf("%q is not in the help", name)
		}
	}
}

func TestSameHostKnowsTheSpellingsOfLoopback(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		public, asked string
		want          bool
	}{
		{"tollgate.example.com", "tollgate.example.com", true},
		{"tollgate.example.com", "tollgate.example.com:443", false},
		{"tollgate.example.com", "evil.example", false},
		{"127.0.0.1:8400", "localhost:8400", true},
		{"127.0.0.1:8400", "[::1]:8400", true},
		{"127.0.0.1:8400", "localhost:8401", false},
		{"127.0.0.1:8400", "rebound.example:8400", false},
		{"tollgate.example.com:8400", "localhost:8400", false},
		{"127.0.0.1:8400", "", false},
	} {
		if got := sameHost(test.public, test.asked); got != test.want {
			t.Errorf("%s asked as %q: %v", test.public, test.asked, got)
		}
	}
}

func TestTheExampleOfTheVariablesHasThemAll(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../deploy/controlplane.env.example")
	if err != nil {
		t.Fatal(err)
	}
	var example, want []string
	for line := range strings.Lines(string(raw)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "#"), "="); ok {
			example = append(example, name)
		}
	}
	for _, v := range variables() {
		want = append(want, v.name)
	}
	slices.Sort(example)
	slices.Sort(want)
	if !slices.Equal(example, want) {
		t.Errorf("the example has %q, want %q", example, want)
	}
}
