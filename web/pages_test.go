package web_test

import (
	"strings"
	"time"

	"github.com/a-h/templ"

	"tollgate.dev/web/accountui"
	"tollgate.dev/web/agentui"
	"tollgate.dev/web/apitokenui"
	"tollgate.dev/web/auditui"
	"tollgate.dev/web/budgetui"
	"tollgate.dev/web/component"
	"tollgate.dev/web/edgeui"
	"tollgate.dev/web/guardrailui"
	"tollgate.dev/web/homeui"
	"tollgate.dev/web/memberui"
	"tollgate.dev/web/orgui"
	"tollgate.dev/web/priceui"
	"tollgate.dev/web/problemui"
	"tollgate.dev/web/providerui"
	"tollgate.dev/web/ratelimitui"
	"tollgate.dev/web/routeui"
	"tollgate.dev/web/setupui"
	"tollgate.dev/web/signinui"
	"tollgate.dev/web/spendui"
	"tollgate.dev/web/usageui"
	"tollgate.dev/web/virtualkeyui"
	"tollgate.dev/web/workspaceui"
)

// story is one page in one state.
type story struct {
	name    string
	title   string
	active  string
	content templ.Component
	bare    bool
}

func stories() []story {
	all := append(emptyStories(), nounStories()...)
	all = append(all, formStories()...)
	all = append(all, budgetStories()...)
	all = append(all, moneyStories()...)
	all = append(all, priceStories()...)
	all = append(all, routeStories()...)
	return append(all, alertStories()...)
}

func emptyStories() []story {
	return []story{
		{name: "sign-in", title: "Sign in", bare: true, content: signinui.Page(signinui.View{
			CSRF: "token", Next: "/", Message: "The e-mail address or the password is wrong.",
			Email:  component.Field{Name: "email", Label: "E-mail address", Kind: "email", Value: "ada@example.com", Autocomplete: "username"},
			Secret: component.Field{Name: "password", Label: "Password", Kind: "password", Autocomplete: "current-password"},
		})},
		{name: "workspaces-empty", title: "Workspaces", active: "Workspaces", content: workspaceui.Page(workspaceui.List{MayAdd: true})},
		{name: "agents-empty", title: "Agents", active: "Agents", content: agentui.Page(agentui.List{MayAdd: true})},
		{name: "providers-empty", title: "Providers", active: "Providers", content: providerui.Page(providerui.List{MayAdd: true})},
		{name: "routes-empty", title: "Routes", active: "Routes", content: routeui.Page(routeui.List{MayAdd: true, HasProvider: true})},
		{name: "budgets-empty", title: "Budgets", active: "Budgets", content: budgetui.Page(budgetui.List{MayAdd: true})},
		{name: "rate-limits-empty", title: "Rate limits", active: "Rate limits", content: ratelimitui.Page(ratelimitui.List{MayAdd: true})},
		{name: "guardrails-empty", title: "Guardrails", active: "Guardrails", content: guardrailui.Page(guardrailui.List{MayAdd: true})},
		{name: "virtual-keys-empty", title: "Virtual keys", active: "Virtual keys", content: virtualkeyui.Page(virtualkeyui.List{MayAdd: true, HasWorkspace: true})},
		{name: "api-tokens-empty", title: "API tokens", active: "Settings", content: apitokenui.Page(apitokenui.List{MayAdd: true, APIURL: "http://127.0.0.1:8400/api/v1"})},
		{name: "prices-empty", title: "Prices", active: "Prices", content: priceui.Page(priceui.List{Download: "/prices/catalog.csv", Search: component.Field{Name: "search", Label: "Catalog or model", Kind: "search"}})},
		{name: "edges-empty", title: "Edges", active: "Edges", content: edgeui.Page(edgeui.List{})},
		{name: "usage-empty", title: "Usage", active: "Usage", content: usageui.ListPage(usageui.Page{})},
		{name: "audit-empty", title: "Audit", active: "Audit", content: auditui.Page(auditui.List{})},
		{name: "spend-empty", title: "Spend", active: "Spend", content: spendui.Page(spendui.View{
			Empty: true, Chart: component.Chart{Title: "Cost per agent by hour"},
			Ranges: choices("24 hours", "7 days", "30 days"), Groups: choices("Agent", "Model", "Key", "Provider"), Custom: custom(),
		})},
		{name: "home-empty", title: "Overview", active: "Overview", content: homeui.Page(homeui.View{
			Greeting: "Welcome to Northwind", Quiet: true, Done: "2 of 6 done", Figures: []component.Stat{
				{Label: "Spent today", Value: "$0.00"}, {Label: "Spent this month", Value: "$0.00"}, {Label: "Calls today", Value: "0"}, {Label: "Refused today", Value: "0"},
			},
			Steps: []homeui.Step{
				{Title: "Start an edge", Done: true},
				{Title: "Make a workspace", Done: true},
				{Title: "Connect a provider", Text: "Its address and one API key; the key is encrypted before it is stored.", Href: "/providers/new", Action: "New provider", Now: true},
				{Title: "Make a model callable", Text: "A route names the model as your agents call it.", Href: "/routes/new", Action: "New route"},
				{Title: "Set a budget", Text: "Calls beyond it are refused before they cost anything.", Href: "/budgets/new", Action: "New budget"},
				{Title: "Create a virtual key", Text: "And make the first call with it.", Href: "/virtual-keys/new", Action: "New key"},
			},
		})},
		{name: "not-found", title: "Not found", content: problemui.Page(problemui.View{
			Status: "404", Icon: "search", Title: "There is nothing here",
			Message: "there is no budget 0190", Advice: "It may belong to another organization: look at the switcher on the left.", Link: component.Link{Label: "To the overview", Href: "/"},
		})},
	}
}

func nounStories() []story {
	edit := component.Badge{Text: "active", Tone: component.OK}
	return []story{
		{name: "workspaces", title: "Workspaces", active: "Workspaces", content: workspaceui.Page(workspaceui.List{MayAdd: true, Rows: []workspaceui.Row{
			{Name: "Customer service", Slug: "customer-service", Href: "/workspaces/1", Agents: 4, Keys: 7, Created: component.At(noon, "day")},
			{Name: "Research", Slug: "research", Agents: 1, Keys: 0, Created: component.At(noon, "day")},
		}})},
		{name: "agents", title: "Agents", active: "Agents", content: agentui.Page(agentui.List{MayAdd: true, HasWorkspace: true, Rows: []agentui.Row{
			{ID: "a1", Name: "support-bot", Description: "Answers tickets in the help centre", Workspace: "Customer service", Href: "/agents/1", ArchiveHref: "/agents/1/archive", Month: "$412.08", Keys: 2, Created: component.At(noon, "day")},
			{ID: "a2", Name: "nightly-report", Workspace: "Research", Month: "$0.00", Created: component.At(noon, "day")},
		}})},
		{name: "providers", title: "Providers", active: "Providers", content: providerui.Page(providerui.List{MayAdd: true, Rows: []providerui.Row{
			{Name: "openai", Href: "/providers/1", Kind: "OpenAI", BaseURL: "https://api.openai.com", Credentials: component.Badge{Text: "2 active", Tone: component.OK}, Created: component.At(noon, "day")},
			{Name: "anthropic", Href: "/providers/2", Kind: "Anthropic", BaseURL: "https://api.anthropic.com", Credentials: component.Badge{Text: "none", Tone: component.Bad}, Held: "held back at edge-1", Created: component.At(noon, "day")},
		}})},
		{name: "provider", title: "openai", active: "Providers", content: providerui.DetailPage(providerui.Detail{
			Row: providerui.Row{Name: "openai", Kind: "OpenAI", BaseURL: "https://api.openai.com", Created: component.At(noon, "day")}, Catalog: "openai", InUse: true, Network: "public addresses only", Queue: "20 at a time; 100 may wait on each edge, up to 30s", MayChange: true, EditHref: "/providers/1/edit", ArchiveHref: "/providers/1/archive",
			Credentials:    []providerui.Credential{{ID: "c1", Name: "production", Identity: "caller@project-1.iam.gserviceaccount.com", State: edit, Created: component.At(noon, "day"), RetireHref: "/providers/1/credentials/c1/retire"}, {ID: "c3", Name: "second", State: component.Badge{Text: "refused", Tone: component.Bad}, Created: component.At(noon, "day"), Refused: "status 401 at edge-1, since", RefusedSince: component.At(noon, "ago")}, {ID: "c2", Name: "last year", State: component.Badge{Text: "retired", Tone: component.Plain}, Created: component.At(noon, "day"), Retired: component.At(noon, "minute")}},
			CredentialForm: providerui.CredentialForm{Form: component.Form{ID: "credential-form", Action: "/providers/1/credentials", CSRF: "token", Submit: "Add credential"}, Name: component.Field{Name: "name", Label: "Name"}, Secret: component.Field{Name: "secret", Label: "Secret", Kind: "password", Autocomplete: "new-password", Help: "Stored encrypted; never shown again."}},
		})},
		{name: "routes", title: "Routes", active: "Routes", content: routeui.Page(routeui.List{MayAdd: true, HasProvider: true, Rows: []routeui.Row{
			{ID: "r1", Name: "fast", Href: "/routes/1", ArchiveHref: "/routes/1/archive", Workspace: "every workspace", Strategy: "in order", Targets: []routeui.Target{{Provider: "openai", Model: "gpt-4o-mini"}, {Provider: "anthropic", Model: "claude-haiku-4-5"}}},
			{ID: "r2", Name: "gpt-4o", Workspace: "Research", Strategy: "by weight", Targets: []routeui.Target{{Provider: "openai", Model: "gpt-4o", Share: "75%"}, {Provider: "azure", Model: "gpt-4o", Share: "25%"}}},
		}})},
		{name: "rate-limits", title: "Rate limits", active: "Rate limits", content: ratelimitui.Page(ratelimitui.List{MayAdd: true, AsOf: component.At(noon, "ago"), Rows: []ratelimitui.Row{
			{ID: "l0", Name: "Requests of the house", Scope: "whole organization", Allows: "1,000 requests", Window: "in any minute", Created: component.At(noon, "day"), Used: ratelimitui.Use{Text: "812", Of: "1,000", Share: "81%", Bar: component.Bar{Label: "81% of Requests of the house used", Parts: []component.BarPart{{PerMille: 812, Fill: "warn"}}}}},
			{ID: "l3", Name: "Calls of a customer", Scope: "each end user", Allows: "60 requests", Window: "in any hour", Created: component.At(noon, "day"), Used: ratelimitui.Use{Text: "60", Of: "60", Share: "100%", Subject: "customer-4711@a-rather-long-name.example", Bar: component.Bar{Label: "100% of Calls of a customer used", Parts: []component.BarPart{{PerMille: 1000, Fill: "bad"}}}}},
			{ID: "l1", Name: "Tokens of the team", Href: "/rate-limits/1", ArchiveHref: "/rate-limits/1/archive", Scope: "workspace Research", Allows: "1,500,000 tokens", Window: "in any minute", Created: component.At(noon, "day")},
			{ID: "l2", Name: "Each end user", Scope: "each end user", Allows: "3 requests", Window: "at a time", Created: component.At(noon, "day")},
		}})},
		{name: "guardrails", title: "Guardrails", active: "Guardrails", content: guardrailui.Page(guardrailui.List{MayAdd: true, Rows: []guardrailui.Row{
			{ID: "g1", Name: "Project names", Href: "/guardrails/1", ArchiveHref: "/guardrails/1/archive", Scope: "whole organization", Action: component.Badge{Text: "block", Tone: component.Bad}, Words: []string{"bluebird", "project zephyr", "merger"}, More: "and 12 more", Created: component.At(noon, "day")},
			{ID: "g2", Name: "Trial list", Scope: "workspace Research", Action: component.Badge{Text: "flag", Tone: component.Warn}, Words: []string{"salary"}, Created: component.At(noon, "day")},
		}})},
		{name: "virtual-keys", title: "Virtual keys", active: "Virtual keys", content: virtualkeyui.Page(virtualkeyui.List{MayAdd: true, HasWorkspace: true, Rows: []virtualkeyui.Row{
			{ID: "k1", Name: "support-bot production", Href: "/virtual-keys/1", Prefix: "tg_live_9fK2", State: edit, Agent: "support-bot", Workspace: "Customer service", Limit: "600 a minute", Created: component.At(noon, "day"), RevokeHref: "/virtual-keys/1/revoke"},
			{ID: "k2", Name: "notebook", Href: "/virtual-keys/2", Prefix: "tg_live_Qa81", State: component.Badge{Text: "expired", Tone: component.Warn}, Workspace: "Research", Models: []string{"fast", "gpt-4o"}, Limit: "none", Created: component.At(noon, "day"), Expires: component.At(noon, "minute")},
			{ID: "k3", Name: "old laptop", Prefix: "tg_live_Lm3e", State: component.Badge{Text: "revoked", Tone: component.Bad}, Revoked: component.At(noon, "minute"), Agent: "code-reviewer", Workspace: "Research", Limit: "none", Created: component.At(noon, "day")},
		}})},
		{name: "api-tokens", title: "API tokens", active: "Settings", content: apitokenui.Page(apitokenui.List{MayAdd: true, APIURL: "http://127.0.0.1:8400/api/v1", Rows: []apitokenui.Row{
			{ID: "t1", Name: "deploy", Role: "developer", State: edit, Created: component.At(noon, "day"), RevokeHref: "/settings/api-tokens/t1/revoke"},
			{ID: "t2", Name: "monthly report", Role: "viewer", State: component.Badge{Text: "expired", Tone: component.Warn}, Created: component.At(noon, "day"), Expires: component.At(noon, "minute"), RevokeHref: "/settings/api-tokens/t2/revoke"},
			{ID: "t3", Name: "old laptop", Role: "owner", State: component.Badge{Text: "revoked", Tone: component.Bad}, Created: component.At(noon, "day"), Revoked: component.At(noon, "minute")},
		}})},
		{name: "prices", title: "Prices", active: "Prices", content: priceui.Page(priceui.List{
			Download: "/prices/catalog.csv",
			Search:   component.Field{Name: "search", Label: "Catalog or model", Kind: "search", Value: "gpt-4o"}, Clear: "/prices", Count: "3 prices", Rows: []priceui.Row{
				{ID: "p1", Model: "gpt-4o", Catalog: "openai", Input: "$5.00", CachedInput: "$2.50", CacheWrite: "$5.00", Output: "$15.00", Reasoning: "as output", Context: "128,000", Longest: "16,384", From: component.At(noon, "day"), State: component.Badge{Text: "past", Tone: component.Plain}},
				{ID: "p2", Model: "gpt-4o", Catalog: "openai", Tier: "above 200,000 tokens in", Request: "and $0.01 a request", AudioInput: "$40.00", HourWrite: "$6.00", AudioOutput: "$80.00", Input: "$2.50", CachedInput: "$1.25", CacheWrite: "$2.50", Output: "$10.00", Reasoning: "$12.00", Context: "128,000", Longest: "16,384", From: component.At(noon, "day")},
				{ID: "p3", Model: "gpt-4o-mini", Catalog: "openai", Input: "$0.15", CachedInput: "$0.075", CacheWrite: "$0.15", Output: "$0.60", Reasoning: "as output", Context: "–", Longest: "–", From: component.At(noon, "day"), State: component.Badge{Text: "to come", Tone: component.Info}},
			},
		})},
		{name: "edges-problem", title: "Edges", active: "Edges", content: edgeui.Page(edgeui.List{
			Generation: "1482", Summary: component.Badge{Text: "0 of 1 up to date", Tone: component.Warn},
			Problem: edgeui.Problem{Generation: "1482", Reason: "The route names a provider that is archived.", Path: "route/0190…: targets[1].provider_id", Noticed: component.At(noon, "ago")},
			Rows:    []edgeui.Row{{ID: "x1", Name: "edge-1", Region: "eu-central", Version: "0.1.0", State: edit, Seen: component.At(noon, "ago"), Generation: "1481", Behind: component.Badge{Text: "waits for 1482", Tone: component.Warn}, Lag: "38 ms", Acked: component.At(noon, "ago"), Pending: "0", SpoolSize: "64.0 MiB", InFlight: "12", Requests: "904,112"}},
		})},
		{name: "account", title: "Your account", content: accountui.Page(accountui.Account{
			Email: "ada@example.com", Role: "owner", Organizations: "Northwind (owner), Contoso Research (viewer)", Form: accountui.Form{
				Form: component.Form{ID: "password-form", Action: "/account", CSRF: "token", Submit: "Change password"}, Username: "ada@example.com",
				Current: component.Field{Name: "current_password", Label: "Current password", Kind: "password", Autocomplete: "current-password", Error: "This is not your current password."},
				Next:    component.Field{Name: "new_password", Label: "New password", Kind: "password", Autocomplete: "new-password", Help: "At least 10 characters."},
			},
		})},
		{name: "edges", title: "Edges", active: "Edges", content: edgeui.Page(edgeui.List{Generation: "1482", Summary: component.Badge{Text: "1 of 3 up to date", Tone: component.Warn}, Rows: []edgeui.Row{
			{ID: "x1", Name: "edge-1", Region: "eu-central", Version: "0.1.0", State: component.Badge{Text: "connected", Tone: component.OK}, Seen: component.At(noon, "ago"), Generation: "1482", Behind: component.Badge{Text: "current", Tone: component.OK}, Lag: "38 ms", Acked: component.At(noon, "ago"), Pending: "0", SpoolSize: "64.0 MiB", InFlight: "12", Requests: "904,112"},
			{
				ID: "x2", Name: "edge-2", Region: "eu-central", Version: "0.1.0", State: component.Badge{Text: "connected", Tone: component.OK}, Seen: component.At(noon, "ago"), Generation: "1481", Behind: component.Badge{Text: "refused 1482", Tone: component.Bad}, Lag: "41 ms", Acked: component.At(noon, "ago"), Pending: "3", SpoolSize: "64.0 MiB", InFlight: "0", Requests: "2",
				Nack: "the route names a provider that is not in the fragment", NackPath: "route/0190…: targets[1].provider_id", NackedGen: "1482",
			},
			{ID: "x3", Name: "edge-3", Region: "us-east", Version: "0.1.0", State: component.Badge{Text: "away", Tone: component.Warn}, Seen: component.At(noon.Add(-time.Hour), "ago"), Generation: "1470", Behind: component.Badge{Text: "12 behind", Tone: component.Warn}, Lag: "55 ms", Acked: component.At(noon.Add(-time.Hour), "ago"), Pending: "1,204", SpoolSize: "128 MiB", InFlight: "0", Requests: "40,221", Kept: "keeps 812.4 MiB", Damaged: "2 places of its disk could not be read and were skipped.", Unrecorded: "12 calls not recorded: its disk was full.", Rejected: "2 usage records rejected: cost_pico is negative.", Open: []edgeui.OpenTarget{
				{Provider: "openai", Model: "gpt-4o", State: component.Badge{Text: "open", Tone: component.Bad}, Why: "5 failures, the last: status 503", Since: component.At(noon.Add(-time.Hour), "ago"), Next: component.At(noon, "moment")},
				{Provider: "acme", Model: "<b>", State: component.Badge{Text: "half open", Tone: component.Warn}, Why: "1 failure: no connection within 10s", Since: component.At(noon, "ago")},
			}},
		}})},
		{name: "audit", title: "Audit", active: "Audit", content: auditui.Page(auditui.List{Pager: component.Pager{Older: "/audit?before=1"}, Rows: []auditui.Row{
			{ID: "u1", At: component.At(noon, "moment"), Actor: "ada@example.com", ActorKind: "user", Address: "203.0.113.9", Action: "budget.update", Subject: "Everything", Generation: "1482", Before: "{\n  \"limit_usd\": \"1500.00\"\n}", After: "{\n  \"limit_usd\": \"2000.00\"\n}"},
			{ID: "u2", At: component.At(noon, "moment"), Actor: "deploy", ActorKind: "API token", Address: "203.0.113.40", Action: "virtual_key.create", Subject: "support-bot production", Generation: "1481", After: "{\n  \"name\": \"support-bot production\"\n}"},
		}})},
		{name: "members", title: "Members", active: "Members", content: memberui.Page(memberui.List{MayAdd: true, Roles: []memberui.Role{{Name: "owner", Text: "Everything."}, {Name: "viewer", Text: "Sees everything but the audit."}}, Rows: []memberui.Row{
			{ID: "m1", Name: "Ada Lindqvist", Email: "ada@example.com", Initials: "AL", Role: "owner", You: true, Joined: component.At(noon, "day")},
			{
				ID: "m2", Name: "Bo Chen", Email: "bo@example.com", Initials: "BC", Role: "finance", Joined: component.At(noon, "day"), CSRF: "token", Action: "/members/m2/role", RemoveHref: "/members/m2/remove",
				Change: component.Field{Name: "role", Value: "finance", Options: []component.Option{{Value: "admin", Label: "admin"}, {Value: "finance", Label: "finance"}}},
			},
		}})},
		{name: "settings", title: "Organization settings", active: "Settings", content: orgui.Page(orgui.Settings{
			ID: "0190f2c4-0000-7000-8000-000000000001", Name: "Northwind", Slug: "northwind", Role: "owner", MayChange: true, Created: component.At(noon, "day"),
			Tokens: "/settings/api-tokens",
			Form:   orgui.Form{Form: component.Form{ID: "organization-form", Action: "/settings", CSRF: "token", Submit: "Save"}, Name: component.Field{Name: "name", Label: "Name", Value: "Northwind"}, Full: component.Field{Name: "when_spool_full", Label: "When an edge has no room to record usage", Value: "refuse", Options: []component.Option{{Value: "refuse", Label: "Refuse calls"}, {Value: "serve", Label: "Serve calls all the same", Help: "What is beyond that is missing here."}}}},
		})},
	}
}

func form(id, action, submit string) component.Form {
	return component.Form{ID: id, Action: action, CSRF: "token", Submit: submit, Cancel: strings.TrimSuffix(action, "/new")}
}

func formStories() []story {
	return []story{
		{name: "workspace-form", title: "New workspace", active: "Workspaces", content: workspaceui.FormPage(workspaceui.Form{
			Form: form("workspace-form", "/workspaces/new", "Create workspace"), Title: "New workspace",
			Name: component.Field{Name: "name", Label: "Name", Value: "Research", Autofocus: true},
			Slug: component.Field{Name: "slug", Label: "Slug", Value: "research", Mono: true, Optional: true, Help: "Used in addresses and scripts; never changes.", Error: "“research” is taken in this organization; choose another"},
		})},
		{name: "route-form", title: "New route", active: "Routes", content: routeui.FormPage(routeui.Form{
			Form: form("route-form", "/routes/new", "Create route"), Title: "New route",
			Name:      component.Field{Name: "name", Label: "Name", Value: "fast", Mono: true, Help: "What callers write as the model."},
			Workspace: component.Field{Name: "workspace_id", Label: "Where", Options: []component.Option{{Label: "Every workspace"}, {Value: "1", Label: "Research"}}},
			Strategy:  component.Field{Name: "strategy", Label: "Which target answers", Value: "fallback", Options: []component.Option{{Value: "fallback", Label: "In order", Help: "The next one when a target fails."}, {Value: "weighted", Label: "By weight", Help: "Shared among the targets."}}},
			Aliases:   component.Field{Name: "aliases", Label: "Other names", Mono: true, Optional: true}, TimeZone: component.Field{Name: "time_zone", Label: "Time zone of conditions", Optional: true},
			Special: special("root"), Cache: keeping(), Mirror: mirroring(), Nodes: []routeui.Node{target("0", "gpt-4o-mini", ""), target("1", "", "Enter the model's name at the provider")},
		})},
		{name: "virtual-key-created", title: "Your new key", active: "Virtual keys", content: virtualkeyui.CreatedPage(virtualkeyui.Created{
			Name:  "support-bot production",
			Setup: setupui.Fill("support-bot production", "http://127.0.0.1:8410", "tg_live_9fK2mQx7LpVb3Rt8WzYc1Nd5Hs6Jg4Ae0000", []string{"fast"}),
		})},
		{name: "virtual-key-setup", title: "Set up production", active: "Virtual keys", content: setupui.SetupPage(setupui.Fill("production", "https://edge.example", "YOUR_VIRTUAL_KEY", []string{"a-embedding", "claude-haiku-4-5", "gemini-2.5-flash", "gpt-4o-mini"}))},
		{name: "virtual-key-setup-empty", title: "Set up production", active: "Virtual keys", content: setupui.SetupPage(setupui.Fill("production", "https://edge.example", "YOUR_VIRTUAL_KEY", nil))},
		{name: "api-token-form", title: "New API token", active: "Settings", content: apitokenui.FormPage(apitokenui.Form{
			Form:    form("api-token-form", "/settings/api-tokens/new", "Create token"),
			Name:    component.Field{Name: "name", Label: "Name", Value: "deploy", Help: "What the program is called."},
			Role:    component.Field{Name: "role", Label: "Role", Value: "viewer", Options: []component.Option{{Value: "admin", Label: "admin", Help: "Everything."}, {Value: "viewer", Label: "viewer", Help: "Sees."}}},
			Expires: component.Field{Name: "expires_at", Label: "Expires on", Kind: "date", Optional: true, Error: "Choose a time in the future."},
		})},
		{name: "api-token-created", title: "Your new API token", active: "Settings", content: apitokenui.CreatedPage(apitokenui.Created{
			Name: "deploy", Role: "developer", Token: "tga_0190f2c4000070008000000000000001_9fK2mQx7LpVb3Rt8WzYc1Nd5Hs6Jg4Ae0000abcdefg",
			Curl: "curl http://127.0.0.1:8400/api/v1/organization \\\n  -H 'Authorization: Bearer tga_0190f2c4000070008000000000000001_9fK2mQx7LpVb3Rt8WzYc1Nd5Hs6Jg4Ae0000abcdefg'",
		})},
		{name: "confirm", title: "Revoke", active: "Virtual keys", content: component.Question(component.Confirm{ID: "revoke-form", Title: "Revoke “support-bot production”?", Text: "Every edge refuses it within a second. This cannot be taken back; programs that use it stop working.", Submit: "Revoke key", Action: "/virtual-keys/1/revoke", Cancel: "/virtual-keys", CSRF: "token", Page: true})},
	}
}

func moneyStories() []story {
	spend := func(groups, columns int, rows int) spendui.View {
		v := spendui.View{
			Ranges: choices("24 hours", "7 days", "30 days"), Groups: choices("Agent", "Model", "Key", "Provider"), Live: "/spend/live", AnyEver: true, Chart: chart(groups, columns, "hour"),
			Custom:  custom(),
			Figures: []component.Stat{{Label: "Cost", Value: "$38.41"}, {Label: "Calls", Value: "18,204"}, {Label: "Tokens", Value: "41.2 M"}, {Label: "Wasted", Value: "$0.51", Note: "on answers nobody got"}}, CallsURL: "/usage", Calls: usageui.List{Rows: calls(rows)},
		}
		for g := range groups {
			v.Table.Rows = append(v.Table.Rows, spendui.Row{Name: agents[g], Color: g + 1, Calls: "2,300", Tokens: "5.1 M", Waste: "$0.00", Saved: "$0.31", Cost: "$4.80", Share: "12%"})
		}
		v.Table.By, v.Table.Total = "Agent", spendui.Row{Calls: "18,204", Tokens: "41.2 M", Waste: "$0.51", Saved: "$2.48", Cost: "$38.41", Share: "100%"}
		return v
	}
	return []story{
		{name: "spend", title: "Spend", active: "Spend", content: spendui.Page(spend(2, 24, 3))},
		{name: "spend-much", title: "Spend", active: "Spend", content: spendui.Page(spend(8, 168, 40))},
		{name: "usage", title: "Usage", active: "Usage", content: usageui.ListPage(usageui.Page{
			Live: "/usage/live", List: usageui.List{Rows: calls(6)}, Pager: component.Pager{Older: "/usage?before=1"},
			Filters: []component.Field{{Name: "outcome", Label: "Outcome", Options: []component.Option{{Label: "Any"}, {Value: "refused", Label: "Refused"}}}, {Name: "agent_id", Label: "Agent", Options: []component.Option{{Label: "Any"}}}},
		})},
		{name: "call", title: "Call", active: "Usage", content: usageui.DetailPage(usageui.Detail{
			Row: calls(1)[0], Total: "$0.0003666", Reserved: "$0.0101",
			Caller:   []usageui.Fact{{Name: "Agent", Text: "support-bot"}, {Name: "Virtual key", Text: "support-bot production"}, {Name: "Run", Text: "4bf92f3577b34da6a3ce929d0e0e4736", Mono: true}},
			Answer:   []usageui.Fact{{Name: "Provider", Text: "openai"}, {Name: "Model", Text: "gpt-4o-mini", Mono: true}, {Name: "Status", Text: "200"}},
			Timing:   []usageui.Fact{{Name: "First byte", Text: "312 ms"}, {Name: "Took", Text: "1.24 s"}},
			Lines:    []usageui.Line{{Class: "Input", Tokens: "1,204", Price: "$0.15", Cost: "$0.0001806"}, {Class: "Output", Tokens: "310", Price: "$0.60", Cost: "$0.000186"}},
			Attempts: calls(2),
		})},
		{name: "home-searching", title: "Overview", active: "Overview", content: homeui.Page(homeui.View{
			Greeting: "Northwind", Figures: figures(), Chart: chart(1, 24, "hour"), Budgets: budgetRows(3), RefusedPager: component.Pager{Older: "/usage?before=1&outcome=refused"},
		})},
		{name: "home", title: "Overview", active: "Overview", content: homeui.Page(homeui.View{
			Greeting: "Northwind", Live: "/live", Figures: figures(), Chart: chart(1, 24, "hour"), Budgets: budgetRows(3), Refused: usageui.List{Rows: calls(5)[1:2]},
			Edges: []homeui.Edge{{Name: "edge-1", State: component.Badge{Text: "connected", Tone: component.OK}, Note: "38 ms"}, {Name: "edge-2", State: component.Badge{Text: "away", Tone: component.Warn}, Note: "12 behind"}},
		})},
	}
}

func choices(labels ...string) []spendui.Choice {
	all := make([]spendui.Choice, len(labels))
	for i, label := range labels {
		all[i] = spendui.Choice{Label: label, Href: "/spend", Current: i == 0}
	}
	return all
}

func custom() spendui.Custom {
	return spendui.Custom{Kept: []component.Option{{Label: "group", Value: "agent"}}, From: component.Field{Name: "from", Label: "From", Kind: "date", Value: "2026-11-01"}, To: component.Field{Name: "to", Label: "To", Kind: "date", Value: "2026-11-20"}}
}
