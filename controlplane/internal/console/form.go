package console

import (
	"net/http"
	"strconv"
	"strings"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/web/component"
)

// frameOf returns the frame of a form that answers at this request's own path.
func (v *visit) frameOf(id, submit, cancel string, wrong mends, shown ...string) component.Form {
	return component.Form{ID: id, Action: v.Request().URL.Path, CSRF: v.csrf(), Submit: submit, Cancel: cancel, Message: wrong.rest(shown...)}
}

// confirm asks, in the dialog or on a page of its own, before it does what needs a permission; what is done is said where it leads.
func (c *Console) confirm(v *visit, needs authz.Permission, active string, question component.Confirm, do func() (href, text string, err error)) error {
	if err := v.actor.Require(needs); err != nil {
		return err
	}
	if v.posted() {
		href, text, err := do()
		if err != nil {
			return err
		}
		return c.done(v, href, text)
	}
	question.Action, question.CSRF, question.Page = v.Request().URL.Path, v.csrf(), !v.htmx()
	question.ID = "confirm"
	return c.draw(v, view{Title: question.Title, Active: active, Content: component.Question(question), Fragment: component.Question(question)})
}

// linesOf splits a text area into its lines without the empty ones.
func linesOf(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// scopeOptions lists where a budget or guardrail can hold.
func (c *Console) scopeOptions(v *visit) ([]component.Option, error) {
	ctx := v.Request().Context()
	options := []component.Option{{Value: string(scope.Org), Label: "The whole organization"}}
	workspaces, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	for _, one := range workspaces {
		options = append(options, component.Option{Group: "Workspaces", Value: string(scope.Workspace) + ":" + one.ID.String(), Label: "Workspace " + one.Name})
	}
	agents, err := c.Agents.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	for _, one := range agents {
		options = append(options, component.Option{Group: "Agents", Value: string(scope.Agent) + ":" + one.ID.String(), Label: "Agent " + one.Name + " (" + one.WorkspaceName + ")"})
	}
	keys, err := c.VirtualKeys.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	for _, one := range keys {
		if one.RevokedAt == nil {
			options = append(options, component.Option{Group: "Virtual keys", Value: string(scope.VirtualKey) + ":" + one.ID.String(), Label: "Virtual key " + one.Name + " (" + one.WorkspaceName + ")"})
		}
	}
	return options, nil
}

// scopeOf reads one of the values of scopeOptions. An id that is none names nothing and is refused by the noun.
func scopeOf(value string) (scope.Kind, ident.Scope) {
	kind, text, _ := strings.Cut(value, ":")
	id, _ := ident.Parse[ident.Scope](text)
	return scope.Kind(kind), id
}

// targetOf reads a form's choice of scope: one of scopeOptions or of valueOptions, and the value that the second field gives.
func targetOf(v *visit) (scope.Kind, ident.Scope, string) {
	kind, value, _ := strings.Cut(v.FormValue("target"), ":")
	if value == scope.Each {
		return scope.Kind(kind), ident.Scope{}, scope.Each
	}
	of, id := scopeOf(v.FormValue("target"))
	return of, id, v.FormValue("scope_value")
}

func scopeValue(kind scope.Kind, id ident.Scope) string {
	if !kind.ByID() {
		return string(kind)
	}
	return string(kind) + ":" + id.String()
}

// valueOptions lists the scopes by value: those that give each value its own, and those that a second field completes.
func valueOptions() []component.Option {
	const one, each = "One by name", "Each apart, with an account of its own"
	return []component.Option{
		{Group: one, Value: string(scope.Model), Label: "One model …"},
		{Group: one, Value: string(scope.EndUser), Label: "One end user …"},
		{Group: one, Value: string(scope.Label), Label: "A label's value, or each of its values …"},
		{Group: each, Value: string(scope.EndUser) + ":" + scope.Each, Label: "Each end user"},
		{Group: each, Value: string(scope.Model) + ":" + scope.Each, Label: "Each model"},
		{Group: each, Value: string(scope.Run) + ":" + scope.Each, Label: "Each run"},
	}
}

func scopeText(kind scope.Kind, name, value string) string {
	switch {
	case kind == scope.Org:
		return "whole organization"
	case kind.ByID():
		return kind.Words() + " " + name
	case value == scope.Each:
		return "each " + kind.Words()
	case scope.EachValue(kind, value):
		return "each value of label " + strings.TrimSuffix(value, "="+scope.Each)
	default:
		return kind.Words() + " " + value
	}
}

// grouped writes a number with thousands separators.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	digits := strings.TrimPrefix(text, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n < 0 {
		return "-" + digits
	}
	return digits
}

// perCent writes thousandths as whole percents; what is more than nothing is never "0%".
func perCent(perMille int) string {
	if perMille > 0 && perMille < 10 {
		return "<1%"
	}
	return strconv.Itoa(perMille/10) + "%"
}

// shareOf writes which part of a whole something is, to the nearest percent; what is more than nothing is never "0%".
func shareOf(part, whole money.Amount) string {
	perMille := part.PerMille(whole)
	if part.Sign() > 0 && perMille < 10 {
		return "<1%"
	}
	return strconv.Itoa((perMille+5)/10) + "%"
}

// under names the page above a form's.
func under(label, href string) []component.Link { return []component.Link{{Label: label, Href: href}} }

// send runs keep when the form was posted. What it returns: what to mend, the status of the form as it will be drawn, and
// whether the answer is already given.
func (c *Console) send(v *visit, keep func() (href, text string, err error)) (wrong mends, status int, given bool, err error) {
	if !v.posted() {
		return mends{}, http.StatusOK, false, nil
	}
	href, text, err := keep()
	if err == nil {
		return mends{}, 0, true, c.done(v, href, text)
	}
	wrong, ok := refused(err)
	if !ok {
		return mends{}, 0, true, err
	}
	return wrong, http.StatusUnprocessableEntity, false, nil
}
