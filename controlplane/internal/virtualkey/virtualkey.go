// Package virtualkey keeps the keys that agents call with: made once, shown once, stored as a hash, revoked within a second.
// It refuses to keep a key's text and to say whether a text is a key.
package virtualkey

import (
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/dataplane/wire"
)

// RevocationChannel is the Postgres notification channel of revocations; the payload is "<org id> <key id> <hash in hex>".
const RevocationChannel = "tollgate_revocation"

// Priority orders the calls of one workspace that wait for a provider. It never reaches past the workspace.
type Priority string

// The priorities.
const (
	High   Priority = "high"
	Normal Priority = "normal"
	Low    Priority = "low"
)

// Handling is what happens to a field of a request that the format of the model's provider does not have.
type Handling string

// The handlings.
const (
	Refuse Handling = "refuse" // the call is refused, by the field's name
	Drop   Handling = "drop"   // the field is left out, and the answer's header names it; never a part of the conversation itself
)

// VirtualKey is what is shown of a key.
type VirtualKey struct {
	ID                ident.VirtualKey `json:"id"`
	WorkspaceID       ident.Workspace  `json:"workspace_id"`
	WorkspaceName     string           `json:"workspace_name"`
	AgentID           ident.Agent      `json:"agent_id"` // none: the key stands for no agent
	AgentName         string           `json:"agent_name"`
	Name              string           `json:"name"`
	Prefix            string           `json:"prefix"`              // how the key begins: enough to tell keys apart, of no help in guessing one
	AllowedModels     []string         `json:"allowed_models"`      // names of routes; none: every route of the workspace
	RequestsPerMinute int              `json:"requests_per_minute"` // 0: no limit
	Priority          Priority         `json:"priority"`            // among the calls of its workspace that wait for a provider
	FieldsNotCarried  Handling         `json:"fields_not_carried"`
	AllowsProxy       bool             `json:"allows_proxy"` // it may call the providers of its routes as they are, at any path
	CreatedAt         time.Time        `json:"created_at"`
	ExpiresAt         *time.Time       `json:"expires_at"`
	RevokedAt         *time.Time       `json:"revoked_at"`
	Hash              [32]byte         `json:"-"` // wire.KeyHash; it never leaves but for the edges
}

// Input is what a caller sets. The workspace never changes after creation.
type Input struct {
	Name              string          `json:"name"`
	WorkspaceID       ident.Workspace `json:"workspace_id"`
	AgentID           ident.Agent     `json:"agent_id"`
	AllowedModels     []string        `json:"allowed_models"`
	ExpiresAt         *time.Time      `json:"expires_at"`
	RequestsPerMinute int             `json:"requests_per_minute"`
	Priority          Priority        `json:"priority"`           // empty: normal
	FieldsNotCarried  Handling        `json:"fields_not_carried"` // empty: refuse
	AllowsProxy       bool            `json:"allows_proxy"`
}

const (
	nameMax              = 80
	requestsPerMinuteMax = 100_000_000
	allowedModelsMax     = 1000
	environment          = "live"
	randomLength         = 32 // base62: 190 bits
	prefixRandom         = 4  // of which the prefix shows 4: 166 bits stay unknown
)

// clean trims the input and says what is wrong; workspace, agent and models are judged where they can be looked up.
func (in Input) clean(now time.Time) (Input, fault.Fields) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	if in.ExpiresAt != nil && !in.ExpiresAt.After(now) {
		wrong.Add("expires_at", "choose a time in the future, or leave it empty for a key without end")
	}
	if in.RequestsPerMinute < 0 || in.RequestsPerMinute > requestsPerMinuteMax {
		wrong.Add("requests_per_minute", "enter a number between 1 and %d, or 0 for no limit", requestsPerMinuteMax)
	}
	if in.Priority == "" {
		in.Priority = Normal
	}
	if in.Priority != High && in.Priority != Normal && in.Priority != Low {
		wrong.Add("priority", "choose %q, %q or %q", High, Normal, Low)
	}
	if in.FieldsNotCarried == "" {
		in.FieldsNotCarried = Refuse
	}
	if in.FieldsNotCarried != Refuse && in.FieldsNotCarried != Drop {
		wrong.Add("fields_not_carried", "choose %q or %q", Refuse, Drop)
	}
	models := make([]string, 0, len(in.AllowedModels))
	for _, model := range in.AllowedModels {
		if model = strings.TrimSpace(model); model != "" {
			models = append(models, model)
		}
	}
	slices.Sort(models)
	in.AllowedModels = slices.Compact(models)
	if len(in.AllowedModels) > allowedModelsMax {
		wrong.Add("allowed_models", "name at most %d models", allowedModelsMax)
	}
	return in, wrong
}

// judgeModels notes the models that no route of the workspace is named for.
func judgeModels(wrong *fault.Fields, models, routes []string) {
	var unknown []string
	for _, model := range models {
		if !slices.Contains(routes, model) {
			unknown = append(unknown, model)
		}
	}
	switch {
	case len(unknown) == 0:
	case len(routes) == 0:
		wrong.Add("allowed_models", "the workspace has no routes yet; create one first, or leave this empty")
	default:
		wrong.Add("allowed_models", "no route is named %s; the workspace has %s", strings.Join(head(unknown), ", "), strings.Join(head(routes), ", "))
	}
}

func head(names []string) []string {
	const most = 10
	if len(names) > most {
		return append(slices.Clone(names[:most]), "…")
	}
	return names
}

// generate returns a fresh key's text and the beginning of it that may be shown.
func generate() (text seal.Secret, prefix string) {
	full := wire.KeyText(environment, seal.Random(randomLength))
	return seal.NewSecret(full), full[:len(wire.KeyPrefix)+len(environment)+len("_")+prefixRandom]
}
