// Package rig starts the real processes of Tollgate for tests from outside: control plane, edges and provider simulator, over a database
// of their own. It refuses to end a process that it did not start, and to go on without a part that is absent.
package rig

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Options say what to start and where.
type Options struct {
	Dir         string // for logs, spools and last good snapshots; made when absent
	Binaries    string // folder of tollgate, controlplane and edge
	DatabaseURL string // a server's owner, who may create databases and roles
	RedisURL    string // empty: edges run without
	OwnServers  bool   // start a Postgres and a Redis for this house alone, instead of the two above
	Edges       int
	LogLevel    string   // empty: info
	Simulator   []string // further arguments of the simulator
	Cuttable    bool     // put a proxy between the edges and the control plane
	RedisLine   bool     // with OwnServers: put a proxy between the edges and Redis
	Env         []string // further variables of control plane and edges
	Upstream    string   // CIDR that edges may dial besides the simulator's loopback; empty: loopback only
}

// Rig is a running house.
type Rig struct {
	Dir          string
	AppURL       string // the database as the control plane's own role
	OwnerURL     string
	ConsoleURL   string
	SimulatorURL string
	AdminEmail   string
	AdminSecret  string // password
	OrgID        string // 32 hex digits
	Admin        *Admin
	ControlPlane *Process
	Simulator    *Process
	Postgres     *Process // nil unless OwnServers
	Redis        *Process // nil unless OwnServers
	Edges        []*Edge
	Line         *Proxy // between the edges and the control plane; nil unless Cuttable
	RedisLine    *Proxy // between the edges and Redis; nil unless asked for

	options Options
	secrets secrets
	drop    func(context.Context) error

	postgresAddr, redisAddr string
	reach                   string // where edges find the control plane
}

// Edge is one edge process and where it listens.
type Edge struct {
	*Process
	Name string
	URL  string
	Data string // its data directory
}

type secrets struct {
	master, pepper, fleet, signing, public, edgeToken, adminToken string
}

const (
	readyWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
)

// New makes the database and starts everything; when it returns, every process has said that it is ready.
func New(ctx context.Context, options Options) (*Rig, error) {
	if err := os.MkdirAll(options.Dir, 0o700); err != nil {
		return nil, err
	}
	org := wire.NewID(time.Now())
	r := &Rig{
		Dir: options.Dir, options: options, secrets: newSecrets(org),
		AdminEmail: "admin@demo.example", AdminSecret: random(18), OrgID: hex.EncodeToString(org[:]),
	}
	if err := r.startServers(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	var err error
	if r.OwnerURL, r.AppURL, r.drop, err = createDatabase(ctx, r.options.DatabaseURL); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func newSecrets(org wire.ID) secrets {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // crypto/rand.Read never fails
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return secrets{
		master: random(32), pepper: random(32), fleet: random(32), edgeToken: hexOf(24),
		signing: base64.StdEncoding.EncodeToString(seed), public: base64.StdEncoding.EncodeToString(public),
		adminToken: "tga_" + hex.EncodeToString(org[:]) + "_" + hexOf(24),
	}
}

func random(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

func hexOf(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}

func (r *Rig) start(ctx context.Context) error {
	if err := r.startSimulator(ctx); err != nil {
		return err
	}
	addr, err := FreeAddr()
	if err != nil {
		return err
	}
	r.ConsoleURL = "http://" + addr
	r.reach = addr
	if r.options.Cuttable {
		if r.Line, err = NewProxy(addr); err != nil {
			return err
		}
		r.reach = r.Line.Addr
	}
	r.Admin = NewAdmin(r.ConsoleURL, r.secrets.adminToken)
	r.ControlPlane = r.process("controlplane", "controlplane", nil, r.controlPlaneEnv(addr))
	if err := r.StartControlPlane(ctx); err != nil {
		return err
	}
	for i := range r.options.Edges {
		edge, err := r.NewEdge(fmt.Sprintf("edge-%d", i+1))
		if err != nil {
			return err
		}
		r.Edges = append(r.Edges, edge)
		if err := r.StartEdge(ctx, edge); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rig) startSimulator(ctx context.Context) error {
	addr, err := FreeAddr()
	if err != nil {
		return err
	}
	r.SimulatorURL = "http://" + addr
	r.Simulator = r.process("simulator", "tollgate", append([]string{"simulator", "--addr", addr}, r.options.Simulator...), nil)
	if err := r.Simulator.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return r.Simulator.Ready(ctx, r.SimulatorURL+"/ledger")
}

func (r *Rig) process(name, program string, args, env []string) *Process {
	return NewProcess(name, r.Dir, filepath.Join(r.options.Binaries, program), args, env)
}

// StartControlPlane starts the control plane, again or for the first time, and waits until it is ready.
func (r *Rig) StartControlPlane(ctx context.Context) error {
	if err := r.ControlPlane.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return r.ControlPlane.Ready(ctx, r.ConsoleURL+"/readyz")
}

// NewEdge describes one more edge with a data directory of its own; nothing runs yet.
func (r *Rig) NewEdge(name string) (*Edge, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	edge := &Edge{Name: name, URL: "http://" + addr, Data: filepath.Join(r.Dir, name)}
	edge.Process = r.process(name, "edge", nil, r.edgeEnv(addr, edge))
	return edge, nil
}

// StartEdge starts an edge, again or for the first time, and waits until it is ready.
func (r *Rig) StartEdge(ctx context.Context, edge *Edge) error {
	if err := edge.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	return edge.Ready(ctx, edge.URL+"/readyz")
}

// ControlPlaneEnv returns the variables of a control plane at addr over this house's database, for tests that change one.
func (r *Rig) ControlPlaneEnv(addr string) []string { return r.controlPlaneEnv(addr) }

// EdgeEnv returns the variables of an edge at addr.
func (r *Rig) EdgeEnv(addr, name string) []string {
	return r.edgeEnv(addr, &Edge{Name: name, Data: filepath.Join(r.Dir, name)})
}

func (r *Rig) controlPlaneEnv(addr string) []string {
	return append([]string{
		"TOLLGATE_ADDR=" + addr, "TOLLGATE_PUBLIC_URL=http://" + addr,
		"TOLLGATE_DATABASE_URL=" + r.AppURL, "TOLLGATE_MIGRATE_DATABASE_URL=" + r.OwnerURL,
		"TOLLGATE_MASTER_KEY=" + r.secrets.master, "TOLLGATE_KEY_PEPPER=" + r.secrets.pepper, "TOLLGATE_FLEET_KEY=" + r.secrets.fleet,
		"TOLLGATE_SIGNING_KEY=" + r.secrets.signing, "TOLLGATE_EDGE_TOKEN=" + r.secrets.edgeToken,
		"TOLLGATE_ADMIN_EMAIL=" + r.AdminEmail, "TOLLGATE_ADMIN_PASSWORD=" + r.AdminSecret, "TOLLGATE_ADMIN_TOKEN=" + r.secrets.adminToken,
		"TOLLGATE_LOG_LEVEL=" + r.logLevel(),
	}, r.options.Env...)
}

func (r *Rig) edgeEnv(addr string, edge *Edge) []string {
	allow := "127.0.0.0/8"
	if r.options.Upstream != "" {
		allow += "," + r.options.Upstream
	}
	env := []string{
		"TOLLGATE_ADDR=" + addr, "TOLLGATE_CONTROL_PLANE_URL=http://" + r.reach, "TOLLGATE_EDGE_TOKEN=" + r.secrets.edgeToken,
		"TOLLGATE_SNAPSHOT_PUBLIC_KEY=" + r.secrets.public, "TOLLGATE_FLEET_KEY=" + r.secrets.fleet, "TOLLGATE_KEY_PEPPER=" + r.secrets.pepper,
		"TOLLGATE_DATA_DIR=" + edge.Data, "TOLLGATE_EDGE_NAME=" + edge.Name, "TOLLGATE_REGION=test",
		"TOLLGATE_EGRESS_ALLOW=" + allow, "TOLLGATE_LOG_LEVEL=" + r.logLevel(),
	}
	if r.options.RedisURL != "" {
		env = append(env, "TOLLGATE_REDIS_URL="+r.options.RedisURL)
	}
	return append(env, r.options.Env...)
}

func (r *Rig) logLevel() string {
	if r.options.LogLevel == "" {
		return "info"
	}
	return r.options.LogLevel
}

// Close stops every process and drops the database. It returns an error where the books rejected usage: no edge writes what they cannot take.
func (r *Rig) Close() (err error) {
	for _, edge := range r.Edges {
		edge.Stop(stopWithin)
	}
	for _, process := range []*Process{r.ControlPlane, r.Simulator} {
		if process != nil {
			process.Stop(stopWithin)
		}
	}
	for _, line := range []*Proxy{r.Line, r.RedisLine} {
		if line != nil {
			line.Close()
		}
	}
	if r.drop != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		err = errors.Join(r.rejected(ctx), r.drop(ctx))
	}
	for _, process := range []*Process{r.Postgres, r.Redis} {
		if process != nil {
			process.Stop(stopWithin)
		}
	}
	return err
}

// OrgUUID returns the demo organization's id in its canonical form.
func (r *Rig) OrgUUID() string {
	raw, err := hex.DecodeString(r.OrgID)
	if err != nil || len(raw) != len(wire.ID{}) {
		return ""
	}
	return wire.ID(raw).String()
}
