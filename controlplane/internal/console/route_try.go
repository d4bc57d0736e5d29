package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

const minuteLayout = "2006-01-02T15:04"

// tryRoute shows what an edge would do with a call that the query describes.
func (c *Console) tryRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	keys, err := c.VirtualKeys.List(ctx, v.actor)
	if err != nil {
		return err
	}
	in, unread := tryRequest(v, found.TimeZone)
	result, err := c.DryRuns.Run(ctx, v.actor, id, in)
	wrong, status := mends{}, http.StatusOK
	if err == nil {
		err = unread.Err()
	}
	if err != nil {
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	page := routeui.Try{Title: found.Name, Links: routeLinks(id, "/try"), Action: v.Request().URL.Path, Message: wrong.rest("prompt_chars", "max_output_tokens", "budget_left_percent", "at", "labels"), Fields: tryFields(v, found.TimeZone, wrong)}
	page.Stream = component.Field{Name: "stream", Label: "Streamed", Value: "on", Checked: in.Stream}
	page.Tools = component.Field{Name: "tools", Label: "Brings tools", Value: "on", Checked: in.Tools}
	page.Key = component.Field{Name: "key", Label: "Virtual key", Value: v.QueryParam("key"), Optional: true, Options: []component.Option{{Label: "none"}}}
	for _, one := range keys {
		if one.RevokedAt == nil {
			page.Key.Options = append(page.Key.Options, component.Option{Value: one.ID.String(), Label: one.Name + " (" + one.WorkspaceName + ")"})
		}
	}
	if status == http.StatusOK {
		page.Result = tried(result)
	}
	return c.draw(v, view{Title: found.Name, Active: "/routes", Crumbs: under("Routes", "/routes"), Status: status, Content: routeui.TryPage(page)})
}

// tryRequest reads the query. What cannot be read is said in wrong.
func tryRequest(v *visit, zoneName string) (in dryrun.Request, wrong fault.Fields) {
	number := func(name string, otherwise int64) int64 {
		text := strings.TrimSpace(v.QueryParam(name))
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			wrong.Add(name, "enter a whole number")
		}
		return n
	}
	in = dryrun.Request{
		Model: v.QueryParam("model"), EndUser: v.QueryParam("end_user"), Run: v.QueryParam("run"), Dialect: v.QueryParam("dialect"), Labels: map[string]string{},
		PromptChars: number("prompt_chars", 0), MaxOutputTokens: number("max_output_tokens", 0), Draw: number("draw", 0),
		Stream: v.QueryParam("stream") != "", Tools: v.QueryParam("tools") != "",
	}
	in.VirtualKeyID, _ = ident.Parse[ident.VirtualKey](v.QueryParam("key")) // none is chosen
	left := number("budget_left_percent", 100)
	in.BudgetLeftPercent = &left
	for _, label := range strings.FieldsFunc(v.QueryParam("labels"), func(r rune) bool { return r == ',' || r == '\n' }) {
		name, value, found := strings.Cut(strings.TrimSpace(label), "=")
		if !found {
			wrong.Add("labels", "write name=value, with commas between")
		}
		in.Labels[name] = value
	}
	if text := v.QueryParam("at"); text != "" {
		zone, err := time.LoadLocation(zoneName)
		if err != nil {
			zone = time.UTC
		}
		at, err := time.ParseInLocation(minuteLayout, text, zone)
		if err != nil {
			wrong.Add("at", "enter a date and a time, such as 2026-11-30T22:15")
		}
		in.At = &at
	}
	return in, wrong
}

func tryFields(v *visit, zone string, wrong mends) []component.Field {
	if zone == "" {
		zone = "UTC"
	}
	number := func(name, label, help string) component.Field {
		return component.Field{Name: name, Label: label, Value: v.QueryParam(name), Optional: true, InputMode: "numeric", Help: help, Error: wrong.of(name)}
	}
	text := func(name, label, help string) component.Field {
		return component.Field{Name: name, Label: label, Value: v.QueryParam(name), Optional: true, Help: help, Mono: true, Error: wrong.of(name)}
	}
	return []component.Field{
		number("prompt_chars", "Characters of the prompt", "All that the model reads."), number("max_output_tokens", "Limit of output", "Tokens, as the caller names them."),
		text("labels", "Labels", "tier=gold, team=web"), text("end_user", "End user", ""), text("run", "Run", ""),
		{Name: "at", Label: "When", Kind: "datetime-local", Value: v.QueryParam("at"), Optional: true, Help: "In " + zone + "; empty is now.", Error: wrong.of("at")},
		number("budget_left_percent", "Budget left", "Per cent; empty is all of it."), number("draw", "Chance", "Another number, another draw."),
	}
}

func tried(result dryrun.Result) *routeui.Tried {
	out := &routeui.Tried{Version: strconv.Itoa(result.Version), Refused: sentence(result.Refused), See: result.See, Notes: result.Notes}
	for _, target := range result.Targets {
		out.Targets = append(out.Targets, routeui.Place{Provider: target.Provider, Model: target.Model, Group: target.Group, Cost: "$" + target.Expected.Decimal()})
	}
	for _, step := range result.Steps {
		out.Steps = append(out.Steps, routeui.Step{Group: step.Group, Node: step.Node, When: step.When, Verdict: strings.ReplaceAll(string(step.Verdict), "_", " "), Good: step.Verdict == "held" || step.Verdict == "otherwise", Why: step.Why})
	}
	return out
}
