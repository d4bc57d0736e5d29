package console

import (
	"cmp"
	"context"
	"maps"
	"net/url"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/spendui"
)

// grouping is one way to group spend.
type grouping struct {
	value  string // in the address and for the noun
	label  string
	word   string // "agent"
	filter string // the parameter that restricts to one of them; empty: there is none
}

func groupings() []grouping {
	return []grouping{
		{"agent", "Agent", "agent", "agent_id"},
		{"workspace", "Workspace", "workspace", "workspace_id"},
		{"virtual_key", "Key", "virtual key", "virtual_key_id"},
		{"end_user", "End user", "end user", "end_user"},
		{"model", "Model", "model", "model"},
		{"provider", "Provider", "provider", "provider_id"},
		{"route", "Route", "route", "route_id"},
		{"run", "Run", "run", ""},
	}
}

// groupOf reads the grouping from the address: one of the list, or the values of a label.
func groupOf(v *visit) grouping {
	if label := v.QueryParam("label"); v.QueryParam("group") == "label" && label != "" {
		return grouping{value: "label", label: label, word: "“" + label + "”", filter: "label_value"}
	}
	for _, one := range groupings() {
		if one.value == v.QueryParam("group") {
			return one
		}
	}
	return groupings()[0]
}

// whereOf reads what spend is restricted by. What cannot be read restricts nothing.
func whereOf(v *visit) usage.Where {
	where := usage.Where{
		Model: v.QueryParam("model"), Outcome: v.QueryParam("outcome"), Code: v.QueryParam("code"), EndUser: v.QueryParam("end_user"),
		LabelName: v.QueryParam("label_name"), LabelValue: v.QueryParam("label_value"),
	}
	where.WorkspaceID, _ = ident.Parse[ident.Workspace](v.QueryParam("workspace_id"))
	where.AgentID, _ = ident.Parse[ident.Agent](v.QueryParam("agent_id"))
	where.VirtualKeyID, _ = ident.Parse[ident.VirtualKey](v.QueryParam("virtual_key_id"))
	where.ProviderID, _ = ident.Parse[ident.Provider](v.QueryParam("provider_id"))
	where.RouteID, _ = ident.Parse[ident.Route](v.QueryParam("route_id"))
	return where
}

// filters are the parameters that restrict spend, with their names.
func filters() [][2]string {
	return [][2]string{
		{"workspace_id", "Workspace"},
		{"agent_id", "Agent"},
		{"virtual_key_id", "Key"},
		{"end_user", "End user"},
		{"model", "Model"},
		{"provider_id", "Provider"},
		{"route_id", "Route"},
		{"outcome", "Outcome"},
		{"code", "Code"},
	}
}

// chips are the restrictions in force, each with the address without it.
func (c *Console) chips(v *visit) ([]spendui.Chip, error) {
	var all []spendui.Chip
	for _, one := range filters() {
		value := v.QueryParam(one[0])
		if value == "" {
			continue
		}
		name, err := c.called(v, one[0], value)
		if err != nil {
			return nil, err
		}
		all = append(all, spendui.Chip{Name: one[1], Value: name, Without: "/spend?" + changed(v, one[0], "").Encode()})
	}
	if name, value := v.QueryParam("label_name"), v.QueryParam("label_value"); name != "" && value != "" {
		query := changed(v, "label_name", "")
		query.Del("label_value")
		all = append(all, spendui.Chip{Name: name, Value: value, Without: "/spend?" + query.Encode()})
	}
	return all, nil
}

// changed is the address's query with one parameter set, or taken off.
func changed(v *visit, name, value string) url.Values {
	query := maps.Clone(v.QueryParams()) // the request's own stays as it was asked
	query.Del("before")
	if value == "" {
		query.Del(name)
	} else {
		query.Set(name, value)
	}
	return query
}

// called returns the name of what a parameter's id means; other values are names themselves.
func (c *Console) called(v *visit, parameter, value string) (string, error) {
	ctx := v.Request().Context()
	switch parameter {
	case "agent_id":
		all, err := c.Agents.List(ctx, v.actor)
		for _, one := range all {
			if one.ID.String() == value {
				return one.Name, err
			}
		}
		return value, err
	case "workspace_id":
		all, err := c.Workspaces.List(ctx, v.actor)
		for _, one := range all {
			if one.ID.String() == value {
				return one.Name, err
			}
		}
		return value, err
	case "virtual_key_id":
		all, err := c.VirtualKeys.List(ctx, v.actor)
		for _, one := range all {
			if one.ID.String() == value {
				return one.Name, err
			}
		}
		return value, err
	case "provider_id":
		all, err := c.Providers.List(ctx, v.actor)
		for _, one := range all {
			if one.ID.String() == value {
				return one.Name, err
			}
		}
		return value, err
	case "route_id":
		all, err := c.Routes.List(ctx, v.actor)
		for _, one := range all {
			if one.ID.String() == value {
				return one.Name, err
			}
		}
		return value, err
	}
	return value, nil
}

// drill is where a group's name leads: the same page restricted to it, or the run. A group without an id leads nowhere.
func drill(v *visit, by grouping, id string) string {
	switch {
	case id == "":
		return ""
	case by.value == "run":
		return "/runs/" + url.PathEscape(id)
	}
	query := changed(v, by.filter, id)
	if by.value == "label" {
		query.Set("label_name", by.label)
		query.Del("label")
	}
	next := map[string]string{"workspace": "agent", "agent": "model", "virtual_key": "model", "end_user": "model", "label": "agent"}
	query.Set("group", cmp.Or(next[by.value], "agent"))
	return "/spend?" + query.Encode()
}

// callsOf is where single calls of the range are listed, with the same restrictions.
func callsOf(v *visit, s span) string {
	query, _ := url.ParseQuery(rangeQuery(s.from, s.to)) // it was encoded a moment ago
	for _, name := range []string{"workspace_id", "agent_id", "virtual_key_id", "end_user", "model", "provider_id", "route_id", "outcome", "code", "label_name", "label_value"} {
		if value := v.QueryParam(name); value != "" {
			query.Set(name, value)
		}
	}
	return "/usage?" + query.Encode()
}

// labelsOf are the labels that can be grouped by.
func (c *Console) labelsOf(ctx context.Context, actor authz.Actor, v *visit, s span) ([]spendui.Choice, error) {
	const most = 8
	names, err := c.Usage.Labels(ctx, actor, s.from, s.to)
	if err != nil {
		return nil, err
	}
	var all []spendui.Choice
	for _, name := range names[:min(len(names), most)] {
		query := changed(v, "group", "label")
		query.Set("label", name)
		all = append(all, spendui.Choice{Label: name, Href: "/spend?" + query.Encode(), Current: v.QueryParam("group") == "label" && v.QueryParam("label") == name})
	}
	return all, nil
}
