package api

import (
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/usage"
)

// whereParameters are those that restrict sums, and more.
func whereParameters(more ...parameter) []parameter {
	return append(rangeParameters(
		parameter{"workspace_id", "of this workspace"}, parameter{"agent_id", "of this agent"}, parameter{"virtual_key_id", "with this key"},
		parameter{"provider_id", "at this provider"}, parameter{"route_id", "by this route"}, parameter{"model", "with this model as asked"},
		parameter{"outcome", "ok, refused, upstream_failed, client_closed or indeterminate"}, parameter{"code", "with this machine code"},
		parameter{"end_user", "of this end user"}, parameter{"label_name", "with this label"}, parameter{"label_value", "and this value of it"},
	), more...)
}

func spendTable(s Services) []endpoint {
	groupBy := parameter{"group_by", "agent (default), workspace, virtual_key, end_user, model, provider, route, outcome, label or run"}
	label := parameter{"label", "for group_by=label: whose values are the groups"}
	return []endpoint{
		{
			method: http.MethodGet, path: "/usage/spend", permission: authz.UsageRead, status: http.StatusOK, answer: typeOf[usage.Spend](),
			summary: "What was spent in a range of whole hours, and on what: the total with its waste, the dearest groups, and their sums by hour or day",
			parameters: whereParameters(groupBy, label, parameter{"step", "hour or day (UTC, whole days): also cells; default: none"},
				parameter{"limit", "at most so many groups, 1 to 1000, default 100"}),
			serve: func(c *call) (any, error) {
				query, err := spendQueryOf(c)
				if err != nil {
					return nil, err
				}
				found, err := s.Usage.Spend(c.ctx, c.actor, query)
				found.Groups, found.Cells = append([]usage.Share{}, found.Groups...), append([]usage.Cell{}, found.Cells...)
				return found, err
			},
		},
		{
			method: http.MethodGet, path: "/usage/export", permission: authz.UsageRead, status: http.StatusOK,
			summary:    "The sums of every group by day or hour as comma-separated values, amounts in USD",
			parameters: whereParameters(groupBy, label, parameter{"step", "day (UTC, the default for whole days) or hour"}),
			serve: func(c *call) (any, error) {
				query, err := spendQueryOf(c)
				if err != nil {
					return nil, err
				}
				return stream{name: "usage.csv", kind: "text/csv; charset=utf-8", write: func(out io.Writer) error {
					return s.Usage.WriteCSV(c.ctx, c.actor, query, out)
				}}, nil
			},
		},
		{
			method: http.MethodGet, path: "/usage/labels", permission: authz.UsageRead, status: http.StatusOK, answer: typeOf[items[string]](),
			summary: "The names of the labels that calls of a range had", parameters: rangeParameters(),
			serve: func(c *call) (any, error) {
				from, to, err := rangeOf(c)
				if err != nil {
					return nil, err
				}
				all, err := s.Usage.Labels(c.ctx, c.actor, from, to)
				return items[string]{append([]string{}, all...)}, err
			},
		},
		{
			method: http.MethodGet, path: "/usage/runs", permission: authz.UsageRead, status: http.StatusOK, answer: typeOf[items[usage.Run]](),
			summary: "Runs that began in a range, the dearest first",
			parameters: rangeParameters(parameter{"workspace_id", "of this workspace"}, parameter{"agent_id", "of this agent"},
				parameter{"virtual_key_id", "with this key"}, parameter{"limit", "at most so many, 1 to 1000, default 100"}),
			serve: func(c *call) (any, error) {
				query, err := spendQueryOf(c)
				if err != nil {
					return nil, err
				}
				all, err := s.Usage.Runs(c.ctx, c.actor, query)
				return items[usage.Run]{append([]usage.Run{}, all...)}, err
			},
		},
		{
			method: http.MethodGet, path: "/usage/runs/:id", permission: authz.UsageRead, status: http.StatusOK, answer: typeOf[usage.RunDetail](),
			summary: "One run with its calls in order, as far as single calls are still kept",
			serve: func(c *call) (any, error) {
				found, err := s.Usage.Run(c.ctx, c.actor, c.param("id"))
				found.Calls = append([]usage.Event{}, found.Calls...)
				return found, err
			},
		},
	}
}

func spendQueryOf(c *call) (usage.SpendQuery, error) {
	var wrong fault.Fields
	query := usage.SpendQuery{GroupBy: usage.ByAgent, Label: c.query("label"), Step: usage.Step(c.query("step")), Where: usage.Where{
		WorkspaceID: queryID[ident.Workspace](c, "workspace_id", &wrong), AgentID: queryID[ident.Agent](c, "agent_id", &wrong),
		VirtualKeyID: queryID[ident.VirtualKey](c, "virtual_key_id", &wrong), ProviderID: queryID[ident.Provider](c, "provider_id", &wrong),
		RouteID: queryID[ident.Route](c, "route_id", &wrong), Model: c.query("model"), Outcome: c.query("outcome"), Code: c.query("code"),
		EndUser: c.query("end_user"), LabelName: c.query("label_name"), LabelValue: c.query("label_value"),
	}}
	if group := c.query("group_by"); group != "" {
		query.GroupBy = usage.Group(group)
	}
	if c.query("limit") != "" {
		query.Limit = limitOf(c, &wrong)
	}
	var err error
	if query.From, query.To, err = rangeOf(c); err != nil {
		return query, err
	}
	return query, wrong.Err()
}

// stream is an answer that is written while it is read.
type stream struct {
	name, kind string
	write      func(io.Writer) error
}

// send writes the head with the first byte, so that what fails before it is a problem like any other. What fails later cuts the connection:
// a file that is not whole does not end properly.
func (a *API) send(c echo.Context, out stream) error {
	to := c.Response()
	first := &starting{Writer: to, start: func() {
		to.Header().Set(echo.HeaderContentType, out.kind)
		to.Header().Set(echo.HeaderContentDisposition, `attachment; filename="`+out.name+`"`)
		to.WriteHeader(http.StatusOK)
	}}
	err := out.write(first)
	switch {
	case err == nil:
		return nil
	case first.start != nil:
		return a.problem(c, err)
	default:
		a.logger.ErrorContext(c.Request().Context(), "a file is cut short", "file", out.name, "error", err)
		panic(http.ErrAbortHandler) // the one panic that net/http asks for: over HTTP/1 and 2 alike it ends an answer without its proper end
	}
}

// starting calls start before the first write.
type starting struct {
	io.Writer
	start func()
}

// Write implements io.Writer.
func (s *starting) Write(p []byte) (int, error) {
	if s.start != nil {
		s.start()
		s.start = nil
	}
	return s.Writer.Write(p)
}
