// Package route keeps which providers serve a model name, and how one of them is chosen.
// It refuses to know prices and to choose a target: that is the edges' work.
package route

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/dataplane/wire/plan"
)

// Strategy is how a group chooses among its targets and groups.
type Strategy string

// The strategies.
const (
	Fallback    Strategy = "fallback"    // in order
	Weighted    Strategy = "weighted"    // the first by weight, the others as fallbacks
	Conditional Strategy = "conditional" // the first whose condition holds, and no other
	Latency     Strategy = "latency"     // the quicker of two that are drawn
	Cost        Strategy = "cost"        // the cheapest for the call
	Sticky      Strategy = "sticky"      // by a value of the call
	Canary      Strategy = "canary"      // a share to the second of two
)

// Strategies returns all of them.
func Strategies() []Strategy {
	return []Strategy{Fallback, Weighted, Conditional, Latency, Cost, Sticky, Canary}
}

// Route is a name that callers write as `model`, and where it leads.
type Route struct {
	ID            ident.Route     `json:"id"`
	WorkspaceID   ident.Workspace `json:"workspace_id"` // none: every workspace
	WorkspaceName string          `json:"workspace_name"`
	Name          string          `json:"name"`    // unique in its workspace, or among those of every workspace; the workspace's own comes first
	Aliases       []string        `json:"aliases"` // other names, as unique
	Strategy      Strategy        `json:"strategy"`
	Targets       []Target        `json:"targets"`
	StickyBy      string          `json:"sticky_by,omitempty"` // as of a group
	Trial         *Trial          `json:"canary,omitempty"`    // as of a group
	TimeZone      string          `json:"time_zone,omitempty"` // IANA name, of hours and weekdays in conditions; empty: UTC
	Reliability   Reliability     `json:"reliability,omitzero"`
	Cache         *Cache          `json:"cache,omitempty"` // none: no answer is kept
	Mirror        *Mirror         `json:"mirror,omitempty"`
	CacheEpoch    int             `json:"cache_epoch"` // how often its kept answers were forgotten
	Version       int             `json:"version"`     // how often it was saved
	CreatedAt     time.Time       `json:"created_at"`
	ArchivedAt    *time.Time      `json:"archived_at,omitempty"`
}

// Target is a model at a provider, or, with targets of its own, a group.
type Target struct {
	ProviderID   ident.Provider             `json:"provider_id,omitzero"`
	ProviderName string                     `json:"provider_name,omitempty"` // shown; not looked at when set
	Model        string                     `json:"model,omitempty"`         // its name at the provider
	Override     map[string]json.RawMessage `json:"override,omitempty"`      // top-level fields of the request, whatever the caller says
	Default      map[string]json.RawMessage `json:"default,omitempty"`       // where the caller says nothing

	Name     string   `json:"name,omitempty"` // of a group
	Strategy Strategy `json:"strategy,omitempty"`
	Targets  []Target `json:"targets,omitempty"`
	StickyBy string   `json:"sticky_by,omitempty"` // of a sticky group: "end_user", "run", "virtual_key" or "label:" and its name
	Trial    *Trial   `json:"canary,omitempty"`    // of a canary group

	Weight int    `json:"weight"`         // in a weighted or sticky group; 0 there: a fallback only
	When   string `json:"when,omitempty"` // in a conditional group: its condition. Empty: it serves when none holds
}

// IsGroup says whether it is a group.
func (t *Target) IsGroup() bool { return t.Strategy != "" || len(t.Targets) > 0 }

// Trial is the bounds of a canary. An edge stops it when, after so many calls at both, it does worse than is allowed.
type Trial struct {
	SharePerMille  int `json:"share_per_mille"`
	Calls          int `json:"calls"`
	ErrorsPerMille int `json:"errors_per_mille"` // how much larger its share of failures may be
	LatencyPercent int `json:"latency_percent"`  // how much longer its first byte may take; 0: it is not looked at
}

// Input is what a caller sets. The workspace never changes after creation. An empty Strategy is Fallback.
type Input struct {
	Version     int             `json:"version,omitempty"` // the one that is changed: once another is in force, the change is a Conflict. 0: whichever is in force
	Name        string          `json:"name"`
	WorkspaceID ident.Workspace `json:"workspace_id"`
	Aliases     []string        `json:"aliases"`
	Strategy    Strategy        `json:"strategy"`
	Targets     []Target        `json:"targets"`
	StickyBy    string          `json:"sticky_by,omitempty"`
	Trial       *Trial          `json:"canary,omitempty"`
	TimeZone    string          `json:"time_zone,omitempty"`
	Reliability Reliability     `json:"reliability,omitzero"`
	Cache       *Cache          `json:"cache,omitempty"`
	Mirror      *Mirror         `json:"mirror,omitempty"`
}

// Input returns what the route was saved as, for changing this version of it.
func (r Route) Input() Input {
	return Input{
		Version: r.Version, Name: r.Name, WorkspaceID: r.WorkspaceID, Aliases: r.Aliases, Strategy: r.Strategy, Targets: r.Targets, StickyBy: r.StickyBy, Trial: r.Trial,
		TimeZone: r.TimeZone, Reliability: r.Reliability, Cache: r.Cache, Mirror: r.Mirror,
	}
}

const (
	aliasesMax = 20
	modelMax   = 200
	weightMax  = 1000
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,119}$`)

// clean trims the input and says what is wrong; workspace and providers are judged where they can be looked up, and the tree as a whole by
// what edges will make of it.
func (in Input) clean() (Input, fault.Fields) {
	var wrong fault.Fields
	in.Name = strings.TrimSpace(in.Name)
	if !namePattern.MatchString(in.Name) {
		wrong.Add("name", "use 1 to 120 letters, digits and . _ : / @ + - without spaces: it is what callers write as model")
	}
	in.cleanAliases(&wrong)
	if in.Strategy == "" {
		in.Strategy = Fallback
	}
	in.TimeZone = strings.TrimSpace(in.TimeZone)
	if !plan.IsTimeZone(in.TimeZone) {
		wrong.Add("time_zone", "the time zone %q is not known; write one such as Europe/Berlin, or nothing for UTC", in.TimeZone)
	}
	cleanStrategy(&wrong, "", in.Strategy, in.StickyBy, in.Trial)
	in.Reliability.Breaker = in.Reliability.Breaker.orNone()
	in.Reliability.check(&wrong)
	in.Cache = in.Cache.clean(&wrong)
	in.Mirror = in.Mirror.clean(&wrong)
	count := 0
	each(in.Targets, "", func(string, *Target) { count++ })
	if count == 0 || count > plan.TargetsMax {
		wrong.Add("targets", "give between 1 and %d targets, each a model at a provider", plan.TargetsMax)
		in.Targets = nil
		return in, wrong
	}
	in.Targets = cleanTargets(&wrong, "", in.Strategy, in.Targets, 1)
	return in, wrong
}

func (in *Input) cleanAliases(wrong *fault.Fields) {
	aliases := []string{}
	for i, alias := range in.Aliases {
		alias = strings.TrimSpace(alias)
		switch {
		case !namePattern.MatchString(alias):
			wrong.Add(fmt.Sprintf("aliases[%d]", i), "use 1 to 120 letters, digits and . _ : / @ + - without spaces")
		case alias == in.Name || slices.Contains(aliases, alias):
			wrong.Add(fmt.Sprintf("aliases[%d]", i), "the name %q stands twice", alias)
		}
		aliases = append(aliases, alias)
	}
	if len(aliases) > aliasesMax {
		wrong.Add("aliases", "give at most %d other names", aliasesMax)
	}
	in.Aliases = aliases
}

// cleanStrategy judges how a group chooses, and what belongs to that.
func cleanStrategy(wrong *fault.Fields, at string, strategy Strategy, stickyBy string, trial *Trial) {
	if !slices.Contains(Strategies(), strategy) {
		wrong.Add(at+"strategy", "choose fallback, weighted, conditional, latency, cost, sticky or canary")
	}
	if strategy != Sticky && stickyBy != "" {
		wrong.Add(at+"sticky_by", "only a sticky group goes by something; leave it out or change the strategy")
	}
	if strategy != Canary && trial != nil {
		wrong.Add(at+"canary", "only a canary group has bounds; leave them out or change the strategy")
	}
	if trial == nil {
		return
	}
	for _, bound := range []struct {
		name  string
		value int
	}{{"share_per_mille", trial.SharePerMille}, {"calls", trial.Calls}, {"errors_per_mille", trial.ErrorsPerMille}, {"latency_percent", trial.LatencyPercent}} {
		if bound.value < 0 || bound.value > math.MaxInt32 {
			wrong.Add(at+"canary."+bound.name, "enter a whole number that is not negative")
		}
	}
}

// cleanTargets cleans the nodes of one group; at is the group's place with a dot at its end, or nothing.
func cleanTargets(wrong *fault.Fields, at string, strategy Strategy, given []Target, depth int) []Target {
	targets, sum := make([]Target, len(given)), 0
	for i, each := range given {
		place := fmt.Sprintf("%stargets[%d].", at, i)
		weight := each.Weight
		if strategy != Weighted && strategy != Sticky {
			each.Weight = 1
		}
		if each.When = strings.TrimSpace(each.When); strategy != Conditional && each.When != "" {
			wrong.Add(place+"when", "only a conditional group looks at conditions; leave it out or change the strategy")
		}
		sum += each.Weight
		if each.IsGroup() && depth < plan.DepthMax {
			each = cleanGroup(wrong, place, each, depth)
		} else if each.IsGroup() {
			wrong.Add(place+"strategy", "groups stand at most %d deep", plan.DepthMax)
		} else {
			each = cleanTarget(wrong, place, each)
		}
		if weight < 0 || weight > weightMax {
			wrong.Add(place+"weight", "enter a number between 0 and %d", weightMax)
		}
		targets[i] = each
	}
	if len(given) > 0 && sum == 0 {
		wrong.Add(at+"targets", "give at least one target a weight above 0")
	}
	return targets
}

func cleanGroup(wrong *fault.Fields, place string, group Target, depth int) Target {
	group.Name = strings.TrimSpace(group.Name)
	if !group.ProviderID.IsZero() || group.Model != "" || len(group.Override)+len(group.Default) > 0 {
		wrong.Add(place+"model", "a group has targets of its own, and no provider, model and fields")
	}
	cleanStrategy(wrong, place, group.Strategy, group.StickyBy, group.Trial)
	if len(group.Targets) == 0 {
		wrong.Add(place+"targets", "give the group at least one target")
	}
	group.Targets = cleanTargets(wrong, place, group.Strategy, group.Targets, depth+1)
	return group
}

func cleanTarget(wrong *fault.Fields, place string, target Target) Target {
	target.Model = input.Name(wrong, place+"model", target.Model, modelMax)
	if target.Name != "" || target.StickyBy != "" || target.Trial != nil {
		wrong.Add(place+"strategy", "a group needs a strategy; a target has none of name, sticky_by and canary")
	}
	for _, set := range []struct {
		name   string
		fields map[string]json.RawMessage
	}{{"override", target.Override}, {"default", target.Default}} {
		for name, value := range set.fields {
			if err := plan.CheckParameter(name, value); err != nil {
				wrong.Add(place+set.name+"."+name, "%v", err)
			}
		}
	}
	return target
}

// each calls visit for every target below, in the order of the tree, with its place.
func each(targets []Target, at string, visit func(place string, target *Target)) {
	for i := range targets {
		place := fmt.Sprintf("%stargets[%d]", at, i)
		if targets[i].IsGroup() {
			each(targets[i].Targets, place+".", visit)
		} else {
			visit(place, &targets[i])
		}
	}
}
