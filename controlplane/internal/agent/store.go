package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/agent/internal/agentdb"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
)

// List returns the agents that are not archived inside a transaction that has entered org. It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Agent, error) {
	rows, err := agentdb.New(tx).ListAgents(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list agents of %s: %w", org, err)
	}
	all := make([]Agent, len(rows))
	for i, row := range rows {
		all[i] = fromRow(agentdb.GetAgentRow(row))
	}
	return all, nil
}

func checkWorkspace(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, wrong *fault.Fields) error {
	exists, err := agentdb.New(tx).WorkspaceExists(ctx, agentdb.WorkspaceExistsParams{OrgID: org, WorkspaceID: in.WorkspaceID})
	if err != nil {
		return fmt.Errorf("look up workspace: %w", err)
	}
	if !exists {
		wrong.Add("workspace_id", "choose a workspace of this organization")
	}
	return wrong.Err()
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input) (Agent, error) {
	id := ident.New[ident.Agent]()
	err := agentdb.New(tx).InsertAgent(ctx, agentdb.InsertAgentParams{
		OrgID: org, AgentID: id, WorkspaceID: in.WorkspaceID, Name: in.Name, Description: in.Description,
	})
	if err != nil {
		return Agent{}, taken(err, in, "insert agent")
	}
	return get(ctx, tx, org, id)
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Agent, in Input) (Agent, error) {
	count, err := agentdb.New(tx).UpdateAgent(ctx, agentdb.UpdateAgentParams{OrgID: org, AgentID: id, Name: in.Name, Description: in.Description})
	if err != nil {
		return Agent{}, taken(err, in, "update agent")
	}
	if count == 0 {
		return Agent{}, missing(pgx.ErrNoRows, id)
	}
	return get(ctx, tx, org, id)
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Agent) error {
	count, err := agentdb.New(tx).ArchiveAgent(ctx, agentdb.ArchiveAgentParams{OrgID: org, AgentID: id})
	if err == nil && count == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return missing(err, id)
	}
	return nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Agent) (Agent, error) {
	row, err := agentdb.New(tx).GetAgent(ctx, agentdb.GetAgentParams{OrgID: org, AgentID: id})
	if err != nil {
		return Agent{}, missing(err, id)
	}
	return fromRow(row), nil
}

func fromRow(row agentdb.GetAgentRow) Agent {
	return Agent{
		ID: row.AgentID, WorkspaceID: row.WorkspaceID, WorkspaceName: row.WorkspaceName, Name: row.Name, Description: row.Description,
		CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt,
	}
}

func taken(err error, in Input, doing string) error {
	if tenant.Violates(err, "agent_name_key") {
		return fault.Taken("name", "an agent named %q is in this workspace already; choose another name", in.Name)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func missing(err error, id ident.Agent) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no agent %s", id)
	}
	return fmt.Errorf("agent %s: %w", id, err)
}
