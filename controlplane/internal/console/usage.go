package console

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/component"
	"tollgate.dev/web/usageui"
)

// usages knows what was called and what it cost.
type usages interface {
	Spend(ctx context.Context, actor authz.Actor, query usage.SpendQuery) (usage.Spend, error)
	Labels(ctx context.Context, actor authz.Actor, from, to time.Time) ([]string, error)
	Run(ctx context.Context, actor authz.Actor, id string) (usage.RunDetail, error)
	Kept(ctx context.Context, actor authz.Actor) (since time.Time, err error)
	Events(ctx context.Context, actor authz.Actor, filter usage.Filter) (usage.Page, error)
	Event(ctx context.Context, actor authz.Actor, id ident.Event) (usage.Detail, error)
	Refusals(ctx context.Context, actor authz.Actor, from, to time.Time) ([]usage.Refusal, error)
	CostByPlace(ctx context.Context, org ident.Org, places []scope.Place, from, to time.Time) (map[scope.Place]map[time.Time]money.Amount, error)
	Changes(ctx context.Context, org ident.Org) <-chan struct{}
}

const (
	callsPage  = 50
	usageEvery = 5 * time.Second // in case a change was not announced
)

func (c *Console) usage(v *visit) error {
	filter := usageFilter(v)
	list, next, err := c.callList(v, filter)
	if err != nil {
		return err
	}
	page := usageui.Page{List: list, Kept: keptFilters(filter)}
	if page.Only, err = c.onlyOf(v, filter); err != nil {
		return err
	}
	if page.Filters, err = c.usageFields(v); err != nil {
		return err
	}
	query := maps.Clone(v.QueryParams())
	query.Del("before")
	if list.Filters {
		page.Clear = "/usage"
	}
	if filter.Before == "" {
		page.Live = "/usage/live?" + query.Encode()
	} else {
		page.Pager.First = "/usage?" + query.Encode()
	}
	if next != "" {
		query.Set("before", next)
		page.Pager.Older = "/usage?" + query.Encode()
	}
	return c.draw(v, view{Title: "Usage", Active: "/usage", Live: true, Content: usageui.ListPage(page)})
}

func (c *Console) usageLive(v *visit) error {
	filter := usageFilter(v)
	filter.Before = ""
	ctx := v.Request().Context()
	return c.stream(v, c.Usage.Changes(ctx, v.actor.Org), usageEvery, func() ([]part, error) {
		list, _, err := c.callList(v, filter)
		if err != nil {
			return nil, err
		}
		return []part{{"calls", usageui.Rows(list)}}, nil
	})
}

func (c *Console) callList(v *visit, filter usage.Filter) (usageui.List, string, error) {
	page, err := c.Usage.Events(v.Request().Context(), v.actor, filter)
	if err != nil {
		return usageui.List{}, "", err
	}
	list := usageui.List{Filters: filtered(filter)}
	for _, one := range page.Items {
		list.Rows = append(list.Rows, callRow(one))
	}
	return list, page.Next, nil
}

func callRow(one usage.Event) usageui.Row {
	row := usageui.Row{
		ID: one.ID.String(), Href: "/usage/" + one.ID.String(), At: component.At(one.StartedAt, "moment"), Agent: orDash(one.AgentName), Key: one.VirtualKeyName,
		Model: one.Model, Outcome: outcomeBadge(one.Outcome), Why: one.Code, Tokens: "–", Cost: one.Cost.USD(), Duration: took(time.Duration(one.DurationUS) * time.Microsecond),
	}
	if one.Rule != "" {
		row.Why += " · " + one.Rule
	}
	if one.Outcome == "upstream_failed" && one.HTTPStatus >= http.StatusBadRequest {
		row.Why += " · " + strconv.Itoa(one.HTTPStatus)
	}
	switch of := labelOf(one.Labels, route.CacheLabel); {
	case one.SimilarityPPM > 0:
		row.Why += " · " + similarity(one.SimilarityPPM)
	case row.Why == "" && of != "":
		row.Why = "for the cache of " + of
	case row.Why == "" && labelOf(one.Labels, route.MirrorLabel) != "":
		row.Why = "mirror of " + labelOf(one.Labels, route.MirrorLabel)
	}
	if one.ProviderName != "" {
		row.Answered = one.ProviderName + " / " + one.ProviderModel
	}
	if read, wrote := one.InputTokens+one.CachedInputTokens+one.CacheWriteTokens, one.OutputTokens; read+wrote > 0 {
		row.Tokens = grouped(read) + " → " + grouped(wrote)
	}
	return row
}

func outcomeBadge(outcome string) component.Badge {
	switch outcome {
	case "ok":
		return component.Badge{Text: "ok", Tone: component.OK}
	case "refused":
		return component.Badge{Text: "refused", Tone: component.Warn}
	case "upstream_failed":
		return component.Badge{Text: "failed", Tone: component.Bad}
	case "client_closed":
		return component.Badge{Text: "caller left", Tone: component.Plain}
	default:
		return component.Badge{Text: outcome, Tone: component.Bad}
	}
}

func orDash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}

func (c *Console) call(v *visit) error {
	ctx := v.Request().Context()
	found, err := c.Usage.Event(ctx, v.actor, idOf[ident.Event](v, "id"))
	if err != nil {
		return err
	}
	edges, err := c.Edges.List(ctx, v.actor)
	if err != nil {
		return err
	}
	detail := callDetail(found, edgeName(edges, found.EdgeID))
	for _, one := range found.Attempts {
		detail.Attempts = append(detail.Attempts, callRow(one))
	}
	return c.draw(v, view{Title: "Call", Active: "/usage", Crumbs: under("Usage", "/usage"), Content: usageui.DetailPage(detail)})
}

// edgeName returns what an edge is called; one that is not known any more has no name.
func edgeName(edges []edge.Edge, id ident.Edge) string {
	for _, one := range edges {
		if one.ID == id {
			return one.Name
		}
	}
	return ""
}

func callDetail(one usage.Detail, edgeName string) usageui.Detail {
	d := usageui.Detail{
		Row: callRow(one.Event), Message: outcomeText(one.Event), Estimated: one.Estimated, Doubt: one.Outcome == "indeterminate", Waste: one.Waste,
		Total: one.Cost.USD(), Lines: billLines(one),
	}
	if one.Bound.Sign() > 0 {
		d.Reserved = one.Bound.USD()
	}
	d.Caller = facts("Agent", one.AgentName, "Virtual key", one.VirtualKeyName, "Workspace", one.WorkspaceName, "End user", one.EndUser, "~Run", one.RunID, "Run known by", runSourceText(one.RunSource), "~Request", one.RequestID.String(), "~Call", one.ID.String())
	link(d.Caller, "Run", runHref(one.Event))
	d.Answer = facts("Dialect", one.Dialect, "~Model asked", one.Model, "Route’s version", number(int64(one.RouteVersion)), "~Route’s groups", one.RoutePath, "Provider", one.ProviderName, "~Model called", one.ProviderModel, "Status", number(int64(one.HTTPStatus)), "~Code", one.Code, "Rule", one.Rule,
		"Similarity", similarity(one.SimilarityPPM), "Attempt", number(int64(one.Attempt)), "Streamed", yes(one.Streamed), "Edge", edgeName, "~Edge id", one.EdgeID.String(), "Generation", grouped(int64(one.Generation)))
	if !one.RouteID.IsZero() {
		link(d.Answer, "Route’s version", "/usage?"+url.Values{"route_id": {one.RouteID.String()}, "route_version": {number(int64(one.RouteVersion))}}.Encode())
		link(d.Answer, "Route’s groups", "/usage?"+url.Values{"route_id": {one.RouteID.String()}, "route_path": {one.RoutePath}}.Encode())
	}
	d.Timing = append([]usageui.Fact{{Name: "Began", At: component.At(one.StartedAt, "moment")}}, facts("First byte", tookOrNothing(one.FirstByteUS), "Took", tookOrNothing(one.DurationUS))...)
	d.Timing = append(d.Timing, usageui.Fact{Name: "Arrived here", At: component.At(one.RecordedAt, "moment")})
	d.Labels = labelFacts(one.Labels)
	d.Priced, d.Ceiling = priceFacts(one), one.Price != nil && one.Price.Kind == "ceiling"
	if fix := one.Correction; fix != nil {
		d.Corrected = "Corrected from " + fix.Charged.USD() + " to " + one.Cost.USD() + " by a re-price job of " + fix.By + ". Reason: " + fix.Reason
	}
	return d
}

// labelFacts lists a call's labels by name; what are no labels are none.
func labelFacts(raw json.RawMessage) []usageui.Fact {
	labels := map[string]string{}
	if len(raw) > 0 && json.Unmarshal(raw, &labels) != nil {
		return nil
	}
	var list []usageui.Fact
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, usageui.Fact{Name: name, Text: labels[name], Mono: true})
	}
	return list
}

// labelOf returns one label; empty: there is none of that name.
func labelOf(raw json.RawMessage, name string) string {
	labels := map[string]string{}
	if len(raw) == 0 || json.Unmarshal(raw, &labels) != nil {
		return ""
	}
	return labels[name]
}

// similarity writes a cosine; empty: there is none.
func similarity(ppm int32) string {
	if ppm == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(ppm)/1e6, 'f', 3, 64)
}

// facts pairs names with texts; empty texts are left out, a name that begins with ~ is of a text for machines.
func facts(pairs ...string) []usageui.Fact {
	var list []usageui.Fact
	for i := 0; i+1 < len(pairs); i += 2 {
		name, text := pairs[i], pairs[i+1]
		if text == "" {
			continue
		}
		mono := name[0] == '~'
		if mono {
			name = name[1:]
		}
		list = append(list, usageui.Fact{Name: name, Text: text, Mono: mono})
	}
	return list
}

// link makes a link of a fact, if it is there.
func link(list []usageui.Fact, name, href string) {
	for i := range list {
		if list[i].Name == name {
			list[i].Href = href
		}
	}
}

// runHref is where a call's run is shown; a call that is a run of its own has no page.
func runHref(one usage.Event) string {
	if one.RunID == "" || one.RunID == one.RequestID.String() {
		return ""
	}
	return "/runs/" + url.PathEscape(one.RunID)
}

// runSourceText says how a run was known.
func runSourceText(source string) string {
	switch source {
	case "trace":
		return "the caller’s trace"
	case "header":
		return "the caller’s X-Tollgate-Run-Id"
	case "session":
		return "the caller’s session or conversation"
	case "tool":
		return "its first call of a tool"
	case "call":
		return "nothing: the call is a run of its own"
	default:
		return ""
	}
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func tookOrNothing(microseconds int64) string {
	if microseconds == 0 {
		return ""
	}
	return took(time.Duration(microseconds) * time.Microsecond)
}

// outcomeText says in words what the machine codes mean.
func outcomeText(one usage.Event) string {
	rule := ""
	if one.Rule != "" {
		rule = " “" + one.Rule + "”"
	}
	switch {
	case one.Code == "cache_hit_similar":
		return "The kept answer to a similar question served the call: " + similarity(one.SimilarityPPM) + " of 1 alike. It had cost " + one.Saved.USD() + "; what comparing cost stands among the attempts of this request."
	case one.Code == "cache_hit":
		return "A kept answer served the call. No provider was asked; the answer had cost " + one.Saved.USD() + "."
	case one.Code == "budget_exhausted":
		return "Refused: the budget" + rule + " had less left than this call could cost at most."
	case one.Code == "budget_unavailable":
		return "Refused: nothing of the budget" + rule + " could be leased in time. It had enough left; the edge had no answer from the control plane."
	case one.Code == "guardrail_blocked":
		return "Refused: a word of the guardrail" + rule + " was found."
	case one.Code == "key_revoked":
		return "Refused: the virtual key was revoked."
	case one.Code == "key_expired":
		return "Refused: the virtual key had expired."
	case one.Code == "rate_limited":
		return "Refused: more requests in a minute than the virtual key may make."
	case one.Code == "model_not_found", one.Code == "model_not_allowed":
		return "Refused: the key cannot call a model of this name."
	case one.Outcome == "refused":
		return "Refused by Tollgate (" + one.Code + ")" + rule + "."
	case one.Outcome == "upstream_failed":
		status := ""
		if one.HTTPStatus >= http.StatusBadRequest {
			status = ", status " + strconv.Itoa(one.HTTPStatus)
		}
		return "The provider failed (" + one.Code + status + "). The tokens are what it reported before."
	case one.Outcome == "client_closed":
		return "The caller hung up. The call is charged up to what was produced."
	case one.Code == "batch_pending":
		return "A batch was begun. What it costs is booked when it has ended and somebody asks for it; until then at most what was set aside is in doubt."
	case one.Outcome == "ok" && labelOf(one.Labels, route.CacheLabel) != "":
		return "No caller asked for this: it compares a question with those that the cache of “" + labelOf(one.Labels, route.CacheLabel) + "” has answers to."
	case one.Outcome == "indeterminate":
		return "The edge stopped while the call was under way. The cost is what was seen; at most it is what was set aside."
	default:
		return ""
	}
}

// rangeQuery writes a range for the usage page's address.
func rangeQuery(from, to time.Time) string {
	return url.Values{"from": {from.UTC().Format(time.RFC3339)}, "to": {to.UTC().Format(time.RFC3339)}}.Encode()
}
