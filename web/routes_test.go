package web_test

import (
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

func routeStories() []story {
	nested := group("1", "europe", "conditional", target("1.0", "gpt-4o", ""), group("1.1", "cheap", "canary", target("1.1.0", "mistral-large", ""), target("1.1.1", "mistral-next", "")))
	nested.Nodes[0].When.Value, nested.Nodes[0].When.Error = `labels.region = "eu"`, "Line 1, column 15: token recognition error at: '= '."
	nested.Nodes[0].Fields.Value = "temperature = 0.2\nmax_tokens ?= 500"
	links := []component.Link{{Label: "As text", Href: "/routes/1/text"}, {Label: "Versions", Href: "/routes/1/versions"}}
	return []story{
		{name: "route-tree-form", title: "smart", active: "Routes", content: routeui.FormPage(routeui.Form{
			Form: form("route-form", "/routes/1", "Save"), Title: "smart", Links: links,
			Name:      component.Field{Name: "name", Label: "Name", Value: "smart", Mono: true, Help: "What callers write as the model."},
			Workspace: component.Field{Name: "workspace_id", Label: "Where", Disabled: true, Options: []component.Option{{Label: "Every workspace"}}},
			Aliases:   component.Field{Name: "aliases", Label: "Other names", Value: "gpt-4, claude", Mono: true, Optional: true, Help: "With commas. Callers may write each of them too."},
			TimeZone:  component.Field{Name: "time_zone", Label: "Time zone of conditions", Value: "Europe/Berlin", Optional: true},
			Strategy:  component.Field{Name: "strategy", Label: "Which target answers", Value: "weighted", Options: strategies()},
			Special:   special("root"), Nodes: []routeui.Node{target("0", "gpt-4o-mini", ""), nested}, Reliable: holding(), Cache: keeping(), Mirror: mirroring(),
			Stops: []routeui.Stop{{Edge: "edge-1", Group: "cheap", Why: "50% of its calls failed, and 0% of those at the first target", Since: component.At(noon, "ago")}}, ResumeHref: "/routes/1/resume",
			Variables: []routeui.Variable{{Name: "prompt_chars", Type: "int", Help: "characters of everything that the model reads"}, {Name: "labels", Type: "map", Help: "what the caller labels the call with"}},
		})},
		{name: "routes-tree", title: "Routes", active: "Routes", content: routeui.Page(routeui.List{MayAdd: true, HasProvider: true, Rows: []routeui.Row{
			{ID: "r1", Name: "smart", Stops: []routeui.Stop{{Edge: "edge-1", Group: "cheap", Why: "half of its calls failed"}}, Aliases: "gpt-4, claude", Href: "/routes/1", ArchiveHref: "/routes/1/archive", Workspace: "every workspace", Strategy: "by condition", Targets: []routeui.Target{
				{Provider: "openai", Model: "gpt-4o-mini", When: "prompt_chars < 300"},
				{Group: "europe", Strategy: "by weight", When: "else", Targets: []routeui.Target{{Provider: "azure", Model: "gpt-4o", Share: "75%"}, {Group: "cheap", Strategy: "canary", Share: "25%", Targets: []routeui.Target{{Provider: "mistral", Model: "mistral-large"}, {Provider: "mistral", Model: "mistral-next", Share: "5%", Price: "no price: not called"}}}}},
			}},
		}})},
		{name: "route-versions", title: "smart", active: "Routes", content: routeui.VersionsPage(routeui.Versions{Title: "smart", Links: links, Older: "/routes/1/versions?before=2", Rows: []routeui.Version{
			{Number: "5", When: component.At(noon, "ago"), Who: "Ada Lovelace", What: "brought back version 1", Now: true, Changes: []routeui.Change{{Line: `"model": "gpt-5",`}, {Added: true, Line: `"model": "gpt-4o",`}}},
			{Number: "4", When: component.At(noon, "ago"), Who: "deploy", RestoreHref: "/routes/1/versions/4/restore"},
			{Number: "2", When: component.At(noon, "ago"), Who: "deploy", RestoreHref: "/routes/1/versions/2/restore", Changes: []routeui.Change{{Line: `"model": "gpt-4o",`}, {Added: true, Line: `"model": "gpt-5",`}, {Added: true, Line: `"override": {`}, {Added: true, Line: `"temperature": 0.2`}}},
		}})},
		{name: "route-try", title: "smart", active: "Routes", content: routeui.TryPage(routeui.Try{
			Title: "smart", Links: links, Action: "/routes/1/try", Around: []component.Field{{Name: "key", Label: "Virtual key", Options: []component.Option{{Label: "none"}, {Value: "1", Label: "nightly (Research)"}}}, {Name: "draw", Label: "Chance", Optional: true, InputMode: "numeric"}},
			Given: routeui.Given{
				CSRF: "token", Path: component.Field{Name: "request.path", Label: "Path", Value: "/v1/messages", Mono: true}, Headers: component.Field{Name: "request.headers", Label: "Header fields", Optional: true, Mono: true, Rows: 3},
				Body:   component.Field{Name: "request.body", Label: "Body", Value: `{"model": "smart"`, Mono: true, Rows: 12, Error: "An edge refuses it with 400 invalid_json: it ends too early."},
				Around: []component.Field{{Name: "draw", ID: "given-draw", Label: "Chance", Optional: true, InputMode: "numeric"}},
			},
			Fields: []component.Field{{Name: "prompt_chars", Label: "Characters of the prompt", Value: "300", Optional: true, InputMode: "numeric"}, {Name: "labels", Label: "Labels", Optional: true, Mono: true, Help: "tier=gold, team=web"}},
			Stream: component.Field{Name: "stream", Label: "Streamed", Value: "on"}, Tools: component.Field{Name: "tools", Label: "Brings tools", Value: "on"},
			Result: &routeui.Tried{Version: "3", See: `prompt_chars = 300`, Notes: []string{"For 10m a kept answer of azure / gpt-4o serves the same call for nothing."}, Targets: []routeui.Place{{Provider: "azure", Model: "gpt-4o", Group: "europe", Cost: "$0.0052", Held: []string{"open at edge-1: status 503"}}}, Steps: []routeui.Step{
				{Node: "openai/gpt-4o-mini", When: "prompt_chars < 300", Verdict: "not held", Why: "prompt_chars = 300"},
				{Node: "europe", Verdict: "otherwise", Good: true, Why: "no condition before it held"},
				{Group: "europe", Node: "mistral/mistral-large", Verdict: "left out", Bad: true, Why: "no price is known for it"},
			}},
		})},
		{name: "route-text", title: "smart", active: "Routes", content: routeui.TextPage(routeui.Text{Form: form("route-text", "/routes/1/text", "Save"), Title: "smart", Links: links, Text: component.Field{
			Name: "text", Label: "The route", Mono: true, Rows: 28, Value: "{\n  \"name\": \"smart\",\n  \"strategy\": \"fallback\",\n  \"targets\": []\n}",
		}})},
	}
}

func strategies() []component.Option {
	return []component.Option{
		{Value: "fallback", Label: "In order", Help: "The first; the next one when it fails."},
		{Value: "weighted", Label: "By weight", Help: "Calls are shared among the targets."},
		{Value: "conditional", Label: "By condition", Help: "The first whose condition holds."},
		{Value: "latency", Label: "Quickest", Help: "Who answered quickly of late."},
		{Value: "cost", Label: "Cheapest", Help: "For the call's expected tokens."},
		{Value: "sticky", Label: "Sticky", Help: "The same end user, the same target."},
		{Value: "canary", Label: "Canary", Help: "A share tries the second of two."},
	}
}

// mirroring is the section of a route that repeats calls.
func mirroring() routeui.Mirror {
	return routeui.Mirror{
		Open: true, Summary: "A share of the calls is repeated elsewhere.", Label: "tollgate_mirror=smart", BudgetHref: "/budgets/new?scope=label&scope_value=tollgate_mirror%3Dsmart",
		Budgets:  []routeui.MirrorBudget{{Name: "Mirrors", Href: "/budgets/1", Left: "$0.42 of $1.00 left"}, {Name: "Old", Href: "/budgets/2", Left: "$0.00 of $1.00 left", Out: true}},
		Provider: component.Field{Name: "mirror.provider_id", Label: "Provider", Options: []component.Option{{Label: "None"}, {Value: "1", Label: "openai"}}}, Model: component.Field{Name: "mirror.model", Label: "Model", Value: "gpt-5-mini", Mono: true},
		Share: component.Field{Name: "mirror.share_per_mille", Label: "Share of the calls", Value: "1", Suffix: "%"},
	}
}

// keeping is the section of a route that keeps answers.
func keeping() routeui.Cache {
	return routeui.Cache{
		Open: true, Summary: "The same call again is answered for nothing.", PurgeHref: "/routes/1/purge-cache",
		Mode:  component.Field{Name: "cache.mode", Label: "Which answers serve again", Value: "exact", Options: []component.Option{{Value: "off", Label: "None", Help: "Nothing is kept."}, {Value: "exact", Label: "Of the same call"}, {Value: "semantic", Label: "Of a similar question too"}}},
		Model: component.Field{Name: "cache.embedding_model", Label: "Compared by", Value: "embed", Options: []component.Option{{Label: "Choose a route"}, {Value: "embed", Label: "embed"}}}, Label: "tollgate_cache=smart",
		Threshold: component.Field{Name: "cache.threshold", Label: "Similarity", Value: "0.95", InputMode: "decimal"}, Figures: []component.Stat{{Label: "Hits in 7 days", Value: "120", Note: "80 of the same call, 40 of similar questions"}},
		TTL: component.Field{Name: "cache.ttl_seconds", Label: "Kept for", Value: "10m", Error: "enter a time between 1s and 720h, such as 10m"}, PerEndUser: component.Field{Name: "cache.per_end_user", Label: "Each end user has answers of their own", Value: "yes"},
	}
}

func special(id string) routeui.Special {
	field := func(name, label, value, suffix string) component.Field {
		return component.Field{Name: name, ID: id + "-" + name, Label: label, Value: value, Suffix: suffix, InputMode: "numeric"}
	}
	return routeui.Special{
		Sticky: component.Field{Name: "sticky_by", ID: id + "-sticky_by", Label: "Goes by", Value: "end_user", Mono: true, Help: "end_user, run, virtual_key, or label:name"},
		Share:  field("canary_share", "Share", "5", "%"), Calls: field("canary_calls", "Judged after", "100", "calls"),
		Errors: field("canary_errors", "More failures", "2", "%"), Slower: field("canary_slower", "Slower by", "50", "%"),
	}
}

func parts(path string) routeui.Node {
	return routeui.Node{
		Path: path, Depth: "1", First: path == "0", Label: "Target " + path,
		Weight: component.Field{Name: "target_weight", ID: "target-weight-" + path, Label: "Weight", Value: "1", InputMode: "numeric"},
		When:   component.Field{Name: "node_when", ID: "node-when-" + path, Label: "When", Mono: true, Placeholder: "when none before it holds"},
	}
}

func target(path, model, problem string) routeui.Node {
	n := parts(path)
	n.Provider = component.Field{Name: "target_provider", ID: "target-provider-" + path, Label: "Provider", Options: []component.Option{{Value: "p1", Label: "openai"}}}
	n.Model = component.Field{Name: "target_model", ID: "target-model-" + path, Label: "Model", Value: model, Error: problem, Mono: true}
	n.Fields = component.Field{Name: "target_fields", ID: "target-fields-" + path, Label: "Fields", Mono: true, Optional: true, Rows: 3, Help: "One a line: “temperature = 0.2” whatever the caller says, “max_tokens ?= 500” only where they say nothing. Values are JSON."}
	return n
}

func group(path, name, strategy string, nodes ...routeui.Node) routeui.Node {
	n := parts(path)
	n.IsGroup, n.MayNest, n.Label, n.Nodes = true, true, "Group "+name, nodes
	n.Name = component.Field{Name: "group_name", ID: "group-name-" + path, Label: "Group", Value: name, Mono: true}
	n.Strategy = component.Field{Name: "group_strategy", ID: "group-strategy-" + path, Label: "Which of it answers", Value: strategy, Options: strategies()}
	n.Special = special("group-" + path)
	return n
}

// holding is a route that holds its targets back by its own figures.
func holding() routeui.Reliability {
	return routeui.Reliability{
		Open: true, Summary: "Changed from what edges do by themselves.",
		Fields:  []component.Field{{Name: "reliability.deadline_ms", Label: "Deadline of a call", Optional: true, Placeholder: "1h"}},
		Breaker: []component.Field{{Name: "reliability.breaker.failures", ID: "reliability-breaker-failures", Label: "Failures in a row", Value: "3", Optional: true, Placeholder: "5"}},
		Off:     component.Field{Name: "reliability.breaker.off", ID: "reliability-breaker-off", Label: "Never hold a target back", Value: "yes"},
	}
}
