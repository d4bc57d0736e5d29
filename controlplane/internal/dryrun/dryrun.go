// Package dryrun says which targets of a route an edge would try for a call, in which order, and why. It decides with the code that edges
// decide with.
// It refuses to call a provider, and to guess what only an edge knows: latencies, and what has happened since the edges last said.
package dryrun

import (
	"fmt"
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
	"tollgate.dev/dataplane/wire/plan"
)

// Request is a call as far as a route looks at it.
type Request struct {
	Model             string            `json:"model"`          // as the caller writes it; empty: the route's name
	VirtualKeyID      ident.VirtualKey  `json:"virtual_key_id"` // names its workspace and agent; none: the names below are taken
	Key               string            `json:"key"`
	Workspace         string            `json:"workspace"`
	Agent             string            `json:"agent"`
	EndUser           string            `json:"end_user"`
	Run               string            `json:"run"`
	Dialect           string            `json:"dialect"` // empty: openai_chat
	Labels            map[string]string `json:"labels"`
	PromptChars       int64             `json:"prompt_chars"`
	MaxOutputTokens   int64             `json:"max_output_tokens"`
	Stream            bool              `json:"stream"`
	Tools             bool              `json:"tools"`
	At                *time.Time        `json:"at"`                  // none: now
	BudgetLeftPercent *int64            `json:"budget_left_percent"` // none: 100
	Draw              int64             `json:"draw"`                // what chance is: another number, another draw
	EdgeID            ident.Edge        `json:"edge_id"`             // whose breakers and canaries hold; none: what all connected edges say alike
	Request           *Given            `json:"request"`             // as its caller sends it; none: the fields above describe it
}

// Result is what an edge would do.
type Result struct {
	Version int      `json:"version"` // of the route
	Targets []Target `json:"targets"` // in the order in which they are tried
	Refused string   `json:"refused"` // why the call would be refused; empty: it would not
	Steps   []Step   `json:"steps"`   // what was decided, in order
	See     string   `json:"see"`     // what conditions see of the call
	Notes   []string `json:"notes"`   // what else happens to the call
}

// Target is one that would be tried.
type Target struct {
	Provider string       `json:"provider"`
	Model    string       `json:"model"`
	Group    string       `json:"group"` // the groups that lead to it: "europe/cheap"
	Expected money.Amount `json:"expected_pico"`
	Held     []Held       `json:"held"` // edges that hold calls back from it
}

// Step is one thing that was decided.
type Step struct {
	Group   string       `json:"group"` // that decided; empty: the route itself
	Node    string       `json:"node"`  // what was decided on: a target, or a group's name
	When    string       `json:"when,omitempty"`
	Verdict plan.Verdict `json:"verdict"`
	Why     string       `json:"why"`
}

const (
	charsMax   = 1 << 32
	outputMax  = 1 << 24
	percentMax = 100
)

func (r Request) judge(reader reader) error {
	var wrong fault.Fields
	if r.Request != nil {
		r.judgeGiven(&wrong)
	}
	if r.PromptChars < 0 || r.PromptChars > charsMax {
		wrong.Add("prompt_chars", "enter a number of characters that is not negative")
	}
	if r.MaxOutputTokens < 0 || r.MaxOutputTokens > outputMax {
		wrong.Add("max_output_tokens", "enter a number of tokens, or 0 for none")
	}
	if r.Dialect != "" && !reader.Knows(r.Dialect) {
		wrong.Add("dialect", "no caller speaks it: give openai_chat, openai_responses, anthropic_messages, gemini_generate or another as usage events name them")
	}
	if r.BudgetLeftPercent != nil && (*r.BudgetLeftPercent < 0 || *r.BudgetLeftPercent > percentMax) {
		wrong.Add("budget_left_percent", "enter a number between 0 and 100")
	}
	return wrong.Err()
}

// call returns what conditions see.
func (r Request) call(found route.Route, now time.Time, zone *time.Location) condition.Call {
	call := condition.Call{
		Model: r.Model, Key: r.Key, Workspace: r.Workspace, Agent: r.Agent, EndUser: r.EndUser, Run: r.Run, Dialect: r.Dialect, Labels: r.Labels,
		PromptChars: r.PromptChars, PromptTokens: plan.Tokens(r.PromptChars), MaxOutputTokens: r.MaxOutputTokens, Stream: r.Stream, Tools: r.Tools,
		BudgetLeftPercent: percentMax, At: now.In(zone),
	}
	if call.Model == "" {
		call.Model = found.Name
	}
	if call.Dialect == "" {
		call.Dialect = "openai_chat"
	}
	if r.At != nil {
		call.At = r.At.In(zone)
	}
	if r.BudgetLeftPercent != nil {
		call.BudgetLeftPercent = *r.BudgetLeftPercent
	}
	return call
}

// stage is the world of a dry run.
type stage struct {
	request Request
	call    condition.Call
	prices  []*wire.Tariff // by target; nil: none is known
	heard   heard
	reaches []bool // by target: its provider has the caller's API, or something like it
}

// Fits implements plan.World.
func (s *stage) Fits(target int) string {
	switch {
	case !s.reaches[target]:
		return plan.NotSpoken
	case s.prices[target] == nil:
		return plan.NoPrice
	default:
		return ""
	}
}

// Held implements plan.World.
func (s *stage) Held(target int) string { return s.heard.held[target] }

// CostPico implements plan.World.
func (s *stage) CostPico(target int) int64 {
	tokens := plan.Expected(s.call.PromptTokens, s.call.MaxOutputTokens)
	return s.prices[target].Cost(&tokens)
}

// Latency implements plan.World: each edge knows its own.
func (*stage) Latency(int) time.Duration { return 0 }

// Stopped implements plan.World.
func (s *stage) Stopped(path string) bool { return s.heard.stopped[path] }

// Missed implements plan.World: nothing happens.
func (*stage) Missed(string) {}

// Call implements plan.World.
func (s *stage) Call() *condition.Call { return &s.call }

// Sticky implements plan.World.
func (s *stage) Sticky(by wire.RouteSticky, label string) string {
	switch by {
	case wire.RouteSticky_ROUTE_STICKY_END_USER:
		return s.call.EndUser
	case wire.RouteSticky_ROUTE_STICKY_RUN:
		return s.call.Run
	case wire.RouteSticky_ROUTE_STICKY_LABEL:
		return s.call.Labels[label]
	default:
		return string(s.request.VirtualKeyID.Bytes())
	}
}

// result lets the tree decide and puts names to what it says.
func result(found route.Route, tree *plan.Tree, s *stage) Result {
	order, unmet, steps := tree.Explain(s, uint64(s.request.Draw))
	out := Result{Version: found.Version, Targets: []Target{}, Steps: []Step{}, See: s.call.Say(tree.Asks())}
	leaves := found.Leaves()
	for _, i := range order {
		out.Targets = append(out.Targets, Target{leaves[i].ProviderName, leaves[i].Model, tree.Path(i), money.FromPico(s.CostPico(i)), s.heard.at[i]})
	}
	switch {
	case len(order) > 0:
	case unmet:
		out.Refused = "no condition of the route holds; leave the condition of its last target empty to have one for all others"
	case !slices.Contains(s.reaches, true):
		out.Refused = "no target's provider has anything like the API that the caller uses"
	default:
		out.Refused = "no price is known for any of the targets; add theirs, or choose a ceiling to charge instead (Prices, Models without a price)"
	}
	for _, step := range steps {
		made := Step{Group: step.Group, Verdict: step.Verdict, Why: step.Why}
		if step.Target >= 0 {
			made.Node, made.Group = nameOf(leaves[step.Target]), tree.Path(step.Target)
		} else if nodes := found.Group(step.Group); step.Child < len(nodes) {
			made.Node, made.When = nameOf(nodes[step.Child]), nodes[step.Child].When
		}
		if step.Verdict == plan.Ranked {
			made.Why = fmt.Sprintf("%s: %s", step.Why, ranking(found.Group(step.Group), step.Order))
		}
		out.Steps = append(out.Steps, made)
	}
	return out
}

func nameOf(t route.Target) string {
	if t.IsGroup() {
		return t.Name
	}
	return t.ProviderName + "/" + t.Model
}

func ranking(nodes []route.Target, order []int) (text string) {
	for i, node := range order {
		if i > 0 {
			text += ", then "
		}
		text += nameOf(nodes[node])
	}
	return text
}
