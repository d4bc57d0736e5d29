package usage

import (
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
)

// Step is how wide the cells of a Spend are.
type Step string

// The steps.
const (
	NoStep Step = ""
	ByHour Step = "hour"
	ByDay  Step = "day" // UTC
)

// SpendQuery asks for sums by one dimension. From and To are whole hours, else they are rounded down; a range of whole days (UTC) is read much
// faster. Nothing is said about an event twice, but where GroupBy is ByLabel or ByEndUser only about those that have the label or an end user.
type SpendQuery struct {
	From, To time.Time
	GroupBy  Group
	Label    string // whose values are the groups, where GroupBy is ByLabel
	Where    Where
	Step     Step // also the sums by hour or day of the dearest groups; NoStep: not. Runs have none
	Limit    int  // how many groups, the dearest; 1 to 1000, 0: 100
	Cells    int  // how many of these have cells of their own, 0: all; the others are summed up
}

// Where restricts sums. Zero fields do not.
type Where struct {
	WorkspaceID  ident.Workspace
	AgentID      ident.Agent
	VirtualKeyID ident.VirtualKey
	ProviderID   ident.Provider
	RouteID      ident.Route
	Model        string // as asked
	Outcome      string
	Code         string
	EndUser      string
	LabelName    string // with LabelValue
	LabelValue   string
}

// Spend is what was spent in a range, and on what.
type Spend struct {
	Total  Totals  `json:"total"`
	Wasted Wasted  `json:"wasted"`
	Groups []Share `json:"groups"` // dearest first
	Others Figures `json:"others"` // of the total: what is in no group that is listed
	Cells  []Cell  `json:"cells"`  // by start and then by group; what is absent is nothing
}

// Share is one group's part.
type Share struct {
	GroupID   string `json:"group_id"`   // an id, a model, a value; empty: none, e.g. keys without an agent
	GroupName string `json:"group_name"` // empty where GroupID is
	Figures
}

// Cell is one group's sums in one hour or day.
type Cell struct {
	Start   time.Time `json:"start"`
	GroupID string    `json:"group_id"`
	Others  bool      `json:"others"` // all groups without cells of their own
	Figures
}

// Wasted says what the waste of a Total was spent on.
type Wasted struct {
	Failed  money.Amount `json:"failed_pico"`  // attempts at which the provider failed or cut the stream
	Left    money.Amount `json:"left_pico"`    // callers that hung up
	Refused money.Amount `json:"refused_pico"` // answers that a guardrail or a limit withheld
	Doubt   money.Amount `json:"doubt_pico"`   // attempts that an edge died in
	Other   money.Amount `json:"other_pico"`   // answers that came and were of no use
}

const (
	groupsDefault = 100
	groupsMax     = 1000
	spendMax      = 400 * 24 * time.Hour
	hoursMax      = 62 * 24 * time.Hour
)

// normal fills in the defaults.
func (q SpendQuery) normal() (SpendQuery, error) {
	var wrong fault.Fields
	q.From, q.To = q.From.UTC().Truncate(time.Hour), q.To.UTC()
	if q.Limit == 0 {
		q.Limit = groupsDefault
	}
	if q.Limit < 1 || q.Limit > groupsMax {
		wrong.Add("limit", "choose 1 to %d", groupsMax)
	}
	switch {
	case !q.From.Before(q.To):
		wrong.Add("to", "choose an end after the beginning")
	case q.To.Sub(q.From) > spendMax:
		wrong.Add("from", "choose at most 400 days")
	case q.Step == ByHour && q.To.Sub(q.From) > hoursMax:
		wrong.Add("step", "choose day for more than 62 days")
	case q.Step == ByDay && !q.wholeDays():
		wrong.Add("from", "choose whole days (UTC) for sums by day")
	}
	q.check(&wrong)
	return q, wrong.Err()
}

func (q *SpendQuery) check(wrong *fault.Fields) {
	switch q.GroupBy {
	case ByAgent, ByModel, ByVirtualKey, ByWorkspace, ByProvider, ByRoute, ByOutcome, ByEndUser:
	case ByLabel:
		if q.Label == "" {
			wrong.Add("label", "name the label whose values are the groups")
		}
	case ByRun:
		if q.Where != (Where{WorkspaceID: q.Where.WorkspaceID, AgentID: q.Where.AgentID, VirtualKeyID: q.Where.VirtualKeyID}) {
			wrong.Add("group_by", "runs can be restricted by workspace, agent and virtual key only")
		}
	default:
		wrong.Add("group_by", "choose agent, workspace, virtual_key, end_user, model, provider, route, outcome, label or run")
	}
	switch q.Step {
	case NoStep, ByHour, ByDay:
	default:
		wrong.Add("step", "choose hour or day")
	}
	where := q.Where
	if (where.LabelName == "") != (where.LabelValue == "") {
		wrong.Add("label_value", "give a label's name and its value together")
	}
	label := where.LabelName
	if q.GroupBy == ByLabel {
		label = q.Label
	}
	if label != "" && (q.GroupBy == ByEndUser || where.EndUser != "") || label != where.LabelName && where.LabelName != "" {
		wrong.Add("group_by", "one label or the end user at a time: sums of two together are not kept; list single calls instead")
	}
}

func (q *SpendQuery) wholeDays() bool {
	const day = 24 * time.Hour
	return q.From.Equal(q.From.Truncate(day)) && q.To.Equal(q.To.Truncate(day))
}

// source is the table of sums that answers, and the label whose rows of it do; value restricts these to one.
func (q *SpendQuery) source() (table, name string, value *string) {
	where := &q.Where
	table = "hour"
	if q.Step != ByHour && q.wholeDays() {
		table = "day"
	}
	switch {
	case q.GroupBy == ByLabel, where.LabelName != "":
		table, name = "tag_"+table, q.Label
		if where.LabelName != "" {
			name, value = where.LabelName, &where.LabelValue
		}
	case q.GroupBy == ByEndUser, where.EndUser != "":
		table = "tag_" + table
		if where.EndUser != "" {
			value = &where.EndUser
		}
	}
	return table, name, value
}

func (f *Figures) add(g *Figures, sign int) {
	one := int64(sign)
	f.Events += one * g.Events
	f.InputTokens += one * g.InputTokens
	f.CachedInputTokens += one * g.CachedInputTokens
	f.CacheWriteTokens += one * g.CacheWriteTokens
	f.OutputTokens += one * g.OutputTokens
	f.ReasoningTokens += one * g.ReasoningTokens
	f.EstimatedEvents += one * g.EstimatedEvents
	plus := money.Amount.Add
	if sign < 0 {
		plus = money.Amount.Sub
	}
	f.Cost, f.Waste, f.Saved = plus(f.Cost, g.Cost), plus(f.Waste, g.Waste), plus(f.Saved, g.Saved)
	f.Doubt, f.Estimated = plus(f.Doubt, g.Doubt), plus(f.Estimated, g.Estimated)
}

// count adds the sums of one outcome.
func (s *Spend) count(outcome string, figures Figures) {
	s.Total.add(&figures, 1)
	into := &s.Wasted.Other
	switch outcome {
	case "refused":
		s.Total.Refused += figures.Events
		into = &s.Wasted.Refused
	case "upstream_failed":
		s.Total.Failed += figures.Events
		into = &s.Wasted.Failed
	case "client_closed":
		s.Total.Failed += figures.Events
		into = &s.Wasted.Left
	case "indeterminate":
		s.Total.Indeterminate += figures.Events
		into = &s.Wasted.Doubt
	}
	*into = into.Add(figures.Waste)
}

// Run is one piece of agent work that its caller named.
type Run struct {
	RunID          string           `json:"run_id"`
	WorkspaceID    ident.Workspace  `json:"workspace_id"` // these are those of its first call
	WorkspaceName  string           `json:"workspace_name"`
	AgentID        ident.Agent      `json:"agent_id"`
	AgentName      string           `json:"agent_name"`
	VirtualKeyID   ident.VirtualKey `json:"virtual_key_id"`
	VirtualKeyName string           `json:"virtual_key_name"`
	FirstAt        time.Time        `json:"first_at"`
	LastAt         time.Time        `json:"last_at"`
	Steps          int64            `json:"steps"` // requests, whatever the number of their attempts
	Totals
}

// RunDetail is a run with its calls, in the order in which they began.
type RunDetail struct {
	Run
	Calls []Event `json:"calls"` // at most 500, the newest
}
