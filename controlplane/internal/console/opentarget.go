package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/web/component"
	"tollgate.dev/web/edgeui"
)

// openTarget says why an edge does not call a model, and until when.
func openTarget(one edge.OpenTarget) edgeui.OpenTarget {
	out := edgeui.OpenTarget{Provider: one.Provider, Model: one.Model, Route: one.Route, Since: component.At(one.Since, "ago"), State: component.Badge{Text: "open", Tone: component.Bad}}
	out.Why = fmt.Sprintf("%d failures, the last: %s", one.Failures, one.Reason)
	switch {
	case one.Failures == 1 && !one.Limited:
		out.Why = "1 failure: " + one.Reason
	case one.Limited:
		out.Why, out.State = "it has asked for it: "+one.Reason, component.Badge{Text: "limited", Tone: component.Warn}
	}
	if one.HalfOpen {
		out.State = component.Badge{Text: "half open", Tone: component.Warn}
	} else {
		out.Next = component.At(one.ProbeAt, "moment")
	}
	return out
}

// heldBackAt names the edges that hold calls back from a provider; empty: none does.
func heldBackAt(edges []edge.Edge, provider ident.Provider) string {
	var names []string
	for _, each := range edges {
		if slices.ContainsFunc(each.OpenTargets, func(one edge.OpenTarget) bool { return one.ProviderID == provider }) {
			names = append(names, each.Name)
		}
	}
	return heldAt(names)
}

// refusal says why and where a provider refuses a credential; empty: nowhere.
func refusal(edges []edge.Edge, credential ident.Credential) (text string, since component.Moment) {
	var names []string
	status, first := 0, time.Time{}
	for _, each := range edges {
		for _, one := range each.Refused {
			if one.CredentialID != credential {
				continue
			}
			if names, status = append(names, each.Name), one.Status; first.IsZero() || one.Since.Before(first) {
				first = one.Since
			}
		}
	}
	if len(names) == 0 {
		return "", since
	}
	return fmt.Sprintf("status %d at %s, since", status, strings.Join(names, ", ")), component.At(first, "ago")
}

// refusedOf counts the credentials that a provider refuses.
func refusedOf(edges []edge.Edge, of provider.Provider) (n int) {
	for _, one := range of.Credentials {
		if text, _ := refusal(edges, one.ID); text != "" {
			n++
		}
	}
	return n
}

// heldAt says at which edges something is held back; empty: at none.
func heldAt(names []string) string {
	switch {
	case len(names) == 0:
		return ""
	case len(names) > 2:
		return fmt.Sprintf("held back at %d edges", len(names))
	default:
		return "held back at " + strings.Join(names, ", ")
	}
}

// heldBack returns the models of a provider that edges hold calls back from.
func heldBack(edges []edge.Edge, provider ident.Provider) []edgeui.OpenTarget {
	var open []edgeui.OpenTarget
	for _, each := range edges {
		for _, one := range each.OpenTargets {
			if one.ProviderID == provider {
				row := openTarget(one)
				row.Edge = each.Name
				open = append(open, row)
			}
		}
	}
	return open
}
