package console

import (
	"net/url"
	"strconv"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/component"
)

// usageFilter reads the filters of the address. What cannot be read filters nothing.
func usageFilter(v *visit) usage.Filter {
	filter := usage.Filter{Limit: callsPage, Before: v.QueryParam("before"), Model: v.QueryParam("model"), Outcome: v.QueryParam("outcome"), Code: v.QueryParam("code")}
	filter.AgentID, _ = ident.Parse[ident.Agent](v.QueryParam("agent_id"))
	filter.WorkspaceID, _ = ident.Parse[ident.Workspace](v.QueryParam("workspace_id"))
	filter.VirtualKeyID, _ = ident.Parse[ident.VirtualKey](v.QueryParam("virtual_key_id"))
	filter.ProviderID, _ = ident.Parse[ident.Provider](v.QueryParam("provider_id"))
	filter.RouteID, _ = ident.Parse[ident.Route](v.QueryParam("route_id"))
	if version, err := strconv.ParseInt(v.QueryParam("route_version"), 10, 32); err == nil && !filter.RouteID.IsZero() {
		filter.RouteVersion = int32(max(version, 0))
	}
	if !filter.RouteID.IsZero() {
		filter.RoutePath = v.QueryParam("route_path")
	}
	filter.RunID, filter.EndUser = v.QueryParam("run_id"), v.QueryParam("end_user")
	filter.LabelName, filter.LabelValue = v.QueryParam("label_name"), v.QueryParam("label_value")
	filter.From, _ = time.Parse(time.RFC3339, v.QueryParam("from"))
	filter.To, _ = time.Parse(time.RFC3339, v.QueryParam("to"))
	return filter
}

// usageQuery is the address's query of what a filter leaves behind a page. usageFilter reads it.
func usageQuery(f usage.Filter, before string) url.Values {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, id := range map[string]interface {
		IsZero() bool
		String() string
	}{"workspace_id": f.WorkspaceID, "agent_id": f.AgentID, "virtual_key_id": f.VirtualKeyID} {
		if !id.IsZero() {
			query.Set(name, id.String())
		}
	}
	set("before", before)
	set("outcome", f.Outcome)
	set("model", f.Model)
	set("end_user", f.EndUser)
	set("label_name", f.LabelName)
	set("label_value", f.LabelValue)
	if !f.From.IsZero() {
		query.Set("from", f.From.Format(time.RFC3339))
	}
	return query
}

// keptFilters are those that the form has no field for.
func keptFilters(f usage.Filter) (kept []component.Option) {
	keep := func(name, value string) {
		if value != "" {
			kept = append(kept, component.Option{Label: name, Value: value})
		}
	}
	if !f.RouteID.IsZero() {
		keep("route_id", f.RouteID.String())
		keep("route_version", number(int64(f.RouteVersion)))
		keep("route_path", f.RoutePath)
	}
	keep("run_id", f.RunID)
	keep("end_user", f.EndUser)
	keep("label_name", f.LabelName)
	keep("label_value", f.LabelValue)
	keep("model", f.Model)
	return kept
}

// onlyOf says what the filters without a field let through.
func (c *Console) onlyOf(v *visit, f usage.Filter) (only []string, err error) {
	if !f.RouteID.IsZero() {
		found, err := c.Routes.Get(v.Request().Context(), v.actor, f.RouteID)
		if err != nil {
			return nil, err
		}
		only = append(only, "route "+found.Name)
		if f.RouteVersion > 0 {
			only = append(only, "version "+number(int64(f.RouteVersion))+" of it")
		}
		if f.RoutePath != "" {
			only = append(only, "through its groups "+f.RoutePath)
		}
	}
	for _, each := range [][2]string{{"run", f.RunID}, {"end user", f.EndUser}, {"label " + f.LabelName, f.LabelValue}, {"model", f.Model}} {
		if each[1] != "" {
			only = append(only, each[0]+" "+each[1])
		}
	}
	return only, nil
}

func filtered(f usage.Filter) bool {
	return f.Model != "" || f.Outcome != "" || f.Code != "" || !f.AgentID.IsZero() || !f.WorkspaceID.IsZero() || !f.VirtualKeyID.IsZero() || !f.ProviderID.IsZero() || !f.RouteID.IsZero() || f.RunID != "" || f.EndUser != "" || f.LabelName != "" || !f.From.IsZero()
}

// usageFields are the filters above the list, each with what can be chosen.
func (c *Console) usageFields(v *visit) ([]component.Field, error) {
	ctx := v.Request().Context()
	field := func(name, label, every string) component.Field {
		return component.Field{Name: name, Label: label, Value: v.QueryParam(name), Options: []component.Option{{Label: every}}}
	}
	outcome, agent, key, provider := field("outcome", "Outcome", "Every outcome"), field("agent_id", "Agent", "Every agent"), field("virtual_key_id", "Virtual key", "Every key"), field("provider_id", "Provider", "Every provider")
	for _, one := range usage.Outcomes() {
		outcome.Options = append(outcome.Options, component.Option{Value: one, Label: outcomeBadge(one).Text})
	}
	agents, err := c.Agents.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	for _, one := range agents {
		agent.Options = append(agent.Options, component.Option{Value: one.ID.String(), Label: one.Name})
	}
	keys, err := c.VirtualKeys.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	for _, one := range keys {
		key.Options = append(key.Options, component.Option{Value: one.ID.String(), Label: one.Name})
	}
	providers, err := c.Providers.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	for _, one := range providers {
		provider.Options = append(provider.Options, component.Option{Value: one.ID.String(), Label: one.Name})
	}
	return []component.Field{outcome, agent, key, provider}, nil
}
