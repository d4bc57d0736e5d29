package dataplane_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/dataplane"
)

func complete() map[string]string {
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	return map[string]string{
		"TOLLGATE_CONTROL_PLANE_URL": "http://127.0.0.1:8400", "TOLLGATE_EDGE_TOKEN": "canary-token", "TOLLGATE_SNAPSHOT_PUBLIC_KEY": key,
		"TOLLGATE_FLEET_KEY": key, "TOLLGATE_KEY_PEPPER": key, "TOLLGATE_DATA_DIR": "/nowhere",
	}
}

func read(env map[string]string) (dataplane.Config, error) {
	return dataplane.FromEnv(func(name string) string { return env[name] })
}

func TestCompleteConfigurationIsRead(t *testing.T) {
	t.Parallel()
	env := complete()
	env["TOLLGATE_EGRESS_ALLOW"] = "127.0.0.0/8, 10.1.2.3/16"
	config, err := read(env)
	if err != nil {
		t.Fatal(err)
	}
	if config.Addr != "127.0.0.1:8410" || config.BodyMaxBytes != 10<<20 || config.UploadMaxBytes != 512<<20 || config.UploadDiskBytes != 4<<30 || len(config.EgressAllow) != 2 || config.EgressAllow[1].String() != "10.1.0.0/16" {
		t.Errorf("got %+v", config)
	}
	if text := fmt.Sprintf("%v %+v %#v", config, config, config); strings.Contains(text, "canary") {
		t.Errorf("the configuration prints its token: %s", text)
	}
}

func TestWrongVariableIsNamedAndNotShown(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"TOLLGATE_ADDR": "canary", "TOLLGATE_CONTROL_PLANE_URL": "canary", "TOLLGATE_SNAPSHOT_PUBLIC_KEY": "canary", "TOLLGATE_FLEET_KEY": "Y2FuYXJ5",
		"TOLLGATE_KEY_PEPPER": "canary!", "TOLLGATE_REDIS_URL": "http://canary", "TOLLGATE_BODY_MAX_BYTES": "1", "TOLLGATE_UPLOAD_MAX_BYTES": "canary", "TOLLGATE_UPLOAD_DISK_BYTES": "1", "TOLLGATE_EGRESS_ALLOW": "canary",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "canary",
	} {
		env := maps.Clone(complete())
		env[name] = text
		_, err := read(env)
		if err == nil || !strings.HasPrefix(err.Error(), name+" ") || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTheDiskHoldsMoreThanOneUpload(t *testing.T) {
	t.Parallel()
	env := complete()
	env["TOLLGATE_UPLOAD_MAX_BYTES"], env["TOLLGATE_UPLOAD_DISK_BYTES"] = "1000000000", "3999999999"
	if _, err := read(env); err == nil || !strings.HasPrefix(err.Error(), "TOLLGATE_UPLOAD_DISK_BYTES ") {
		t.Errorf("got %v", err)
	}
	env["TOLLGATE_UPLOAD_DISK_BYTES"] = "4000000000"
	if _, err := read(env); err != nil {
		t.Error(err)
	}
}

func TestMissingVariableIsNamed(t *testing.T) {
	t.Parallel()
	for name := range complete() {
		env := maps.Clone(complete())
		delete(env, name)
		if _, err := read(env); err == nil || !strings.HasPrefix(err.Error(), name+" is not set: ") {
			t.Errorf("%s: got %v", name, err)
		}
		if !strings.Contains(dataplane.Help(), name+" (required)\n") {
			t.Errorf("--help does not say that %s is required", name)
		}
	}
}

func TestTheExampleOfTheVariablesHasThemAll(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../deploy/edge.env.example")
	if err != nil {
		t.Fatal(err)
	}
	var example, want []string
	for line := range strings.Lines(string(raw)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "#"), "="); ok {
			example = append(example, name)
		}
	}
	for line := range strings.Lines(dataplane.Help()) {
		if name := strings.Fields(line); len(name) > 0 && (strings.HasPrefix(name[0], "TOLLGATE_") || strings.HasPrefix(name[0], "OTEL_")) {
			want = append(want, name[0])
		}
	}
	slices.Sort(example)
	slices.Sort(want)
	if !slices.Equal(example, want) {
		t.Errorf("the example has %q, want %q", example, want)
	}
}
