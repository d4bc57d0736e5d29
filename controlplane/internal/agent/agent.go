// Package agent keeps the agents of a workspace: the programs for which virtual keys stand.
// It refuses to know what an agent does or spends.
package agent

import (
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
)

// Agent is a program that calls models and tools.
type Agent struct {
	ID            ident.Agent     `json:"id"`
	WorkspaceID   ident.Workspace `json:"workspace_id"`
	WorkspaceName string          `json:"workspace_name"`
	Name          string          `json:"name"` // unique among the workspace's agents that are not archived
	Description   string          `json:"description"`
	CreatedAt     time.Time       `json:"created_at"`
	ArchivedAt    *time.Time      `json:"archived_at,omitempty"`
}

// Input is what a caller sets. The workspace never changes after creation.
type Input struct {
	WorkspaceID ident.Workspace `json:"workspace_id"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
}

const (
	nameMax        = 80
	descriptionMax = 500
)

// clean trims the input and says what is wrong; the workspace is judged where it can be looked up.
func (in Input) clean() (Input, fault.Fields) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	in.Description = input.Text(&wrong, "description", in.Description, descriptionMax)
	return in, wrong
}
