package edges_test

import (
	"strings"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

func TestAnOrganizationSeesWhichOfItsTargetsAnEdgeHoldsBack(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	a, b := p.db.Org(t, "a"), p.db.Org(t, "b")
	e := p.connect(t, nil)
	route := ident.New[ident.Route]()
	provider, since := ident.New[ident.Provider](), time.Now().Add(-time.Minute)
	say := func(open ...*wire.OpenTarget) {
		e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Status{Status: &wire.Status{NowUnixMs: time.Now().UnixMilli(), OpenTargets: open}}})
	}
	shown := func(actor authz.Actor) []edge.OpenTarget {
		all, err := p.shown.List(t.Context(), actor)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		return all[0].OpenTargets
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		over := time.After(patience)
		for !holds() {
			select {
			case <-over:
				t.Fatal(what)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	say(&wire.OpenTarget{
		OrgId: a.Org.Bytes(), ProviderId: provider.Bytes(), Provider: "openai", Model: "gpt\x00-4o", State: wire.BreakerState_BREAKER_STATE_HALF_OPEN,
		SinceUnixMs: since.UnixMilli(), ProbeUnixMs: since.UnixMilli() + 5000, Reason: "status 503" + strings.Repeat("x", 1000), Failures: 5,
		RouteId: route.Bytes(), Route: "fast",
	}, &wire.OpenTarget{OrgId: []byte("short")})
	until("it is not shown", func() bool { return len(shown(a)) == 1 })
	one := shown(a)[0]
	if one.ProviderID != provider || one.Provider != "openai" || one.Model != "gpt-4o" || one.RouteID != route || one.Route != "fast" || !one.HalfOpen || one.Limited || one.Failures != 5 || len(one.Reason) != 500 || one.Since.UnixMilli() != since.UnixMilli() || one.ProbeAt.Sub(one.Since) != 5*time.Second {
		t.Errorf("%+v", one)
	}
	if others := shown(b); others == nil || len(others) != 0 {
		t.Errorf("another organization sees %+v", others)
	}
	say()
	until("it is closed and still shown", func() bool { return len(shown(a)) == 0 })
}

func TestAnOrganizationSeesWhichOfItsCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	a, b := p.db.Org(t, "a"), p.db.Org(t, "b")
	e := p.connect(t, nil)
	provider, credential := ident.New[ident.Provider](), ident.New[ident.Credential]()
	e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Status{Status: &wire.Status{NowUnixMs: time.Now().UnixMilli(), RefusedCredentials: []*wire.RefusedCredential{
		{OrgId: a.Org.Bytes(), ProviderId: provider.Bytes(), CredentialId: credential.Bytes(), Provider: "open\x00ai", Status: 401, Times: 3, SinceUnixMs: 1000},
		{OrgId: a.Org.Bytes(), ProviderId: provider.Bytes(), CredentialId: []byte("short")},
	}}}})
	over := time.After(patience)
	for {
		all, err := p.shown.List(t.Context(), a)
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if said := all[0].Refused; len(said) == 1 && said[0].CredentialID == credential && said[0].ProviderID == provider && said[0].Provider == "openai" && said[0].Status == 401 && said[0].Times == 3 {
			break
		}
		select {
		case <-over:
			t.Fatal("it says", all[0].Refused)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if all, err := p.shown.List(t.Context(), b); err != nil || len(all[0].Refused) != 0 {
		t.Errorf("another organization sees %v %v", all, err)
	}
}
