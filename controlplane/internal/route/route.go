// Package route keeps which providers serve a model name, and in which order.
// It refuses to know prices and to choose a target: that is the edges' work.
package route

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
)

// Strategy is how the first target is chosen; the others are fallbacks.
type Strategy string

// The strategies.
const (
	Fallback Strategy = "fallback" // in order
	Weighted Strategy = "weighted" // the first by weight
)

// Route is a name that callers write as `model`, and where it leads.
type Route struct {
	ID            ident.Route     `json:"id"`
	WorkspaceID   ident.Workspace `json:"workspace_id"` // none: every workspace
	WorkspaceName string          `json:"workspace_name"`
	Name          string          `json:"name"` // unique in its workspace, or among those of every workspace; the workspace's own comes first
	Strategy      Strategy        `json:"strategy"`
	Targets       []Target        `json:"targets"`
	CreatedAt     time.Time       `json:"created_at"`
	ArchivedAt    *time.Time      `json:"archived_at,omitempty"`
}

// Target is a model at a provider.
type Target struct {
	ProviderID   ident.Provider `json:"provider_id"`
	ProviderName string         `json:"provider_name"` // shown; not looked at when set
	Model        string         `json:"model"`         // its name at the provider
	Weight       int            `json:"weight"`        // share of first attempts under Weighted; 0 there: a fallback only
}

// Input is what a caller sets. The workspace never changes after creation. An empty Strategy is Fallback.
type Input struct {
	Name        string          `json:"name"`
	WorkspaceID ident.Workspace `json:"workspace_id"`
	Strategy    Strategy        `json:"strategy"`
	Targets     []Target        `json:"targets"`
}

const (
	targetsMax = 20
	modelMax   = 200
	weightMax  = 1000
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,119}$`)

// clean trims the input and says what is wrong; workspace and providers are judged where they can be looked up.
func (in Input) clean() (Input, fault.Fields) {
	var wrong fault.Fields
	in.Name = strings.TrimSpace(in.Name)
	if !namePattern.MatchString(in.Name) {
		wrong.Add("name", "use 1 to 120 letters, digits and . _ : / @ + - without spaces: it is what callers write as model")
	}
	if in.Strategy == "" {
		in.Strategy = Fallback
	}
	if in.Strategy != Fallback && in.Strategy != Weighted {
		wrong.Add("strategy", "choose %q or %q", Fallback, Weighted)
	}
	in.Targets = in.cleanTargets(&wrong)
	return in, wrong
}

func (in Input) cleanTargets(wrong *fault.Fields) []Target {
	if len(in.Targets) == 0 || len(in.Targets) > targetsMax {
		wrong.Add("targets", "give between 1 and %d targets, each a model at a provider", targetsMax)
		return nil
	}
	targets, sum := make([]Target, len(in.Targets)), 0
	for i, target := range in.Targets {
		target.Model = input.Name(wrong, fieldOf(i, "model"), target.Model, modelMax)
		if target.Weight < 0 || target.Weight > weightMax {
			wrong.Add(fieldOf(i, "weight"), "enter a number between 0 and %d", weightMax)
		}
		if in.Strategy != Weighted {
			target.Weight = 1
		}
		sum += target.Weight
		targets[i] = target
	}
	if sum == 0 {
		wrong.Add("targets", "give at least one target a weight above 0")
	}
	return targets
}

func fieldOf(position int, name string) string { return fmt.Sprintf("targets[%d].%s", position, name) }
