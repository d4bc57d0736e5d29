package publish_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/wire"
)

// fixture is an organization with something of most nouns, and what makes publishing services over its database.
type fixture struct {
	db    *pgtest.DB
	actor authz.Actor
	main  ident.Workspace
	keys  *virtualkey.Service
	box   *seal.Box
	sign  ed25519.PrivateKey
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{db: pgtest.New(t), sign: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))}
	f.actor = f.db.Org(t, "a")
	var err error
	if f.box, err = seal.New(bytes.Repeat([]byte{8}, seal.KeyBytes)); err != nil {
		t.Fatal(err)
	}
	f.keys = virtualkey.New(f.db.Tenant, seal.NewSecret("pepper of the test, 32 bytes long"), time.Now)
	made, err := workspace.New(f.db.Tenant).Create(t.Context(), f.actor, workspace.Input{Name: "Main"})
	if err != nil {
		t.Fatal(err)
	}
	f.main = made.ID
	return f
}

// service returns a publishing service with a memory of its own, as of another process.
func (f *fixture) service() *publish.Service {
	fleet := wire.FleetKey(bytes.Repeat([]byte{9}, 32))
	return publish.New(publish.Config{SigningKey: f.sign, FleetKey: fleet}, f.db.Pool, provider.New(f.db.Tenant, f.box), time.Now, slog.New(slog.DiscardHandler))
}

func (f *fixture) furnish(t *testing.T) {
	t.Helper()
	var targets []route.Target
	for _, name := range []string{"one", "two"} {
		made, err := provider.New(f.db.Tenant, f.box).Create(t.Context(), f.actor, provider.Input{
			Name: name, Kind: provider.OpenAI, BaseURL: "https://api.example.com", Catalog: "openai", Credential: seal.NewSecret("sk-" + name),
		})
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, route.Target{ProviderID: made.ID, Model: "m", Weight: 1})
	}
	_, agentErr := agent.New(f.db.Tenant).Create(t.Context(), f.actor, agent.Input{WorkspaceID: f.main, Name: "worker"})
	_, routeErr := route.New(f.db.Tenant).Create(t.Context(), f.actor, route.Input{Name: "fast", Strategy: route.Weighted, Targets: targets})
	err := errors.Join(agentErr, routeErr)
	for i := range 20 {
		_, _, keyErr := f.keys.Create(t.Context(), f.actor, virtualkey.Input{Name: fmt.Sprintf("key %d", i), WorkspaceID: f.main, AllowedModels: []string{"fast"}})
		err = errors.Join(err, keyErr)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) compile(t *testing.T, service *publish.Service) (*publish.Fragment, uint64) {
	t.Helper()
	fragment, newest, err := service.Compile(t.Context(), f.actor.Org)
	if err != nil {
		t.Fatal(err)
	}
	return fragment, newest
}

func TestTwoServicesCompileOneGenerationToTheSameBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.furnish(t)
	first, _ := f.compile(t, f.service())
	second, _ := f.compile(t, f.service())
	if first == second || first.Hash != second.Hash || first.Generation != second.Generation {
		t.Fatalf("generations %d and %d, hashes %x and %x", first.Generation, second.Generation, first.Hash, second.Hash)
	}
	one, two := first.Full(), second.Full()
	if len(one) != len(two) || len(one[0].GetUpserts()) < 26 {
		t.Fatalf("%d and %d chunks, %d items", len(one), len(two), len(one[0].GetUpserts()))
	}
	for i := range one {
		a, errA := proto.MarshalOptions{Deterministic: true}.Marshal(one[i])
		b, errB := proto.MarshalOptions{Deterministic: true}.Marshal(two[i])
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("chunk %d differs: %v %v", i, errA, errB)
		}
	}
}

func TestWhatTheLintRefusesLeavesThePreviousGenerationAndIsShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	service, shown := f.service(), edge.New(f.db.Tenant, time.Now)
	good, _ := f.compile(t, service)
	err := f.db.Tenant.Write(t.Context(), f.actor.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO budget (org_id, budget_id, name, scope, limit_pico, period, time_zone) VALUES ($1, gen_random_uuid(), 'b', 'org', 1, 'day', 'Mars/Olympus')", f.actor.Org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.furnish(t) // new generations
	kept, newest := f.compile(t, service)
	if kept != good || newest <= good.Generation || service.Current(f.actor.Org) != good {
		t.Errorf("generation %d is kept, %d is the newest, %d was good", kept.Generation, newest, good.Generation)
	}
	if fresh, _ := f.compile(t, f.service()); fresh != nil {
		t.Errorf("a service that never saw the good one gives generation %d", fresh.Generation)
	}
	problem, err := shown.Problem(t.Context(), f.actor)
	if err != nil || problem == nil || problem.Generation != newest || !strings.Contains(problem.Path, "budget/") || !strings.Contains(problem.Reason, "Mars/Olympus") {
		t.Fatalf("problem %+v, %v", problem, err)
	}
	other := f.db.Org(t, "b")
	if problem, err := shown.Problem(t.Context(), other); err != nil || problem != nil {
		t.Errorf("another organization is shown %+v, %v", problem, err)
	}
	err = f.db.Tenant.Write(t.Context(), f.actor.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE budget SET time_zone = 'UTC'")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if mended, _ := f.compile(t, service); mended.Generation != newest {
		t.Errorf("mended at generation %d, want %d", mended.Generation, newest)
	}
	if problem, err := shown.Problem(t.Context(), f.actor); err != nil || problem != nil {
		t.Errorf("after mending: %+v, %v", problem, err)
	}
}
