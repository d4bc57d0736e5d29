package console

import (
	"strings"

	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

const breakerPrefix = "reliability.breaker."

// breakerField is one figure of a route's breaker: how it is called, and what edges do where it is empty.
type breakerField struct {
	name, label, help, otherwise string
	figure                       func(*route.Breaker) *int
	time                         bool
}

// breakerFigures are in the order of the page.
func breakerFigures() []breakerField {
	return []breakerField{
		{"failures", "Failures in a row", "After so many, calls are held back.", "5", func(b *route.Breaker) *int { return &b.Failures }, false},
		{"percent", "Or a share of failures", "Per cent of the calls within the window.", "50", func(b *route.Breaker) *int { return &b.Percent }, false},
		{"calls", "Of so many calls at least", "Within the window; fewer say too little.", "20", func(b *route.Breaker) *int { return &b.Calls }, false},
		{"window_ms", "Window", "How far back calls are looked at.", "30s", func(b *route.Breaker) *int { return &b.WindowMS }, true},
		{"pause_ms", "First pause", "Then one call tries the target; the pause doubles with each try that fails.", "5s", func(b *route.Breaker) *int { return &b.PauseMS }, true},
		{"pause_most_ms", "Longest pause", "", "2m", func(b *route.Breaker) *int { return &b.PauseMostMS }, true},
		{"probes", "Good tries until it is well", "One after the other, then every call goes there again.", "1", func(b *route.Breaker) *int { return &b.Probes }, false},
	}
}

// breakerInput reads the part of the form; nil: nothing is set. What cannot be read is refused by the noun.
func breakerInput(v *visit) *route.Breaker {
	in := route.Breaker{Off: v.FormValue(breakerPrefix+"off") != ""}
	for _, field := range breakerFigures() {
		if text := strings.TrimSpace(v.FormValue(breakerPrefix + field.name)); text != "" {
			*field.figure(&in) = figureOf(text, field.time)
		}
	}
	if in == (route.Breaker{}) {
		return nil
	}
	return &in
}

// breakerFields fills the part of the form.
func breakerFields(v *visit, section *routeui.Reliability, in *route.Breaker, wrong mends) {
	if in == nil {
		in = &route.Breaker{}
	}
	section.Off = component.Field{Name: breakerPrefix + "off", ID: "reliability-breaker-off", Label: "Never hold a target back", Value: "yes", Checked: in.Off, Error: wrong.of(breakerPrefix + "off"), Help: "Each call tries the targets in their order, whatever happened to those before."}
	section.Open = section.Open || section.Off.Error != ""
	for _, field := range breakerFigures() {
		name := breakerPrefix + field.name
		shown := component.Field{
			Name: name, ID: strings.ReplaceAll(name, ".", "-"), Label: field.label, Help: field.help, Optional: true, Placeholder: field.otherwise, Value: figureText(*field.figure(in), field.time), Error: wrong.of(name),
		}
		if v.posted() {
			shown.Value = v.FormValue(name)
		}
		section.Open = section.Open || shown.Error != ""
		section.Breaker = append(section.Breaker, shown)
	}
}
