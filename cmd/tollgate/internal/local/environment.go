package local

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// environment is what a child is configured by, in order.
type environment []variable

type variable struct{ name, value string }

// file returns the variables in a form that shells (set -a; . file) and systemd (EnvironmentFile=) read alike.
func (e environment) file(program string) []byte {
	var out strings.Builder
	out.WriteString("# Made by tollgate up. By hand: (set -a; . <this file>; exec " + program + ")\n")
	for _, v := range e {
		out.WriteString(v.name + "='" + strings.ReplaceAll(v.value, "'", `'\''`) + "'\n")
	}
	return []byte(out.String())
}

// process returns the variables for a child, with the few of our own that it needs.
func (e environment) process() []string {
	var all []string
	for _, own := range os.Environ() {
		name, _, _ := strings.Cut(own, "=")
		if name == "PATH" || name == "HOME" || name == "TZ" || name == "TOLLGATE_LOG_LEVEL" || strings.HasPrefix(name, "OTEL_") {
			all = append(all, own)
		}
	}
	for _, v := range e {
		all = append(all, v.name+"="+v.value)
	}
	return all
}

// controlPlane is the control plane's environment.
func (h *house) controlPlane() environment {
	s := h.secrets
	return environment{
		{"TOLLGATE_ADDR", h.ports.address(h.ports.console())},
		{"TOLLGATE_PUBLIC_URL", h.consoleURL()},
		{"TOLLGATE_DATABASE_URL", h.appURL},
		{"TOLLGATE_MIGRATE_DATABASE_URL", h.ownerURL},
		{"TOLLGATE_MASTER_KEY", s.MasterKey},
		{"TOLLGATE_KEY_PEPPER", s.KeyPepper},
		{"TOLLGATE_FLEET_KEY", s.FleetKey},
		{"TOLLGATE_SIGNING_KEY", s.SigningSeed},
		{"TOLLGATE_EDGE_TOKEN", s.EdgeToken},
		{"TOLLGATE_EDGE_URL", h.edgeURLs()[0]},
		{"TOLLGATE_ADMIN_EMAIL", s.AdminEmail},
		{"TOLLGATE_ADMIN_PASSWORD", s.AdminPassword},
		{"TOLLGATE_ADMIN_TOKEN", s.AdminToken},
	}
}

// edge is the environment of the edge with that number, from 1.
func (h *house) edge(number int) (environment, error) {
	verify, err := h.secrets.verifyKey()
	if err != nil {
		return nil, err
	}
	name := "edge-" + strconv.Itoa(number)
	data, err := filepath.Abs(filepath.Join(h.config.Dir, name))
	return environment{
		{"TOLLGATE_ADDR", h.ports.address(h.ports.edge(number))},
		{"TOLLGATE_CONTROL_PLANE_URL", h.consoleURL()},
		{"TOLLGATE_EDGE_TOKEN", h.secrets.EdgeToken},
		{"TOLLGATE_SNAPSHOT_PUBLIC_KEY", verify},
		{"TOLLGATE_FLEET_KEY", h.secrets.FleetKey},
		{"TOLLGATE_KEY_PEPPER", h.secrets.KeyPepper},
		{"TOLLGATE_DATA_DIR", data},
		{"TOLLGATE_EDGE_NAME", name},
		{"TOLLGATE_REGION", "local"},
		{"TOLLGATE_REDIS_URL", h.redisURL},
		{"TOLLGATE_EGRESS_ALLOW", "127.0.0.1/32"},
	}, err
}
