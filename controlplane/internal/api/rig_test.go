package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/work"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/ask"
)

// canary is in every name of organization a.
const canary = "canary-a"

// bench is an API over a database with two organizations; a has one of each noun.
type bench struct {
	web    *echo.Echo
	api    *API
	a, b   authz.Actor
	ids    *strings.Replacer // {noun} in paths and bodies → a's ids
	prices *price.Service
	tokens map[string]string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db := pgtest.New(t)
	logger := slog.New(slog.DiscardHandler)
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := work.New(db.Pool, logger)
	if err != nil {
		t.Fatal(err)
	}
	members := member.New(db.Tenant, db.Pool)
	who := apitoken.New(db.Tenant, time.Now)
	services := Services{
		Tokens: who, Orgs: org.New(db.Tenant, members, who), Members: members, Workspaces: workspace.New(db.Tenant), Agents: agent.New(db.Tenant),
		Providers: provider.New(db.Tenant, box), Routes: route.New(db.Tenant), Budgets: budget.New(db.Tenant, usage.New(db.Tenant, usage.NewFeed(), time.Now), ledger.New(db.Pool, time.Now, logger), jobs, time.Now), Doubts: budget.NewDoubts(db.Tenant, ledger.Doubts{}, time.Now),
		Guardrails: guardrail.New(db.Tenant), RateLimits: ratelimit.New(db.Tenant), Prices: price.New(db.Pool, time.Now), Keys: virtualkey.New(db.Tenant, seal.NewSecret("pepper"), time.Now),
		Audits: audit.New(db.Tenant), Usage: usage.New(db.Tenant, usage.NewFeed(), time.Now),
	}
	services.DryRuns = dryrun.New(db.Tenant, services.Routes, services.Keys, edge.New(db.Tenant, time.Now), ask.Reader{}, time.Now)
	services.Edges = edge.New(db.Tenant, time.Now)
	services.Channels, services.Alerts = alerting(t, db, box, logger)
	services.Reprices = reprice.New(db.Tenant, ingest.New(db.Pool, time.Now, logger), jobs, time.Now, logger)
	made, err := New(services, logger)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{prices: price.New(db.Pool, time.Now), web: echo.New(), api: made, a: db.Org(t, canary), b: db.Org(t, "b"), tokens: map[string]string{}}
	made.Mount(b.web)
	for name, actor := range map[string]authz.Actor{"a": b.a, "b": b.b} {
		for _, role := range []authz.Role{authz.Owner, authz.Admin, authz.Finance, authz.Developer, authz.Viewer} {
			text := who.Generate(actor.Org)
			err := db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error {
				return who.Keep(t.Context(), tx, actor.Org, name+" "+string(role), role, text)
			})
			if err != nil {
				t.Fatal(err)
			}
			b.tokens[name+" "+string(role)] = text.Reveal()
		}
	}
	b.furnish(t, db)
	return b
}

// alerting returns channels whose deliveries are attempted, and alerts.
func alerting(t *testing.T, db *pgtest.DB, box *seal.Box, logger *slog.Logger) (*channel.Service, *alert.Service) {
	t.Helper()
	jobs, err := work.New(db.Pool, logger)
	if err != nil {
		t.Fatal(err)
	}
	sender := channel.NewSender(nil, channel.Mail{}, &url.URL{Scheme: "https", Host: "tollgate.example"}, time.Now)
	channels := channel.New(db.Tenant, box, jobs, sender, time.Now)
	work.Do(jobs, time.Minute, channels.Deliver)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- jobs.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	return channels, alert.New(db.Tenant, db.Pool, nil, channels, time.Now, logger)
}

// furnish gives a one of each noun.
func (b *bench) furnish(t *testing.T, db *pgtest.DB) {
	t.Helper()
	pairs := []string{"{member}", b.a.ID.String(), "{canary}", canary}
	for _, step := range []struct{ noun, path, body string }{
		{"{workspace}", "/workspaces", `{"name":"{canary} workspace"}`},
		{"{agent}", "/agents", `{"workspace_id":"{workspace}","name":"{canary} agent"}`},
		{"{provider}", "/providers", `{"name":"{canary}","kind":"openai","base_url":"https://{canary}.example","credential":"sk-{canary}"}`},
		{"{credential}", "/providers/{provider}/credentials", `{"name":"{canary}","secret":"sk-{canary}"}`},
		{"{route}", "/routes", `{"name":"{canary}-model","targets":[{"provider_id":"{provider}","model":"{canary}"}]}`},
		{"{budget}", "/budgets", `{"name":"{canary}","scope":"workspace","scope_id":"{workspace}","limit_usd":"5","period":"day"}`},
		{"{ratelimit}", "/rate-limits", `{"name":"{canary}","scope":"label","scope_value":"{canary}=*","what":"requests","amount":5,"per":"hour"}`},
		{"{raise}", "/budgets/{budget}/raises", fmt.Sprintf(`{"amount_usd":"5","reason":"{canary}","ends_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))},
		{"{guardrail}", "/guardrails", `{"name":"{canary}","scope":"org","action":"block","words":["{canary}"]}`},
		{"{key}", "/virtual-keys", `{"name":"{canary}","workspace_id":"{workspace}","agent_id":"{agent}","allowed_models":["{canary}-model"]}`},
		{"{price}", "/prices/own", `{"catalog":"{canary}","model":"{canary}","input_usd":"1","output_usd":"2.50","note":"{canary}"}`},
		{"{token}", "/api-tokens", `{"name":"{canary}","role":"viewer"}`},
		{"{channel}", "/channels", `{"name":"{canary}","kind":"webhook","url":"https://127.0.0.1:1/sk-{canary}"}`},
	} {
		replace := strings.NewReplacer(pairs...)
		status, answer := b.call(http.MethodPost, replace.Replace(prefix+step.path), replace.Replace(step.body), "a owner")
		var made struct {
			ID         string                `json:"id"`
			VirtualKey struct{ ID string }   `json:"virtual_key"`
			APIToken   struct{ ID string }   `json:"api_token"`
			Channel    struct{ ID string }   `json:"channel"`
			Error      struct{ Message any } `json:"error"`
		}
		if err := json.Unmarshal(answer, &made); err != nil || status != http.StatusCreated {
			t.Fatalf("%s: %d %s", step.path, status, answer)
		}
		pairs = append(pairs, step.noun, made.ID+made.VirtualKey.ID+made.APIToken.ID+made.Channel.ID)
	}
	event, fired, sent := ident.New[ident.Event]().String(), ident.New[ident.Alert]().String(), ident.New[ident.Delivery]().String()
	run := "run-of-a"
	b.ids = strings.NewReplacer(append(pairs, "{event}", event, "{run}", run, "{alert}", fired, "{delivery}", sent)...)
	err := db.Tenant.Write(t.Context(), b.a.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO usage_event (org_id, event_id, started_at, request_id, run_id, workspace_id, virtual_key_id, end_user, labels,
			dialect, model, provider_model, attempt, streamed, outcome, code, rule, http_status, duration_us, first_byte_us, input_tokens,
			cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, estimated, cost_pico, bound_pico, waste, edge_id, generation)
			VALUES ($1, $2, now(), gen_random_uuid(), 'run', $3, $4, $5, '{}', 'openai_chat', $5, $5, 1, false, 'ok', '', '', 200, 1, 1, 1, 0, 0, 1, 0, false, 1, 1, false, gen_random_uuid(), 1)`,
			b.a.Org, event, b.ids.Replace("{workspace}"), b.ids.Replace("{key}"), canary)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO usage_run VALUES ($1, $2, $3, $3, $4, now(), clock_timestamp(), 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0)`,
			b.a.Org, run, b.ids.Replace("{workspace}"), b.ids.Replace("{key}"))
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO usage_tag_hour VALUES ($1, date_trunc('hour', now(), 'UTC'), $4, $4, $2, $2, $3, $2, $2, $4, 'ok', '', 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0)`,
			b.a.Org, b.ids.Replace("{workspace}"), b.ids.Replace("{key}"), canary)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO alert (org_id, alert_id, rule, subject, period, threshold, standing, severity, title, body, path, fired_at)
			VALUES ($1, $2, 'edge_health', $3, 'p', 0, true, 3, $3, $3, '/edges', now())`, b.a.Org, fired, canary)
		if err != nil {
			return err
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO delivery (org_id, delivery_id, channel_id, alert_id, event, message, state, created_at)
			VALUES ($1, $2, $3, $4, 'fired', jsonb_build_object('title', $5::text), 'delivered', now())`, b.a.Org, sent, b.ids.Replace("{channel}"), fired, canary)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) call(method, path, body, who string) (status int, answer []byte) {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
		if strings.HasPrefix(body, "catalog,") {
			request.Header.Set("Content-Type", "text/csv")
		}
	}
	if token := b.tokens[who]; token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	recorder := httptest.NewRecorder()
	b.web.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.Bytes()
}

// nounOf says which of a's ids stands in a path.
func nounOf(path string) string {
	return strings.NewReplacer(
		"/members/:id", "/members/{member}", "/workspaces/:id", "/workspaces/{workspace}", "/agents/:id", "/agents/{agent}",
		"/providers/:id", "/providers/{provider}", ":credential_id", "{credential}", "/routes/:id", "/routes/{route}",
		"/budgets/:id", "/budgets/{budget}", ":raise_id", "{raise}", "/guardrails/:id", "/guardrails/{guardrail}", "/rate-limits/:id", "/rate-limits/{ratelimit}", "/virtual-keys/:id", "/virtual-keys/{key}", "/api-tokens/:id", "/api-tokens/{token}",
		"/prices/own/:id", "/prices/own/{price}", "/usage/events/:id", "/usage/events/{event}", "/usage/runs/:id", "/usage/runs/{run}", "/channels/:id", "/channels/{channel}", "/alerts/:id", "/alerts/{alert}", "/deliveries/:id", "/deliveries/{delivery}",
	).Replace(path)
}

// bodies has, for every endpoint with a body, one that refers to a's nouns wherever a body can. A new endpoint needs its line here.
var bodies = map[string]string{
	"PATCH /organization":                  `{"name":"renamed"}`,
	"POST /organizations":                  `{"name":"C","slug":"c","admin_email":"c@example.com","admin_password":"correct horse battery"}`,
	"POST /members":                        `{"email":"new@example.com","name":"New","role":"viewer","password":"correct horse battery"}`,
	"PATCH /members/:id":                   `{"role":"admin"}`,
	"POST /workspaces":                     `{"name":"New"}`,
	"PATCH /workspaces/:id":                `{"name":"Renamed"}`,
	"POST /agents":                         `{"workspace_id":"{workspace}","name":"new"}`,
	"PATCH /agents/:id":                    `{"name":"renamed"}`,
	"POST /providers":                      `{"name":"new","kind":"anthropic","base_url":"https://api.example"}`,
	"PATCH /providers/:id":                 `{"base_url":"https://evil.example"}`,
	"POST /providers/:id/credentials":      `{"name":"new","secret":"sk-new"}`,
	"POST /routes":                         `{"name":"new","targets":[{"provider_id":"{provider}","model":"m"}]}`,
	"POST /routes/:id/resume":              `{}`,
	"POST /routes/:id/restore":             `{"version":1}`,
	"POST /routes/:id/dry-run":             `{"virtual_key_id":"{key}","prompt_chars":200}`,
	"PATCH /routes/:id":                    `{"targets":[{"provider_id":"{provider}","model":"m"}]}`,
	"POST /budgets":                        `{"name":"new","scope":"virtual_key","scope_id":"{key}","limit_usd":"1","period":"day"}`,
	"PATCH /budgets/:id":                   `{"limit_usd":"6"}`,
	"POST /budgets/:id/raises":             `{"amount_usd":"6","reason":"a launch","ends_at":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `"}`,
	"POST /budgets/:id/release-doubt":      `{"as":"spent","reason":"the provider says so"}`,
	"POST /usage/events/:id/release-doubt": `{"as":"spent","reason":"the provider says so"}`,
	"POST /rate-limits":                    `{"name":"new","scope":"workspace","scope_id":"{workspace}","what":"concurrent","amount":5}`,
	"PATCH /rate-limits/:id":               `{"amount":6}`,
	"POST /guardrails":                     `{"name":"new","scope":"workspace","scope_id":"{workspace}","action":"flag","words":["x"]}`,
	"PATCH /guardrails/:id":                `{"words":["y"]}`,
	"POST /virtual-keys":                   `{"name":"new","workspace_id":"{workspace}","agent_id":"{agent}"}`,
	"POST /api-tokens":                     `{"name":"new","role":"viewer"}`,
	"PATCH /virtual-keys/:id":              `{"allowed_models":[]}`,
	"POST /channels":                       `{"name":"new","kind":"slack","url":"https://hooks.slack.com/services/new"}`,
	"PATCH /channels/:id":                  `{"severity_min":"critical"}`,
	"PATCH /alert-rules":                   `{"rule":"guardrail_spike","number":20}`,
	"POST /prices/own":                     `{"kind":"discount","catalog":"azure","discount_percent":"15"}`,
	"POST /prices/own/:id/end":             `{}`,
	"PUT /prices/unknown":                  `{"policy":"ceiling","input_usd":"30","output_usd":"150"}`,
	"POST /prices/import":                  "catalog,model,effective,input,output\nlab,new,2026-01-01,1,2\n",
	"POST /reprices":                       `{"from":"2026-01-01T00:00:00Z","reason":"r"}`,
	"POST /reprices/preview":               `{"from":"2026-01-01T00:00:00Z"}`,
}

func (b *bench) request(t *testing.T, e endpoint) (path, body string) {
	t.Helper()
	if e.body != nil {
		text, there := bodies[e.method+" "+e.path]
		if !there {
			t.Fatalf("%s %s has no line in bodies", e.method, e.path)
		}
		body = b.ids.Replace(text)
	}
	path = b.ids.Replace(prefix + nounOf(e.path))
	if strings.Contains(path, ":") {
		t.Fatalf("%s has no id in nounOf", path)
	}
	return path, body
}

// referring says whether the text holds one of a's ids.
func referring(b *bench, text string) bool {
	for _, noun := range []string{"{member}", "{workspace}", "{agent}", "{provider}", "{credential}", "{route}", "{budget}", "{raise}", "{guardrail}", "{ratelimit}", "{key}", "{token}", "{event}", "{channel}", "{alert}", "{delivery}"} {
		if strings.Contains(text, b.ids.Replace(noun)) {
			return true
		}
	}
	return false
}
