package console

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/dryrun"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

const (
	minuteLayout = "2006-01-02T15:04"
	givenPath    = "request.path"
	givenHeaders = "request.headers"
	givenBody    = "request.body"
)

// tryRoute shows what an edge would do with a call that the query describes, or that is pasted whole.
func (c *Console) tryRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	in, unread := tryRequest(v, found.TimeZone)
	err = unread.Err()
	var result dryrun.Result
	if err == nil {
		result, err = c.DryRuns.Run(ctx, v.actor, id, in)
	}
	wrong, status := mends{}, http.StatusOK
	if err != nil {
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	page, err := c.tryPage(v, found, in, wrong)
	if err != nil {
		return err
	}
	if status == http.StatusOK {
		page.Result = tried(result)
	}
	return c.draw(v, view{Title: page.Title, Active: "/routes", Crumbs: under("Routes", "/routes"), Status: status, Content: routeui.TryPage(page)})
}

// tryRequest reads what is asked. What cannot be read is said in wrong.
func tryRequest(v *visit, zoneName string) (in dryrun.Request, wrong fault.Fields) {
	number := func(name string, otherwise int64) int64 {
		text := strings.TrimSpace(v.FormValue(name))
		if text == "" {
			return otherwise
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			wrong.Add(name, "enter a whole number")
		}
		return n
	}
	in.VirtualKeyID, _ = ident.Parse[ident.VirtualKey](v.FormValue("key")) // none is chosen
	in.EdgeID, _ = ident.Parse[ident.Edge](v.FormValue("edge"))            // likewise
	in.Draw = number("draw", 0)
	left := number("budget_left_percent", 100)
	in.BudgetLeftPercent = &left
	if text := v.FormValue("at"); text != "" {
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
	if v.posted() {
		in.Request = givenRequest(v, &wrong)
		return in, wrong
	}
	in.Model, in.EndUser, in.Run, in.Dialect, in.Labels = v.FormValue("model"), v.FormValue("end_user"), v.FormValue("run"), v.FormValue("dialect"), map[string]string{}
	in.PromptChars, in.MaxOutputTokens = number("prompt_chars", 0), number("max_output_tokens", 0)
	in.Stream, in.Tools = v.FormValue("stream") != "", v.FormValue("tools") != ""
	for _, label := range strings.FieldsFunc(v.FormValue("labels"), func(r rune) bool { return r == ',' || r == '\n' }) {
		name, value, found := strings.Cut(strings.TrimSpace(label), "=")
		if !found {
			wrong.Add("labels", "write name=value, with commas between")
		}
		in.Labels[name] = value
	}
	return in, wrong
}

// givenRequest reads what is pasted.
func givenRequest(v *visit, wrong *fault.Fields) *dryrun.Given {
	given := &dryrun.Given{Path: strings.TrimSpace(v.FormValue(givenPath)), Headers: map[string]string{}}
	for _, line := range linesOf(v.FormValue(givenHeaders)) {
		name, value, found := strings.Cut(line, ":")
		if !found {
			wrong.Add(givenHeaders, "write one a line, as name: value")
			break
		}
		given.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	given.Body, _ = json.Marshal(v.FormValue(givenBody)) //nolint:errchkjson // a text
	return given
}

func (c *Console) tryPage(v *visit, found route.Route, in dryrun.Request, wrong mends) (routeui.Try, error) {
	page := routeui.Try{
		Title: "Dry run of “" + found.Name + "”", Links: routeLinks(found.ID, "/try"), Action: v.Request().URL.Path, Fields: tryFields(v, wrong),
		Message: wrong.rest("prompt_chars", "max_output_tokens", "budget_left_percent", "at", "labels", "draw", "dialect", givenPath, givenHeaders, givenBody),
		Stream:  component.Field{Name: "stream", Label: "Streamed", Value: "on", Checked: in.Stream},
		Tools:   component.Field{Name: "tools", Label: "Brings tools", Value: "on", Checked: in.Tools},
		Given:   c.givenForm(v, found, wrong),
	}
	around, err := c.tryAround(v, found.TimeZone, wrong)
	if err != nil {
		return page, err
	}
	page.Around = around
	for _, field := range around { // the same for what is pasted, under other ids
		field.ID = "given-" + field.Name
		page.Given.Around = append(page.Given.Around, field)
	}
	return page, nil
}

// givenForm is the form for a whole request.
func (*Console) givenForm(v *visit, found route.Route, wrong mends) routeui.Given {
	path, headers, body := v.FormValue(givenPath), v.FormValue(givenHeaders), v.FormValue(givenBody)
	if !v.posted() {
		path, headers = "/v1/chat/completions", ""
		body = `{"model": "` + found.Name + `", "messages": [{"role": "user", "content": "Hello"}]}`
	}
	return routeui.Given{
		Open: v.posted(), CSRF: v.csrf(),
		Path:    component.Field{Name: givenPath, Label: "Path", Value: path, Mono: true, Error: wrong.of(givenPath), Help: "/v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/" + found.Name + ":generateContent or another one of an edge's."},
		Headers: component.Field{Name: givenHeaders, Label: "Header fields", Value: headers, Mono: true, Optional: true, Rows: 3, Error: wrong.of(givenHeaders), Placeholder: "x-tollgate-label-team: search", Help: "One a line. Labels, run and end user are looked at; leave the key out and choose it below."},
		Body:    component.Field{Name: givenBody, Label: "Body", Value: body, Mono: true, Rows: 12, Error: wrong.of(givenBody), Help: "Read as an edge reads it, and kept nowhere."},
	}
}

// tryAround are the fields that a call does not say itself.
func (c *Console) tryAround(v *visit, zone string, wrong mends) ([]component.Field, error) {
	if zone == "" {
		zone = "UTC"
	}
	keys, err := c.VirtualKeys.List(v.Request().Context(), v.actor)
	if err != nil {
		return nil, err
	}
	key := component.Field{Name: "key", Label: "Virtual key", Value: v.FormValue("key"), Optional: true, Help: "Whose name, workspace and agent conditions see.", Options: []component.Option{{Label: "none"}}}
	for _, one := range keys {
		if one.RevokedAt == nil {
			key.Options = append(key.Options, component.Option{Value: one.ID.String(), Label: one.Name + " (" + one.WorkspaceName + ")"})
		}
	}
	fields := []component.Field{key}
	if v.actor.May(authz.EdgeRead) {
		edges, err := c.Edges.List(v.Request().Context(), v.actor)
		if err != nil {
			return nil, err
		}
		at := component.Field{Name: "edge", Label: "Edge", Value: v.FormValue("edge"), Optional: true, Help: "Whose breakers and stopped canaries hold.", Options: []component.Option{{Label: "what all of them say"}}}
		for _, one := range edges {
			if one.Connected {
				at.Options = append(at.Options, component.Option{Value: one.ID.String(), Label: one.Name})
			}
		}
		fields = append(fields, at)
	}
	return append(fields,
		component.Field{Name: "at", Label: "When", Kind: "datetime-local", Value: v.FormValue("at"), Optional: true, Help: "In " + zone + "; empty is now.", Error: wrong.of("at")},
		component.Field{Name: "budget_left_percent", Label: "Budget left", Value: v.FormValue("budget_left_percent"), Optional: true, Suffix: "%", InputMode: "numeric", Placeholder: "100", Error: wrong.of("budget_left_percent")},
		component.Field{Name: "draw", Label: "Chance", Value: v.FormValue("draw"), Optional: true, InputMode: "numeric", Placeholder: "0", Help: "Another number, another draw.", Error: wrong.of("draw")},
	), nil
}

// tryFields describe a call.
func tryFields(v *visit, wrong mends) []component.Field {
	value := func(name string) string {
		if v.posted() {
			return ""
		}
		return v.FormValue(name)
	}
	number := func(name, label, help string) component.Field {
		return component.Field{Name: name, Label: label, Value: value(name), Optional: true, InputMode: "numeric", Help: help, Error: wrong.of(name)}
	}
	text := func(name, label, placeholder string) component.Field {
		return component.Field{Name: name, Label: label, Value: value(name), Optional: true, Placeholder: placeholder, Mono: true, Error: wrong.of(name)}
	}
	return []component.Field{
		number("prompt_chars", "Characters of the prompt", "All that the model reads."), number("max_output_tokens", "Limit of output", "Tokens, as the caller names them."),
		text("labels", "Labels", "tier=gold, team=web"), text("dialect", "Dialect", "openai_chat"), text("end_user", "End user", "customer-481"), text("run", "Run", ""),
	}
}

func tried(result dryrun.Result) *routeui.Tried {
	out := &routeui.Tried{Version: strconv.Itoa(result.Version), Refused: sentence(result.Refused), See: result.See, Notes: result.Notes}
	for _, target := range result.Targets {
		place := routeui.Place{Provider: target.Provider, Model: target.Model, Group: target.Group, Cost: "$" + target.Expected.Decimal()}
		for _, one := range target.Held {
			place.Held = append(place.Held, heldText(one))
		}
		out.Targets = append(out.Targets, place)
	}
	for _, step := range result.Steps {
		out.Steps = append(out.Steps, routeui.Step{
			Group: step.Group, Node: step.Node, When: step.When, Verdict: strings.ReplaceAll(string(step.Verdict), "_", " "),
			Good: step.Verdict == "held" || step.Verdict == "otherwise", Bad: step.Verdict == "held_back" || step.Verdict == "left_out", Why: step.Why,
		})
	}
	return out
}

func heldText(one dryrun.Held) string {
	switch {
	case one.HalfOpen:
		return "half open at " + one.Edge + ": the next call tries it"
	case one.Limited:
		return "limited at " + one.Edge + ": " + one.Reason
	default:
		return "open at " + one.Edge + ": " + one.Reason
	}
}
