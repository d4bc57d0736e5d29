package console

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/scope"
)

// FuzzRouteTree: of a posted tree each row is one node, however deep rows say that they are, and no button makes more than it says.
func FuzzRouteTree(f *testing.F) {
	f.Add("node_kind=group&group_name=a&target_model=&node_depth=1&node_kind=target&target_model=m&node_depth=2&target_weight=3", "up:0.0")
	f.Add("target_model=a&node_depth=99&target_model=b&node_depth=-1&target_model=c&node_depth=x", "remove:2")
	f.Add("target_model=a&node_kind=group&group_strategy=canary&canary_share=1844674407370955162&target_model=", "add:0")
	f.Fuzz(func(t *testing.T, form, edit string) {
		values, err := url.ParseQuery(form)
		if err != nil || len(values["target_model"]) > 1000 {
			return
		}
		next, unread := 0, map[string]string{}
		tree := readNodes(routeRows(values), &next, 0, 1, "", unread)
		if got, want := countNodes(tree), len(values["target_model"]); got != want || next != want {
			t.Fatalf("%q has %d nodes of %d rows", form, got, want)
		}
		before := countNodes(tree)
		if after := countNodes(edited(tree, edit)); after > before+2 {
			t.Errorf("%q makes %d nodes of %d", edit, after, before)
		}
	})
}

func countNodes(tree []route.Target) (n int) {
	for _, each := range tree {
		n += 1 + countNodes(each.Targets)
	}
	return n
}

// FuzzFields: what a form says of a target's fields reads back as it is written.
func FuzzFields(f *testing.F) {
	f.Add("temperature = 0.5\nseed ?= 7\nstop=[\"=\"]")
	f.Add("a=1\na?=2\na=3")
	f.Add("?=1")
	f.Fuzz(func(t *testing.T, text string) {
		var one, again route.Target
		if readFields(&one, text) != nil || strings.Contains(text, "\r") {
			return
		}
		err := readFields(&again, fieldsText(one))
		same := func(a, b map[string]json.RawMessage) bool {
			return maps.EqualFunc(a, b, func(a, b json.RawMessage) bool { return string(a) == string(b) })
		}
		if err != nil || !same(one.Override, again.Override) || !same(one.Default, again.Default) {
			t.Errorf("%q is %v and %v, and written as %q %v and %v, %v", text, one.Override, one.Default, fieldsText(one), again.Override, again.Default, err)
		}
	})
}

// FuzzChoices: a choice of scope that names something reads back as it is written, and percents are numbers or refused.
func FuzzChoices(f *testing.F) {
	f.Add("workspace:0190b5a0-0000-7000-8000-00000000000a", "50, 80 100%")
	f.Add("org", "-1;x")
	f.Fuzz(func(t *testing.T, choice, percents string) {
		kind, id := scopeOf(choice)
		if kind.ByID() && !id.IsZero() && !strings.EqualFold(scopeValue(kind, id), choice) {
			t.Errorf("%q is %s %s", choice, kind, id)
		}
		if kind == scope.Org && id != (ident.Scope{}) && !strings.HasPrefix(choice, string(scope.Org)+":") {
			t.Errorf("%q is %s %s", choice, kind, id)
		}
		read := percentsOf(percents)
		if again := percentsOf(percentsText(read)); !slices.Equal(read, again) {
			t.Errorf("%q is %v, and written again %v", percents, read, again)
		}
	})
}
