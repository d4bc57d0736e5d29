package controlplane

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
)

const adminToken = "tga_0123456789abcdef0123456789abcdef_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop01"

// start runs a control plane over the test's database until the test ends and returns its address.
func start(t *testing.T, db *pgtest.DB, change func(*Config)) (address string, stop func() error) {
	t.Helper()
	values := env()
	values["TOLLGATE_DATABASE_URL"], values["TOLLGATE_MIGRATE_DATABASE_URL"], values["TOLLGATE_ADDR"] = db.AppURL, db.OwnerURL, "127.0.0.1:0"
	values["TOLLGATE_ADMIN_EMAIL"], values["TOLLGATE_ADMIN_PASSWORD"], values["TOLLGATE_ADMIN_TOKEN"] = "ada@example.com", "canary-horse-battery", adminToken
	config, err := FromEnv(func(name string) string { return values[name] })
	if err != nil {
		t.Fatal(err)
	}
	change(&config)
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Run(ctx, config, "test", writer)
		_ = writer.Close()
		done <- err
	}()
	listening := make(chan string, 1)
	go follow(t, reader, listening)
	stop = func() error { cancel(); return <-done }
	select {
	case address = <-listening:
		return "http://" + address, stop
	case err := <-done:
		t.Fatalf("it ended before it listened: %v", err)
	}
	return "", nil
}

// follow reads the log, tells the address and refuses secrets in it.
func follow(t *testing.T, log io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "canary") || strings.Contains(lines.Text(), adminToken) {
			t.Errorf("the log shows a secret: %s", lines.Text())
		}
		var line struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("not JSON: %s", lines.Text())
		}
		if line.Msg == "listening" {
			listening <- line.Address
		}
	}
}

func get(t *testing.T, address, host, token string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

func TestRunServesAndStopsAndStartsAgain(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for range 2 {
		address, stop := start(t, db, func(*Config) {})
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/api/openapi.json": 200, "/api/v1/organization": 401, "/api/v1/nothing": 404} {
			if status, body := get(t, address+path, "", ""); status != want {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		if status, body := get(t, address+"/api/v1/organization", "", adminToken); status != 200 || !strings.Contains(body, `"id":"01234567-89ab-cdef-0123-456789abcdef","name":"Demo"`) {
			t.Errorf("%d %s", status, body)
		}
		_, metrics := get(t, address+"/metrics", "", "")
		for _, want := range []string{`tollgate_ingest_records_total{kind="event"`, "tollgate_ingest_unfolded{", `tollgate_ingest_waits_total{kind="stuck"`, "tollgate_edges_connected{", `tollgate_pushes_total{kind="delta"`, "tollgate_nacks_total{", `tollgate_lease_claims_total{kind="granted"`} {
			if !strings.Contains(metrics, want) {
				t.Errorf("no %s in the scrape", want)
			}
		}
		if !strings.Contains(metrics, `http_route="/api/v1/organization"`) || strings.Contains(metrics, "nothing") {
			t.Errorf("labels of %s", metrics)
		}
		if err := stop(); err != nil {
			t.Errorf("stopped with %v", err)
		}
	}
}

func TestForeignHostsAreRefusedButForHealth(t *testing.T) {
	t.Parallel()
	address, stop := start(t, pgtest.New(t), func(c *Config) {
		if err := setPublicURL(c, "https://tollgate.example.com"); err != nil {
			t.Fatal(err)
		}
	})
	for _, test := range []struct {
		path, host string
		want       int
	}{
		{"/api/openapi.json", "tollgate.example.com", 200},
		{"/api/openapi.json", "evil.example", 421},
		{"/", "evil.example", 421},
		{"/api/openapi.json", "tollgate.example.com.evil.example", 421},
		{"/healthz", "evil.example", 200},
		{"/readyz", "10.0.0.1:8400", 200},
	} {
		if status, body := get(t, address+test.path, test.host, ""); status != test.want {
			t.Errorf("%s at %s: %d %s", test.path, test.host, status, body)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestRunRefusesWhatItCannotStandOn(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	empty := pgtest.Empty(t)
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a superuser": {func(c *Config) { c.DatabaseURL = seal.NewSecret(db.OwnerURL) }, "is a superuser"},
		"no database": {func(c *Config) { c.DatabaseURL = seal.NewSecret("postgres://x:canary@127.0.0.1:1/none") }, "cannot reach the database of TOLLGATE_DATABASE_URL at 127.0.0.1:1/none"},
		"no owner":    {func(c *Config) { c.MigrateDatabaseURL = seal.NewSecret("postgres://x:canary@127.0.0.1:1/none") }, "cannot reach the database of TOLLGATE_MIGRATE_DATABASE_URL"},
		"no tables": {func(c *Config) {
			c.DatabaseURL = seal.NewSecret(strings.Replace(db.AppURL, nameOf(db.AppURL), nameOf(empty), 1))
		}, "has no tables yet"},
		"a taken port": {func(c *Config) { c.Addr = taken.Addr().String() }, "is in use"},
		"a bad first one": {func(c *Config) {
			c.AdminEmail, c.AdminPassword, c.AdminToken = "ada", seal.NewSecret("x"), seal.NewSecret(adminToken)
		}, "TOLLGATE_ADMIN_*"},
	} {
		values := env()
		values["TOLLGATE_DATABASE_URL"], values["TOLLGATE_ADDR"] = db.AppURL, "127.0.0.1:0"
		config, err := FromEnv(func(name string) string { return values[name] })
		if err != nil {
			t.Fatal(err)
		}
		test.change(&config)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err = Run(ctx, config, "test", io.Discard)
		cancel()
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") || strings.Contains(OneLine(err), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// nameOf returns the database's name in a URL.
func nameOf(address string) string {
	name, _, _ := strings.Cut(address[strings.LastIndexByte(address, '/')+1:], "?")
	return name
}
