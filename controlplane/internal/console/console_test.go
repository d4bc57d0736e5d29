package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authn"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/budget"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/console"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/work"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/ask"
)

// quiet answers that nothing was called and no edge is there: what those rooms know is tested with them.
type quiet struct{}

func (quiet) Spend(context.Context, authz.Actor, usage.SpendQuery) (usage.Spend, error) {
	return usage.Spend{}, nil
}

func (quiet) Labels(context.Context, authz.Actor, time.Time, time.Time) ([]string, error) {
	return []string{"team"}, nil
}

func (quiet) Run(_ context.Context, _ authz.Actor, id string) (usage.RunDetail, error) {
	return usage.RunDetail{}, fault.New(fault.NotFound, "there is no run %q", id)
}

func (quiet) Kept(context.Context, authz.Actor) (time.Time, error) { return time.Time{}, nil }

func (quiet) Events(context.Context, authz.Actor, usage.Filter) (usage.Page, error) {
	return usage.Page{}, nil
}

func (quiet) Event(_ context.Context, _ authz.Actor, id ident.Event) (usage.Detail, error) {
	return usage.Detail{}, fault.New(fault.NotFound, "there is no call %s", id)
}

func (quiet) Refusals(context.Context, authz.Actor, time.Time, time.Time) ([]usage.Refusal, error) {
	return nil, nil
}

func (quiet) CostByPlace(context.Context, ident.Org, []scope.Place, time.Time, time.Time) (map[scope.Place]map[time.Time]money.Amount, error) {
	return nil, nil
}

func (quiet) Changes(context.Context, ident.Org) <-chan struct{}     { return nil }
func (quiet) List(context.Context, authz.Actor) ([]edge.Edge, error) { return nil, nil }

func (quiet) Gaps(context.Context, authz.Actor, time.Time, time.Time) ([]edge.Gap, error) {
	return []edge.Gap{{Edge: "small", Calls: 12}}, nil
}

func (quiet) Rejects(context.Context, authz.Actor, time.Time, time.Time) ([]edge.Reject, error) {
	return []edge.Reject{{Edge: "small", Records: 2, LastSeq: 7, LastReason: "cost_pico or bound_pico is negative"}}, nil
}

func (quiet) Problem(context.Context, authz.Actor) (*edge.Problem, error) {
	return &edge.Problem{Generation: 12, Path: "route/1: targets", Reason: "the route names nothing", NoticedAt: time.Now()}, nil
}

const (
	ownerEmail    = "ada@example.com"
	ownerPassword = "correct horse battery"
)

// browser is a client with cookies, as a browser without JavaScript.
type browser struct {
	t      *testing.T
	server *httptest.Server
	client *http.Client
	db     *pgtest.DB
	orgs   *org.Service
	people *member.Service
}

func open(t *testing.T) *browser {
	t.Helper()
	db := pgtest.New(t)
	logger := slog.New(slog.DiscardHandler)
	box, err := seal.New([]byte(strings.Repeat("k", seal.KeyBytes)))
	if err != nil {
		t.Fatal(err)
	}
	people := member.New(db.Tenant, db.Pool)
	who := authn.New(db.Pool, people, false, time.Now, logger)
	tokens := apitoken.New(db.Tenant, time.Now)
	orgs := org.New(db.Tenant, people, tokens)
	token := seal.NewSecret("tga_" + strings.Repeat("0a", 16) + "_" + strings.Repeat("x", 40))
	if _, err := orgs.Bootstrap(t.Context(), org.First{Email: ownerEmail, Password: seal.NewSecret(ownerPassword), Token: token}); err != nil {
		t.Fatal(err)
	}
	jobs, err := work.New(db.Pool, logger)
	if err != nil {
		t.Fatal(err)
	}
	sender := channel.NewSender(nil, channel.Mail{}, &url.URL{Scheme: "https", Host: "tollgate.example"}, time.Now)
	channels := channel.New(db.Tenant, box, jobs, sender, time.Now)
	shown, err := console.New(console.Services{
		Authn: who, Tokens: tokens, Prices: price.New(db.Pool, time.Now), Reprices: reprice.New(db.Tenant, ingest.New(db.Pool, time.Now, logger), jobs, time.Now, logger), Orgs: orgs, Members: people, Workspaces: workspace.New(db.Tenant), Agents: agent.New(db.Tenant), Providers: provider.New(db.Tenant, box),
		Routes: route.New(db.Tenant), DryRuns: dryrun.New(db.Tenant, route.New(db.Tenant), virtualkey.New(db.Tenant, seal.NewSecret(strings.Repeat("p", 32)), time.Now), quiet{}, ask.Reader{}, time.Now), Budgets: budget.New(db.Tenant, quiet{}, ledger.New(db.Pool, time.Now, logger), jobs, time.Now), Doubts: budget.NewDoubts(db.Tenant, ledger.Doubts{}, time.Now), Guardrails: guardrail.New(db.Tenant), RateLimits: ratelimit.New(db.Tenant),
		VirtualKeys: virtualkey.New(db.Tenant, seal.NewSecret(strings.Repeat("p", 32)), time.Now), Audit: audit.New(db.Tenant), Usage: quiet{}, Edges: quiet{},
		Channels: channels, Alerts: alert.New(db.Tenant, db.Pool, nil, channels, time.Now, logger),
	}, console.Config{EdgeURL: "http://edge.example", Now: time.Now, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	web := echo.New()
	shown.Mount(web)
	server := httptest.NewServer(web)
	t.Cleanup(server.Close)
	b := &browser{t: t, server: server, db: db, orgs: orgs, people: people}
	b.client = b.fresh()
	return b
}

func (b *browser) fresh() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(method, path string, form url.Values, header http.Header) answer {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, nil, nil) }

// send posts a form with the token that the browser's cookie holds.
func (b *browser) send(path string, form url.Values) answer {
	b.t.Helper()
	form.Set("csrf", b.token())
	return b.do(http.MethodPost, path, form, nil)
}

func (b *browser) token() string {
	at, err := url.Parse(b.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range b.client.Jar.Cookies(at) {
		if cookie.Name == "tollgate_csrf" {
			return cookie.Value
		}
	}
	b.t.Fatal("the browser has no token")
	return ""
}

func (b *browser) signIn(email string) {
	b.t.Helper()
	b.get("/sign-in")
	if a := b.send("/sign-in", url.Values{"email": {email}, "password": {ownerPassword}}); a.status != http.StatusSeeOther {
		b.t.Fatalf("sign in: status %d\n%s", a.status, a.body)
	}
}

var idInPath = regexp.MustCompile(`/(?:workspaces|providers|budgets|agents|routes|guardrails|rate-limits|virtual-keys|members|api-tokens)/([0-9a-f-]{36})`)

func (b *browser) idOn(path string) string {
	b.t.Helper()
	found := idInPath.FindStringSubmatch(b.get(path).body)
	if found == nil {
		b.t.Fatalf("no id on %s", path)
	}
	return found[1]
}

// provider adds one and returns its id.
func (b *browser) provider() string {
	b.t.Helper()
	if a := b.send("/providers/new", url.Values{"name": {"openai"}, "kind": {"openai"}, "base_url": {"https://api.openai.com"}, "credential": {"sk-very-secret"}}); a.status != http.StatusSeeOther {
		b.t.Fatalf("%d %s", a.status, a.body)
	}
	return b.idOn("/providers")
}

func pages() []string {
	return []string{
		"/", "/spend", "/spend?range=7d&group=model", "/spend?range=30d", "/spend?from=2026-11-01&to=2026-11-03", "/usage", "/usage?outcome=refused", "/virtual-keys", "/virtual-keys/new",
		"/budgets", "/budgets/new", "/routes", "/routes/new", "/guardrails", "/guardrails/new", "/rate-limits", "/rate-limits/new", "/agents", "/agents/new", "/workspaces", "/workspaces/new", "/providers", "/providers/new",
		"/edges", "/prices", "/prices?search=gpt", "/prices/own", "/prices/own/new", "/prices/own/import", "/prices/unknown", "/prices/reprice", "/prices/reprice/new", "/audit?subject=0190a1b2-0000-7000-8000-000000000000", "/settings/api-tokens", "/settings/api-tokens/new", "/account", "/members", "/members/new", "/audit", "/settings",
	}
}
