package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/usage"
)

const usageRangeDefault = 24 * time.Hour

// rangeParameters are those of every sum over time, and more.
func rangeParameters(more ...parameter) []parameter {
	return append([]parameter{
		{"from", "not before this time, RFC 3339; default: a day before to"}, {"to", "before this time, RFC 3339; default: now"},
	}, more...)
}

func usageTable(s Services) []endpoint {
	return []endpoint{
		{
			method: http.MethodGet, path: "/usage/events", permission: authz.UsageRead, summary: "Single calls, newest first", status: http.StatusOK,
			parameters: []parameter{
				{"limit", "at most so many, 1 to 500, default 50"},
				{"before", "next of the page before"},
				{"from", "not before this time, RFC 3339"},
				{"to", "before this time, RFC 3339"},
				{"request_id", "attempts of this request"},
				{"workspace_id", "of this workspace"},
				{"agent_id", "of this agent"},
				{"virtual_key_id", "with this key"},
				{"provider_id", "at this provider"},
				{"route_id", "by this route"},
				{"route_version", "by this version of the route; route_id must be given"},
				{"route_path", "through these groups of the route, such as europe/cheap; route_id must be given"},
				{"run_id", "of this run"},
				{"end_user", "of this end user"},
				{"label_name", "with this label"},
				{"label_value", "and this value of it"},
				{"model", "with this model as asked"},
				{"outcome", "ok, refused, upstream_failed, client_closed or indeterminate"},
				{"code", "with this machine code"},
			},
			answer: typeOf[usage.Page](),
			serve: func(c *call) (any, error) {
				filter, err := filterOf(c)
				if err != nil {
					return nil, err
				}
				page, err := s.Usage.Events(c.ctx, c.actor, filter)
				page.Items = append([]usage.Event{}, page.Items...)
				return page, err
			},
		},
		getting("/usage/events/:id", authz.UsageRead, "One call with its price and all attempts of its request",
			func(ctx context.Context, actor authz.Actor, id ident.Event) (usage.Detail, error) {
				return s.Usage.Event(ctx, actor, id)
			}),
		{
			method: http.MethodGet, path: "/usage/hours", permission: authz.UsageRead, summary: "Sums by hour and group", status: http.StatusOK,
			parameters: rangeParameters(parameter{"group_by", "agent (default), model, virtual_key, workspace, provider or outcome"}),
			answer:     typeOf[items[usage.HourCost]](),
			serve: func(c *call) (any, error) {
				from, to, err := rangeOf(c)
				if err != nil {
					return nil, err
				}
				group := usage.ByAgent
				if text := c.query("group_by"); text != "" {
					group = usage.Group(text)
				}
				all, err := s.Usage.Hours(c.ctx, c.actor, usage.HoursQuery{From: from, To: to, GroupBy: group})
				return items[usage.HourCost]{append([]usage.HourCost{}, all...)}, err
			},
		},
		{
			method: http.MethodGet, path: "/usage/totals", permission: authz.UsageRead, summary: "Sums of a range of whole hours", status: http.StatusOK,
			parameters: rangeParameters(), answer: typeOf[usage.Totals](),
			serve: func(c *call) (any, error) {
				from, to, err := rangeOf(c)
				if err != nil {
					return nil, err
				}
				return s.Usage.Totals(c.ctx, c.actor, from, to)
			},
		},
		{
			method: http.MethodGet, path: "/usage/refusals", permission: authz.UsageRead, summary: "How often each code refused", status: http.StatusOK,
			parameters: rangeParameters(), answer: typeOf[items[usage.Refusal]](),
			serve: func(c *call) (any, error) {
				from, to, err := rangeOf(c)
				if err != nil {
					return nil, err
				}
				all, err := s.Usage.Refusals(c.ctx, c.actor, from, to)
				return items[usage.Refusal]{append([]usage.Refusal{}, all...)}, err
			},
		},
	}
}

// rangeOf reads from and to.
func rangeOf(c *call) (from, to time.Time, err error) {
	var wrong fault.Fields
	to = timeOf(c, "to", time.Now(), &wrong)
	from = timeOf(c, "from", to.Add(-usageRangeDefault), &wrong)
	return from, to, wrong.Err()
}

func timeOf(c *call, name string, otherwise time.Time, wrong *fault.Fields) time.Time {
	text := c.query(name)
	if text == "" {
		return otherwise
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		wrong.Add(name, "write a time such as 2026-01-31T12:00:00Z")
	}
	return parsed
}

func filterOf(c *call) (usage.Filter, error) {
	var wrong fault.Fields
	filter := usage.Filter{
		Before: c.query("before"), Model: c.query("model"), Outcome: c.query("outcome"), Code: c.query("code"),
		From: timeOf(c, "from", time.Time{}, &wrong), To: timeOf(c, "to", time.Time{}, &wrong),
		RequestID: queryID[ident.Request](c, "request_id", &wrong), WorkspaceID: queryID[ident.Workspace](c, "workspace_id", &wrong),
		AgentID: queryID[ident.Agent](c, "agent_id", &wrong), VirtualKeyID: queryID[ident.VirtualKey](c, "virtual_key_id", &wrong),
		ProviderID: queryID[ident.Provider](c, "provider_id", &wrong), RouteID: queryID[ident.Route](c, "route_id", &wrong),
		RouteVersion: versionOf(c, &wrong), RoutePath: c.query("route_path"),
		RunID: c.query("run_id"), EndUser: c.query("end_user"), LabelName: c.query("label_name"), LabelValue: c.query("label_value"),
	}
	if c.query("limit") != "" {
		filter.Limit = limitOf(c, &wrong)
	}
	return filter, wrong.Err()
}

// versionOf reads the version of a route; 0: every one.
func versionOf(c *call, wrong *fault.Fields) int32 {
	text := c.query("route_version")
	if text == "" {
		return 0
	}
	version, err := strconv.ParseInt(text, 10, 32)
	if err != nil || version < 1 {
		wrong.Add("route_version", "write a number from 1 on")
	}
	return int32(version)
}

func queryID[ID idText](c *call, name string, wrong *fault.Fields) (id ID) {
	text := c.query(name)
	if text == "" {
		return id
	}
	id, err := ident.Parse[ID](text)
	if err != nil {
		wrong.Add(name, "write an id such as 0190a1b2-0000-7000-8000-000000000000")
	}
	return id
}
