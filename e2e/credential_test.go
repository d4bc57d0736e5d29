package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// TestACredentialThatItsProviderRefusesIsSaidEverywhere gives a provider two credentials, one of which it does not let through: no caller notices, the
// edges ask with the other one, and API, console and an alert say so until it is retired.
func TestACredentialThatItsProviderRefusesIsSaidEverywhere(t *testing.T) {
	p := newProject(t, stand(t))
	source := slug("keys-" + p.name[:12])
	provider := p.create(t, "/providers", rig.Object{"name": source, "kind": "openai", "catalog": "openai", "base_url": p.house.SimulatorURL + "/openai", "private_network": true, "credential": "sk-sim"})
	wrong := p.create(t, "/providers/"+provider+"/credentials", rig.Object{"name": "second", "secret": "sk-wrong"})
	name := slug("pool-" + p.name[:12])
	p.create(t, "/routes", rig.Object{"name": name, "workspace_id": p.workspace, "targets": []rig.Object{{"provider_id": provider, "model": openAIModel}}})
	p.keyID, p.key = p.newKey(t, rig.Object{})
	refusedAt := func() (edges int) {
		var list struct {
			Items []struct {
				Refused []struct {
					CredentialID string `json:"credential_id"`
					Status       int    `json:"status"`
				} `json:"refused_credentials"`
			} `json:"items"`
		}
		must(t, p.house.Admin.Do(t.Context(), http.MethodGet, "/edges", nil, &list))
		for _, each := range list.Items {
			for _, one := range each.Refused {
				if one.CredentialID == wrong && one.Status == http.StatusUnauthorized {
					edges++
				}
			}
		}
		return edges
	}
	until(t, time.Minute, func() error {
		for _, edge := range p.house.Edges {
			for range 5 {
				if got := p.asksAt(t, edge, name); got.Status != http.StatusOK {
					return fmt.Errorf("a caller is failed: %d %s", got.Status, got.Body)
				}
			}
		}
		if n := refusedAt(); n != len(p.house.Edges) {
			return fmt.Errorf("%d edges say that it is refused", n)
		}
		return nil
	})
	for range 10 {
		if got := p.asksAt(t, p.house.Edges[0], name); got.Header.Get("X-Tollgate-Attempts") != "1" {
			t.Errorf("the refused one is still asked with first: %s attempts", got.Header.Get("X-Tollgate-Attempts"))
		}
	}
	b := newBrowser(t, p.house)
	b.open(t, "/")
	b.submit(t, "", "sign-in", "Sign in", input{"email", p.house.AdminEmail}, input{"password", p.house.AdminSecret})
	b.says(t, "overview", "")
	b.open(t, "/providers/"+provider)
	b.says(t, "credentials", "status 401 at "+p.house.Edges[0].Name)
	b.look(t, "credential-refused")
	b.open(t, "/providers?search="+source)
	b.says(t, "providers", "1 of 2 refused")
	b.failOnProblems(t)
	alertOf(t, p.house, source, func(found shownAlert) bool {
		return found.Rule == "credential_refused"
	})

	must(t, p.house.Admin.Do(t.Context(), http.MethodDelete, "/providers/"+provider+"/credentials/"+wrong, nil, nil))
	until(t, time.Minute, func() error {
		for _, edge := range p.house.Edges {
			p.asksAt(t, edge, name)
		}
		if n := refusedAt(); n != 0 {
			return fmt.Errorf("%d edges still say that it is refused", n)
		}
		return nil
	})
}
