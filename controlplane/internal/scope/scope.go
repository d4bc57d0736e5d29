// Package scope provides where a budget or a guardrail holds: the whole organization, one workspace or one virtual key.
// It refuses to know what holds there.
package scope

import (
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// Kind says what a scope id names.
type Kind string

// The kinds of scope.
const (
	Org        Kind = "org" // no id
	Workspace  Kind = "workspace"
	VirtualKey Kind = "virtual_key"
)

// Clean drops an id that the organization's scope does not need and notes what is wrong. Whether the id exists is judged by Judge.
func Clean(wrong *fault.Fields, kind Kind, id ident.Scope) ident.Scope {
	switch kind {
	case Org:
		return ident.Scope{}
	case Workspace, VirtualKey:
		if id.IsZero() {
			wrong.Add("scope_id", "choose the %s for which it holds", kind.words())
		}
	default:
		wrong.Add("scope", "choose %q, %q or %q", Org, Workspace, VirtualKey)
	}
	return id
}

func (k Kind) words() string {
	if k == VirtualKey {
		return "virtual key"
	}
	return string(k)
}
