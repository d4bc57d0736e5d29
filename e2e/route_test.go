package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane"
	"tollgate.dev/e2e/internal/rig"
)

func TestEveryRouteOfTheEdgeIsGuarded(t *testing.T) {
	p := newProject(t, stand(t))
	routes := map[string]dataplane.Route{}
	for _, route := range dataplane.Routes() {
		name := route.Method + " " + route.Path
		if route.With != "" {
			name += " with " + route.With
		}
		routes[name] = route
		if _, known := ways[name]; !known {
			t.Errorf("%s has no row: say how it is guarded, and prove it", name)
		}
	}
	poorID, poor := p.guardedKey(t, "poor", rig.Object{})
	p.create(t, "/budgets", rig.Object{"name": p.name + "-poor", "scope": "virtual_key", "scope_id": poorID, "limit_usd": "0.0000000001", "period": "month", "time_zone": "UTC", "mode": "hard"})
	limitedID, limited := p.guardedKey(t, "limited", rig.Object{"requests_per_minute": 1})
	p.withTasks(t)
	p.withSpeaker(t)
	_, p.key = p.newKey(t, rig.Object{"name": p.name + "-rich", "allows_proxy": true})
	p.known(t)
	for name, way := range ways {
		route, exists := routes[name]
		if !exists {
			t.Errorf("%s is no route of the edge", name)
			continue
		}
		if route.Spends != way.budget {
			t.Errorf("%s: the edge's table says that it spends: %t, this one %t", name, route.Spends, way.budget)
		}
		p.guarded(t, name, way, poor)
	}
	p.spentNothing(t, poorID)
	p.limitsOnce(t, limited, limitedID)
}

func (p *project) guardedKey(t *testing.T, name string, besides rig.Object) (id, key string) {
	t.Helper()
	in := rig.Object{"name": p.name + "-" + name, "workspace_id": p.workspace, "allows_proxy": true}
	for field, value := range besides {
		in[field] = value
	}
	id, key, err := p.house.Admin.NewKey(t.Context(), in)
	must(t, err)
	return id, key
}

// guarded proves one row: nobody without a key, nothing over the budget, and an event with a cost for each call.
func (p *project) guarded(t *testing.T, name string, way way, poor string) {
	method, path := p.call(t, name)
	edge := p.house.Edges[0]
	bodies := way.bodies
	if len(bodies) == 0 {
		bodies = []string{""}
	}
	for _, body := range bodies {
		for _, key := range []string{"", "tg_live_nobodysKey"} {
			status := askWithout(t.Context(), way, method, edge.URL+path, key, body)
			if refused := status == http.StatusUnauthorized; refused != way.key || !refused && status != http.StatusOK {
				t.Errorf("%s with key %q: %d", name, key, status)
			}
		}
		if !way.budget {
			continue
		}
		if way.free {
			p.leavesEvent(t, name, way, method, path, body)
			continue
		}
		if got := p.asks(t, way, method, path, poor, body); got.Status != http.StatusPaymentRequired || !way.connects && errorOf(t, got)["code"] != "budget_exhausted" {
			t.Errorf("%s over the budget: %d %s (%s)", name, got.Status, got.Body, body)
		}
		p.leavesEvent(t, name, way, method, path, body)
	}
}

// call returns the method and the path that call a row.
func (p *project) call(t *testing.T, name string) (method, path string) {
	t.Helper()
	method, path, _ = strings.Cut(name, " ")
	path, _, _ = strings.Cut(path, " with ")
	if method == "*" {
		method = http.MethodPost
	}
	if way := ways[name]; way.prepare != nil {
		path = way.prepare(t, p)
	} else if way.path != "" {
		path = strings.Replace(way.path, "PROVIDER", p.provider, 1)
	}
	return method, path
}

func askWithout(ctx context.Context, way way, method, url, key, body string) int {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	request.Header.Set("Content-Type", contentTypeOf(body))
	way.dress(request)
	return sayOf(http.DefaultClient.Do(request)).Status
}

// asks calls a row's route.
func (p *project) asks(t *testing.T, way way, method, path, key, body string) said {
	t.Helper()
	if !way.connects {
		if before, after, found := strings.Cut(body, "FILE"); found {
			body = before + p.batchFile(t) + after
		}
		request, err := http.NewRequestWithContext(t.Context(), method, p.house.Edges[0].URL+path, strings.NewReader(body))
		must(t, err)
		request.Header.Set("Authorization", "Bearer "+key)
		way.dress(request)
		if !strings.HasPrefix(path, "/v1/messages/") && !strings.Contains(path, "/v1beta/") && len(way.head) == 0 { // one alone keeps those
			request.Header.Set("X-Tollgate-Provider", p.provider) // of several that keep files
		}
		if body != "" {
			request.Header.Set("Content-Type", contentTypeOf(body))
		}
		return sayOf(http.DefaultClient.Do(request))
	}
	status, request := p.speaks(t, key)
	return said{Status: status, Header: http.Header{"X-Tollgate-Request-Id": {request}}}
}

// leavesEvent calls with a rich key and waits for the call's event.
func (p *project) leavesEvent(t *testing.T, name string, way way, method, path, body string) {
	t.Helper()
	answer := p.asks(t, way, method, path, p.key, body)
	if answer.Status != way.lets() {
		t.Errorf("%s: %d %s (%s)", name, answer.Status, answer.Body, body)
		return
	}
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	must(t, rig.Until(ctx, func() error {
		var dialect, outcome string
		var cost int64
		err := p.house.Row(ctx, "SELECT dialect, outcome, cost_pico FROM usage_event WHERE request_id = $1 ORDER BY cost_pico DESC LIMIT 1", []any{answer.Header.Get("X-Tollgate-Request-Id")}, &dialect, &outcome, &cost)
		if err == nil && (dialect != way.dialect || (outcome == "ok") != (way.lets() == http.StatusOK && !way.pending) || (cost <= 0) != (way.free || way.pending)) {
			t.Errorf("%s leaves the event %s %s %d (%s)", name, dialect, outcome, cost, body)
		}
		return err
	}))
}

// spentNothing fails when a call of the key has reached a provider.
func (p *project) spentNothing(t *testing.T, keyID string) {
	t.Helper()
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	want := 0
	for _, way := range ways {
		if way.budget && !way.free {
			want += len(way.bodies)
		}
	}
	must(t, rig.Until(ctx, func() error {
		var refused, others int
		err := p.house.Row(ctx, "SELECT count(*) FILTER (WHERE outcome = 'refused' AND cost_pico = 0), count(*) FILTER (WHERE outcome <> 'refused') FROM usage_event WHERE virtual_key_id = $1", []any{keyID}, &refused, &others)
		if err == nil && others > 0 {
			t.Errorf("%d calls went round the budget", others)
		}
		if err == nil && refused < want {
			return &rig.Refusal{Message: "not every refusal has arrived"}
		}
		return err
	}))
}

// limitsOnce proves that all spending routes count against one limit.
func (p *project) limitsOnce(t *testing.T, key, keyID string) {
	t.Helper()
	answered := 0
	for name, way := range ways {
		if !way.budget {
			continue
		}
		method, path := p.call(t, name)
		switch got := p.asks(t, way, method, path, key, way.bodies[0]); got.Status {
		case way.lets():
			answered++
		case http.StatusTooManyRequests:
		default:
			t.Errorf("%s over its limit: %d %s", name, got.Status, got.Body)
		}
	}
	if answered != 1 {
		t.Errorf("of one call a minute, %d routes answered", answered)
	}
	p.events(t, keyID, 1)
}

func TestNoRoadGoesRoundTheBudget(t *testing.T) {
	p := newProject(t, stand(t))
	before := len(p.bills(t))
	for _, name := range roundabouts {
		method, path, _ := strings.Cut(name, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, p.house.Edges[0].URL+path, strings.NewReader(ways["POST /v1/chat/completions"].bodies[0]))
		must(t, err)
		request.Header.Set("Authorization", "Bearer "+p.key)
		request.Header.Set("Content-Type", "application/json")
		if got := sayOf(http.DefaultClient.Do(request)); got.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
	if after := len(p.bills(t)); after != before {
		t.Errorf("%d calls reached a provider", after-before)
	}
}
