package state

import (
	"bytes"
	"slices"
	"strings"

	"tollgate.dev/dataplane/wire"
)

// scope says to which keys something applies. A scope by value applies to every key; its Selector looks at each call.
type scope struct {
	kind wire.Scope
	id   wire.ID
}

// Facts is what a call says beyond its key.
type Facts struct {
	Model   string // as the caller wrote it: the name of the route
	EndUser string // empty: none is named
	Run     string
	Labels  map[string]string
}

// each as a value gives every value an account of its own.
const each = "*"

// Selector says which calls a rule holds. Its zero value holds all calls of the keys that it applies to.
type Selector struct {
	kind  wire.Scope // unspecified: every call
	label string     // the label's name
	value string     // empty: each value has an account of its own
}

// Each says whether each value has an account of its own, so that Subject may return many subjects.
func (s *Selector) Each() bool { return s.kind != wire.Scope_SCOPE_UNSPECIFIED && s.value == "" }

// Noun returns what the subject is, for people: "end user", "run", the label's name. Empty for a rule that holds every call.
func (s *Selector) Noun() string {
	switch s.kind {
	case wire.Scope_SCOPE_MODEL:
		return "model"
	case wire.Scope_SCOPE_END_USER:
		return "end user"
	case wire.Scope_SCOPE_RUN:
		return "run"
	case wire.Scope_SCOPE_LABEL:
		return "label " + s.label
	default:
		return ""
	}
}

// Subject says whether the rule holds a call, and the account that it counts in: empty where the rule has just one.
func (s *Selector) Subject(call *Facts) (subject string, holds bool) {
	said := ""
	switch s.kind {
	case wire.Scope_SCOPE_UNSPECIFIED:
		return "", true
	case wire.Scope_SCOPE_MODEL:
		said = call.Model
	case wire.Scope_SCOPE_END_USER:
		said = call.EndUser
	case wire.Scope_SCOPE_RUN:
		said = call.Run
	case wire.Scope_SCOPE_LABEL:
		said = call.Labels[s.label]
	}
	switch {
	case said == "" || s.value != "" && s.value != said:
		return "", false
	case s.value != "":
		return "", true
	default:
		return said, true
	}
}

// selector reads a scope that may be by value: to which keys the rule applies, and which of their calls it holds.
func (c *compiler) selector(kind wire.Scope, id []byte, value string) (scope, Selector) {
	if kind < wire.Scope_SCOPE_END_USER || kind > wire.Scope_SCOPE_RUN {
		return c.scope(kind, id), Selector{}
	}
	out := Selector{kind: kind, value: value}
	if kind == wire.Scope_SCOPE_LABEL {
		out.label, out.value, _ = strings.Cut(value, "=")
		if out.label == "" {
			c.fail("scope_value", "the label's name is missing")
		}
	}
	if c.text("scope_value", out.value) == each {
		out.value = ""
	} else if kind == wire.Scope_SCOPE_RUN {
		c.fail("scope_value", "a run's scope is %q", each)
	}
	return scope{kind: wire.Scope_SCOPE_ORG}, out
}

// scope reads a scope by id.
func (c *compiler) scope(kind wire.Scope, raw []byte) scope {
	id := c.optionalID("scope_id", raw)
	switch kind {
	case wire.Scope_SCOPE_ORG:
		if !id.IsZero() {
			c.fail("scope_id", "the scope of an organization has no id")
		}
	case wire.Scope_SCOPE_WORKSPACE, wire.Scope_SCOPE_VIRTUAL_KEY, wire.Scope_SCOPE_AGENT:
		if id.IsZero() {
			c.fail("scope_id", "the scope's id is missing")
		}
	default:
		c.fail("scope", "the scope %d is not known here", kind)
	}
	return scope{kind, id}
}

// scopesOf returns every scope that holds the key.
func scopesOf(key *Key) [4]scope {
	return [4]scope{
		{wire.Scope_SCOPE_ORG, wire.ID{}},
		{wire.Scope_SCOPE_WORKSPACE, key.WorkspaceID},
		{wire.Scope_SCOPE_AGENT, key.AgentID},
		{wire.Scope_SCOPE_VIRTUAL_KEY, key.ID},
	}
}

// holder is the place of a key without the key itself: keys in the same place share their lists.
type holder struct{ workspace, agent wire.ID }

// gather collects what applies to the key, by id. The list without the key's own is made once per place and shared.
func gather[T any](all map[scope][]T, shared map[holder][]T, key *Key, id func(T) wire.ID) []T {
	scopes := scopesOf(key)
	collect := func(scopes []scope) []T {
		var list []T
		for _, where := range scopes {
			if !where.id.IsZero() || where.kind == wire.Scope_SCOPE_ORG {
				list = append(list, all[where]...)
			}
		}
		slices.SortFunc(list, func(a, b T) int {
			left, right := id(a), id(b)
			return bytes.Compare(left[:], right[:])
		})
		return list
	}
	if len(all[scopes[3]]) > 0 {
		return collect(scopes[:])
	}
	place := holder{key.WorkspaceID, key.AgentID}
	list, ok := shared[place]
	if !ok {
		list = collect(scopes[:3])
		shared[place] = list
	}
	return list
}
