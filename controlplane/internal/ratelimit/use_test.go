package ratelimit_test

import (
	"fmt"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/ratelimit"
)

func TestUseIsWhatConnectedEdgesSayOfTheOwnOrganization(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := ratelimit.New(db.Tenant)
	busy, idle := create(t, service, a, "busy"), create(t, service, a, "idle")
	if busy, err := service.Get(t.Context(), a, busy.ID); err != nil || busy.Use != nil {
		t.Fatalf("without an edge: %+v %v", busy.Use, err)
	}
	said := func(subject string, taken, known int) string {
		return fmt.Sprintf(`{"limit": %q, "subject": %q, "taken": %d, "known": %d}`, busy.ID, subject, taken, known)
	}
	now := time.Now()
	edge := func(name string, connected *time.Time, seen time.Time, uses any) {
		t.Helper()
		_, err := db.Pool.Exec(t.Context(), `INSERT INTO edge (edge_id, name, region, version, epoch, first_seen_at, connected_at, last_seen_at, rate_uses) VALUES ($1, $2, '', '', 1, now(), $3, $4, $5)`,
			ident.New[ident.Edge](), name, connected, seen, uses)
		if err != nil {
			t.Fatal(err)
		}
	}
	of := func(text string) string { return fmt.Sprintf(`{%q: [%s]}`, a.Org, text) }
	edge("says nothing", &now, now, nil)
	edge("first", &now, now, of(said("bob", 30, 0)+","+said("ann", 20, 0)))
	edge("second", &now, now.Add(-time.Second), of(said("ann", 25, 0)))
	edge("a foreign one", &now, now, fmt.Sprintf(`{%q: [%s]}`, b.Org, said("eve", 90, 0)))
	edge("hung up", nil, now, of(said("bob", 90, 0)))
	edge("silent", &now, now.Add(-time.Minute), of(said("bob", 90, 0)))
	all, err := service.List(t.Context(), a)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	if use := all[0].Use; use == nil || use.Used != 45 || use.Subject != "ann" || use.AsOf.After(now.Add(-time.Second)) {
		t.Errorf("busy: %+v, want the 20 and 25 of ann", use)
	}
	if use := all[1].Use; all[1].ID != idle.ID || use == nil || use.Used != 0 {
		t.Errorf("idle: %+v", use)
	}
	edge("knows of all", &now, now, of(said("bob", 1, 70)))
	if busy, err := service.Get(t.Context(), a, busy.ID); err != nil || busy.Use.Used != 70 || busy.Use.Subject != "bob" {
		t.Errorf("with the shared counters: %+v %v", busy.Use, err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("the other organization: %v %v", all, err)
	}
}
