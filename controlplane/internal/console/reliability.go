package console

import (
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

// reliableField is one field of a route's reliability: how it is called, and what edges do where it is empty.
type reliableField struct {
	name, label, help, otherwise string
	figure                       func(*route.Reliability) *int
	time                         bool
}

// reliableFields are in the order of the page.
func reliableFields() []reliableField {
	return []reliableField{
		{"deadline_ms", "Deadline of a call", "Over all its tries. A call may ask for less with x-tollgate-timeout-ms.", "1h", func(r *route.Reliability) *int { return &r.DeadlineMS }, true},
		{"try_timeout_ms", "One try may take", "", "1h", func(r *route.Reliability) *int { return &r.TryTimeoutMS }, true},
		{"connect_timeout_ms", "Connecting may take", "", "10s", func(r *route.Reliability) *int { return &r.ConnectTimeoutMS }, true},
		{"first_token_timeout_ms", "The first token may take", "Of an answer that is not streamed: its beginning.", "10m", func(r *route.Reliability) *int { return &r.FirstTokenTimeoutMS }, true},
		{"idle_timeout_ms", "Silence may last", "Between two pieces of an answer.", "2m", func(r *route.Reliability) *int { return &r.IdleTimeoutMS }, true},
		{"tries_per_target", "Tries at a target", "Before the next one.", "1, and 2 at the last", func(r *route.Reliability) *int { return &r.TriesPerTarget }, false},
		{"tries_most", "Tries of a call", "At all targets together.", "5", func(r *route.Reliability) *int { return &r.TriesMost }, false},
		{"backoff_ms", "Wait before the first retry", "At most; drawn at random, and doubled with each retry. A provider's Retry-After is kept, up to a minute.", "250ms", func(r *route.Reliability) *int { return &r.BackoffMS }, true},
		{"backoff_most_ms", "Wait before a later retry", "At most.", "5s", func(r *route.Reliability) *int { return &r.BackoffMostMS }, true},
	}
}

const retryStatuses = "retry_statuses"

func reliableName(field string) string { return "reliability." + field }

// reliabilityInput reads the section of the form. What cannot be read is refused by the noun.
func reliabilityInput(v *visit) (in route.Reliability) {
	for _, field := range reliableFields() {
		text := strings.TrimSpace(v.FormValue(reliableName(field.name)))
		if text == "" {
			continue
		}
		*field.figure(&in) = figureOf(text, field.time)
	}
	for _, text := range strings.FieldsFunc(v.FormValue(reliableName(retryStatuses)), func(r rune) bool { return r == ',' || r == ' ' || r == ';' }) {
		status, err := strconv.Atoi(text)
		if err != nil {
			status = -1
		}
		in.RetryStatuses = append(in.RetryStatuses, status)
	}
	in.Breaker = breakerInput(v)
	return in
}

// figureOf reads a number, or a time as milliseconds; what is neither is -1.
func figureOf(text string, isTime bool) int {
	number, err := strconv.Atoi(text)
	if isTime {
		var d time.Duration
		d, err = time.ParseDuration(strings.ReplaceAll(text, " ", ""))
		number = int(min(d.Milliseconds(), 1<<40))
	}
	if err != nil || number <= 0 {
		return -1
	}
	return number
}

// figureText writes what figureOf reads; empty: nothing is set.
func figureText(number int, isTime bool) string {
	switch {
	case number <= 0:
		return ""
	case isTime:
		return route.DurationText(time.Duration(number) * time.Millisecond)
	default:
		return strconv.Itoa(number)
	}
}

// reliabilityFields fills the section of the form.
func reliabilityFields(v *visit, in route.Reliability, wrong mends) routeui.Reliability {
	section := routeui.Reliability{Open: !in.IsZero(), Summary: "As edges have it by themselves: two tries at the last target, five in all, and an hour for a call."}
	if section.Open {
		section.Summary = "Changed from what edges do by themselves."
	}
	add := func(name, label, help, otherwise, text string) {
		name = reliableName(name)
		if v.posted() {
			text = v.FormValue(name)
		}
		section.Open = section.Open || wrong.of(name) != ""
		section.Fields = append(section.Fields, component.Field{Name: name, ID: strings.ReplaceAll(name, ".", "-"), Label: label, Help: help, Optional: true, Placeholder: otherwise, Value: text, Error: wrong.of(name)})
	}
	for _, field := range reliableFields() {
		add(field.name, field.label, field.help, field.otherwise, figureText(*field.figure(&in), field.time))
	}
	add(retryStatuses, "Statuses that are tried again", "Of the provider's answer.", "408, 429 and all from 500", strings.Join(texts(in.RetryStatuses), ", "))
	breakerFields(v, &section, in.Breaker, wrong)
	return section
}

func texts(numbers []int) []string {
	all := make([]string, len(numbers))
	for i, number := range numbers {
		all[i] = strconv.Itoa(number)
	}
	return all
}
