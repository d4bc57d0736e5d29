package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

// routeRows are the parallel values of the nodes of a posted tree, in its order.
type routeRows map[string][]string

func (r routeRows) at(name string, i int) string {
	if i < len(r[name]) {
		return r[name][i]
	}
	return ""
}

// routeInput reads the form, its tree row by row. What cannot be read is refused by the noun, or said in unread.
func routeInput(v *visit) (in route.Input, unread mends) {
	place, _ := ident.Parse[ident.Workspace](v.FormValue("workspace_id"))
	version, _ := strconv.Atoi(v.FormValue("version")) // what is no number begins from whichever is in force
	in = route.Input{Version: version, Name: v.FormValue("name"), WorkspaceID: place, Strategy: route.Strategy(v.FormValue("strategy")), TimeZone: v.FormValue("time_zone")}
	in.Reliability, in.Cache = reliabilityInput(v), cacheInput(v)
	in.Mirror = mirrorInput(v)
	in.Aliases = strings.FieldsFunc(v.FormValue("aliases"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
	values, err := v.FormParams()
	if err != nil {
		return in, unread
	}
	rows := routeRows(values)
	first := 0 // the root's own fields come before those of its nodes
	if len(rows["node_kind"]) < len(rows["sticky_by"]) {
		first = 1
		in.StickyBy, in.Trial = specialOf(rows, 0, in.Strategy)
	}
	next := 0
	unread.fields = map[string]string{}
	in.Targets = readNodes(rows, &next, first, 1, "", unread.fields)
	return in, unread
}

// readNodes reads the nodes that stand so deep, and those below them.
func readNodes(rows routeRows, next *int, first, depth int, at string, unread map[string]string) (nodes []route.Target) {
	for *next < len(rows["target_model"]) {
		i := *next
		if deep, err := strconv.Atoi(rows.at("node_depth", i)); err == nil && deep < depth && depth > 1 {
			return nodes
		}
		*next++
		place := fmt.Sprintf("%stargets[%d]", at, len(nodes))
		weight, err := strconv.Atoi(rows.at("target_weight", i))
		if err != nil {
			weight = -1
		}
		node := route.Target{Weight: weight, When: strings.TrimSpace(rows.at("node_when", i))}
		if rows.at("node_kind", i) == "group" {
			node.Name, node.Strategy = rows.at("group_name", i), route.Strategy(rows.at("group_strategy", i))
			node.StickyBy, node.Trial = specialOf(rows, first+i, node.Strategy)
			node.Targets = readNodes(rows, next, first, depth+1, place+".", unread)
		} else {
			node.ProviderID, _ = ident.Parse[ident.Provider](rows.at("target_provider", i))
			node.Model = rows.at("target_model", i)
			if err := readFields(&node, rows.at("target_fields", i)); err != nil {
				unread[place+".override"] = err.Error()
			}
		}
		nodes = append(nodes, node)
	}
	return nodes
}

// specialOf reads what only a sticky or a canary group has.
func specialOf(rows routeRows, i int, strategy route.Strategy) (stickyBy string, trial *route.Trial) {
	switch strategy {
	case route.Sticky:
		return strings.TrimSpace(rows.at("sticky_by", i)), nil
	case route.Canary:
		number := func(name string) int {
			n, err := strconv.Atoi(strings.TrimSpace(rows.at(name, i)))
			if err != nil {
				return -1
			}
			return n
		}
		return "", &route.Trial{
			SharePerMille: perMilleOf(rows.at("canary_share", i)), Calls: number("canary_calls"), ErrorsPerMille: perMilleOf(rows.at("canary_errors", i)),
			LatencyPercent: number("canary_slower"),
		}
	default:
		return "", nil
	}
}

// readFields reads lines of `name = value`, which overrides, and `name ?= value`, a default. Values are JSON. What is wrong is kept too, as
// fieldsText shows it again.
func readFields(target *route.Target, text string) (wrong error) {
	for i, line := range linesOf(text) {
		name, value, found := strings.Cut(line, "=")
		name, isDefault := strings.CutSuffix(strings.TrimSpace(name), "?")
		into := &target.Override
		if isDefault {
			into = &target.Default
		}
		if *into == nil {
			*into = map[string]json.RawMessage{}
		}
		name = strings.TrimSpace(name)
		switch _, twice := (*into)[name]; {
		case !found:
			wrong = cmp.Or(wrong, fmt.Errorf("Line %d: write a name, = or ?=, and a value.", i+1)) //nolint:staticcheck,revive // it is shown as a sentence
			name, value = line, ""
		case twice:
			wrong = cmp.Or(wrong, fmt.Errorf("Line %d: %s has a value already.", i+1, name)) //nolint:staticcheck,revive // as above
			name += strings.Repeat(" ", i)
		}
		(*into)[name] = json.RawMessage(strings.TrimSpace(value))
	}
	return wrong
}

func fieldsText(target route.Target) string {
	return strings.Join(append(fieldLines(target.Override, " = "), fieldLines(target.Default, " ?= ")...), "\n")
}

func fieldLines(fields map[string]json.RawMessage, sets string) (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if line := name + sets + string(fields[name]); len(fields[name]) > 0 {
			lines = append(lines, line)
		} else { // it is none yet
			lines = append(lines, strings.TrimSpace(name))
		}
	}
	return lines
}

// perMilleOf reads a share in percent, such as 2.5; -1: it is none.
func perMilleOf(text string) int {
	share, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(share >= 0 && share <= 1e6) {
		return -1
	}
	return int(math.Round(10 * share))
}

// shareText writes thousandths as perMilleOf reads them; what was none is empty.
func shareText(perMille int) string {
	if perMille < 0 {
		return ""
	}
	return strings.TrimSuffix(percentText(perMille), "%")
}

// countText writes a number; what was none is empty.
func countText(n int) string {
	if n < 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// edited does what one of the tree's buttons says: "add", "group", "up" or "remove", and where, e.g. "add:0.2".
func edited(targets []route.Target, edit string) []route.Target {
	what, where, _ := strings.Cut(edit, ":")
	list, last := &targets, 0
	if where != "" {
		path := strings.Split(where, ".")
		for i, text := range path {
			at, err := strconv.Atoi(text)
			if err != nil || at < 0 || at >= len(*list) {
				return targets
			}
			if last = at; i < len(path)-1 || what == "add" || what == "group" {
				list = &(*list)[at].Targets
			}
		}
	}
	switch {
	case what == "add":
		*list = append(*list, route.Target{Weight: 1})
	case what == "group":
		*list = append(*list, route.Target{Strategy: route.Fallback, Weight: 1, Targets: []route.Target{{Weight: 1}}})
	case what == "up" && last > 0:
		(*list)[last-1], (*list)[last] = (*list)[last], (*list)[last-1]
	case what == "remove" && len(*list) > 0:
		*list = slices.Delete(*list, last, last+1)
	}
	return targets
}

// routeEditor makes the fields of a route's form.
type routeEditor struct {
	providers []component.Option
	wrong     mends
	count     int
}

func (e *routeEditor) fill(form *routeui.Form, in route.Input) {
	form.Name = component.Field{Name: "name", Label: "Name", Value: in.Name, Error: e.wrong.of("name"), Mono: true, Help: "What callers write as the model."}
	form.Workspace.Error = e.wrong.of("workspace_id")
	form.Aliases = component.Field{Name: "aliases", Label: "Other names", Value: strings.Join(in.Aliases, ", "), Error: e.wrong.under("aliases"), Mono: true, Optional: true, Help: "With commas. Callers may write each of them too."}
	form.TimeZone = component.Field{Name: "time_zone", Label: "Time zone of conditions", Value: in.TimeZone, Error: e.wrong.of("time_zone"), Optional: true, Placeholder: "Europe/Berlin", Help: "For hour and weekday; empty is UTC."}
	form.Strategy = component.Field{Name: "strategy", Label: "Which target answers", Value: string(in.Strategy), Error: e.wrong.of("strategy"), Options: strategyOptions()}
	form.Special = e.special("", "root", in.StickyBy, in.Trial)
	form.Error = e.wrong.of("targets")
	form.Nodes = e.nodes("", "", in.Targets, 1)
	for _, each := range route.Variables() {
		form.Variables = append(form.Variables, routeui.Variable{Name: each.Name, Type: each.Type, Help: each.Help})
	}
}

func strategyOptions() []component.Option {
	return []component.Option{
		{Value: string(route.Fallback), Label: "In order", Help: "The first; the next one when it fails."},
		{Value: string(route.Weighted), Label: "By weight", Help: "Calls are shared among the targets."},
		{Value: string(route.Conditional), Label: "By condition", Help: "The first whose condition holds."},
		{Value: string(route.Latency), Label: "Quickest", Help: "Who answered quickly of late."},
		{Value: string(route.Cost), Label: "Cheapest", Help: "For the call's expected tokens."},
		{Value: string(route.Sticky), Label: "Sticky", Help: "The same end user, the same target."},
		{Value: string(route.Canary), Label: "Canary", Help: "A share tries the second of two."},
	}
}

func (e *routeEditor) special(at, id, stickyBy string, trial *route.Trial) routeui.Special {
	if trial == nil {
		trial = &route.Trial{SharePerMille: 50, Calls: 100, ErrorsPerMille: 20, LatencyPercent: 50}
	}
	if stickyBy == "" {
		stickyBy = "end_user"
	}
	field := func(name, label, value, suffix, key string) component.Field {
		return component.Field{Name: name, ID: id + "-" + name, Label: label, Value: value, Suffix: suffix, InputMode: "decimal", Error: e.wrong.of(at + "canary." + key)}
	}
	return routeui.Special{
		Sticky: component.Field{Name: "sticky_by", ID: id + "-sticky_by", Label: "Goes by", Value: stickyBy, Mono: true, Error: e.wrong.of(at + "sticky_by"), Help: "end_user, run, virtual_key, or label:name"},
		Share:  field("canary_share", "Share", shareText(trial.SharePerMille), "%", "share_per_mille"),
		Calls:  field("canary_calls", "Judged after", countText(trial.Calls), "calls", "calls"),
		Errors: field("canary_errors", "More failures", shareText(trial.ErrorsPerMille), "%", "errors_per_mille"),
		Slower: field("canary_slower", "Slower by", countText(trial.LatencyPercent), "%", "latency_percent"),
	}
}

func (e *routeEditor) nodes(at, path string, targets []route.Target, depth int) (nodes []routeui.Node) {
	for i, each := range targets {
		e.count++
		id, place := strconv.Itoa(e.count), fmt.Sprintf("%stargets[%d]", at, i)
		node := routeui.Node{
			Path: path + strconv.Itoa(i), Label: "Target " + strings.ReplaceAll(path, ".", " ") + strconv.Itoa(i+1), Depth: strconv.Itoa(depth), First: i == 0,
			Weight: component.Field{Name: "target_weight", ID: "target-weight-" + id, Label: "Weight", Value: countText(each.Weight), Error: e.wrong.of(place + ".weight"), InputMode: "numeric"},
			When:   component.Field{Name: "node_when", ID: "node-when-" + id, Label: "When", Value: each.When, Error: e.wrong.of(place + ".when"), Mono: true, Placeholder: "when none before it holds"},
		}
		if each.IsGroup() {
			e.group(&node, place, id, each, depth)
		} else {
			e.target(&node, place, id, each)
		}
		nodes = append(nodes, node)
	}
	return nodes
}

func (e *routeEditor) group(node *routeui.Node, place, id string, group route.Target, depth int) {
	node.IsGroup, node.MayNest, node.Label = true, depth+1 < route.DepthMax, "Group "+group.Name
	node.Name = component.Field{Name: "group_name", ID: "group-name-" + id, Label: "Group", Value: group.Name, Error: e.wrong.of(place+".name", place), Mono: true, Placeholder: "europe"}
	node.Strategy = component.Field{Name: "group_strategy", ID: "group-strategy-" + id, Label: "Which of it answers", Value: string(group.Strategy), Error: e.wrong.of(place + ".strategy"), Options: strategyOptions()}
	node.Special = e.special(place+".", "group-"+id, group.StickyBy, group.Trial)
	node.Error = e.wrong.of(place + ".targets")
	node.Nodes = e.nodes(place+".", node.Path+".", group.Targets, depth+1)
}

func (e *routeEditor) target(node *routeui.Node, place, id string, target route.Target) {
	node.Provider = component.Field{Name: "target_provider", ID: "target-provider-" + id, Label: "Provider", Value: target.ProviderID.String(), Error: e.wrong.of(place+".provider_id", place), Options: e.providers}
	node.Model = component.Field{Name: "target_model", ID: "target-model-" + id, Label: "Model", Value: target.Model, Error: e.wrong.of(place + ".model"), Mono: true, Placeholder: "gpt-4o-mini"}
	node.Fields = component.Field{
		Name: "target_fields", ID: "target-fields-" + id, Label: "Fields", Value: fieldsText(target), Error: e.wrong.under(place+".override", place+".default"), Mono: true, Optional: true, Rows: 3,
		Help: "One a line: “temperature = 0.2” whatever the caller says, “max_tokens ?= 500” only where they say nothing. Values are JSON.",
	}
}
