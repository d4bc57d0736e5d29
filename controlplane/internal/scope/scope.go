// Package scope provides where a rule holds: the whole organization; one workspace, agent or virtual key, by its id; or calls that say one
// model, end user, label or run, by that value.
// It refuses to know what holds there.
package scope

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// Kind says what a scope names.
type Kind string

// The kinds of scope.
const (
	Org        Kind = "org"         // neither id nor value
	Workspace  Kind = "workspace"   // by id
	Agent      Kind = "agent"       // by id
	VirtualKey Kind = "virtual_key" // by id
	Model      Kind = "model"       // by value: the name of a route, or Each
	EndUser    Kind = "end_user"    // by value: an end user, or Each
	Label      Kind = "label"       // by value: "name=value", or "name=*"
	Run        Kind = "run"         // by value: Each
)

// Each as a value means that the rule holds for every value apart: each end user has an account of its own.
const Each = "*"

const (
	endUserMax    = 256 // bytes, as an edge keeps them
	labelNameMax  = 64
	labelValueMax = 300
)

// ByID says whether the kind is named by an id.
func (k Kind) ByID() bool { return k == Workspace || k == Agent || k == VirtualKey }

// ByValue says whether the kind is named by a value.
func (k Kind) ByValue() bool { return k == Model || k == EndUser || k == Label || k == Run }

// EachValue says whether a scope gives each value an account of its own.
func EachValue(kind Kind, value string) bool {
	return kind.ByValue() && (value == Each || kind == Label && strings.HasSuffix(value, "="+Each))
}

// CleanID drops an id that the organization's scope does not need and notes what is wrong, for rules that hold by id alone. Whether the
// id exists is judged by Judge.
func CleanID(wrong *fault.Fields, kind Kind, id ident.Scope) ident.Scope {
	switch {
	case kind == Org:
		return ident.Scope{}
	case kind.ByID():
		needID(wrong, kind, id)
	default:
		wrong.Add("scope", "choose %q, %q, %q or %q", Org, Workspace, Agent, VirtualKey)
	}
	return id
}

// Clean drops what the kind does not need and notes what is wrong. Whether the id or the model exists is judged by Judge.
func Clean(wrong *fault.Fields, kind Kind, id ident.Scope, value string) (ident.Scope, string) {
	value = strings.TrimSpace(value)
	switch {
	case kind == Org:
		return ident.Scope{}, ""
	case kind.ByID():
		needID(wrong, kind, id)
		return id, ""
	case kind == Run:
		return ident.Scope{}, Each
	case kind.ByValue():
		if flaw := flawOf(kind, value); flaw != "" {
			wrong.Add("scope_value", "%s", flaw)
		}
		return ident.Scope{}, value
	default:
		wrong.Add("scope", "choose %q, %q, %q, %q, %q, %q, %q or %q", Org, Workspace, Agent, VirtualKey, Model, EndUser, Label, Run)
		return id, value
	}
}

func needID(wrong *fault.Fields, kind Kind, id ident.Scope) {
	if id.IsZero() {
		wrong.Add("scope_id", "choose the %s for which it holds", kind.Words())
	}
}

func flawOf(kind Kind, value string) string {
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return "control characters are not allowed here"
	}
	switch kind {
	case Model:
		if value == "" {
			return `enter the model as callers write it, or "*" for each model apart`
		}
	case EndUser:
		if value == "" || len(value) > endUserMax {
			return `enter one end user (at most 256 bytes), or "*" for each end user apart`
		}
	case Label:
		name, of, found := strings.Cut(value, "=")
		if !found || name == "" || of == "" || len(name) > labelNameMax || len(of) > labelValueMax {
			return `enter the label as name=value, or name=* for each of its values apart`
		}
	}
	return ""
}

// Words returns the kind as people say it.
func (k Kind) Words() string {
	switch k {
	case Org:
		return "organization"
	case VirtualKey:
		return "virtual key"
	case EndUser:
		return "end user"
	default:
		return string(k)
	}
}
