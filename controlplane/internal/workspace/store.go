package workspace

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/workspace/internal/workspacedb"
)

// List returns the workspaces that are not archived inside a transaction that has entered org. It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Workspace, error) {
	rows, err := workspacedb.New(tx).ListWorkspaces(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list workspaces of %s: %w", org, err)
	}
	all := make([]Workspace, len(rows))
	for i, row := range rows {
		all[i] = fromRow(workspacedb.GetWorkspaceRow(row))
	}
	return all, nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input) (Workspace, error) {
	row, err := workspacedb.New(tx).InsertWorkspace(ctx, workspacedb.InsertWorkspaceParams{
		OrgID: org, WorkspaceID: ident.New[ident.Workspace](), Name: in.Name, Slug: in.Slug,
	})
	if tenant.Violates(err, "workspace_slug_key") {
		return Workspace{}, fault.Taken("slug", "%q is taken in this organization; choose another", in.Slug)
	}
	if err != nil {
		return Workspace{}, fmt.Errorf("insert workspace: %w", err)
	}
	return fromRow(workspacedb.GetWorkspaceRow(row)), nil
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Workspace, name string) (Workspace, error) {
	row, err := workspacedb.New(tx).UpdateWorkspace(ctx, workspacedb.UpdateWorkspaceParams{OrgID: org, WorkspaceID: id, Name: name})
	if err != nil {
		return Workspace{}, missing(err, id)
	}
	return fromRow(workspacedb.GetWorkspaceRow(row)), nil
}

func forgetAnswers(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Workspace) (Workspace, error) {
	row, err := workspacedb.New(tx).ForgetAnswers(ctx, workspacedb.ForgetAnswersParams{OrgID: org, WorkspaceID: id})
	if err != nil {
		return Workspace{}, missing(err, id)
	}
	return fromRow(workspacedb.GetWorkspaceRow(row)), nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Workspace) (Workspace, error) {
	row, err := workspacedb.New(tx).GetWorkspace(ctx, workspacedb.GetWorkspaceParams{OrgID: org, WorkspaceID: id})
	if err != nil {
		return Workspace{}, missing(err, id)
	}
	return fromRow(row), nil
}

func fromRow(row workspacedb.GetWorkspaceRow) Workspace {
	return Workspace{ID: row.WorkspaceID, Name: row.Name, Slug: row.Slug, CacheEpoch: int(row.CacheEpoch), CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt}
}

func missing(err error, id ident.Workspace) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no workspace %s", id)
	}
	return fmt.Errorf("workspace %s: %w", id, err)
}
