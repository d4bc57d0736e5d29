package scope

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope/internal/scopedb"
)

// Judge notes an id or a model that names nothing in the organization, inside a transaction that has entered org. The error is of the look-up.
func Judge(ctx context.Context, tx pgx.Tx, wrong *fault.Fields, org ident.Org, kind Kind, id ident.Scope, value string) error {
	if kind.ByID() && id.IsZero() || kind.ByValue() && (value == "" || value == Each) {
		return nil
	}
	exists, err := exists(ctx, tx, org, kind, id, value)
	if err != nil {
		return fmt.Errorf("look up %s %s%s: %w", kind, id, value, err)
	}
	switch {
	case exists:
	case kind == Model:
		wrong.Add("scope_value", "no route is named %q; callers write the names of routes as their model", value)
	default:
		wrong.Add("scope_id", "choose a %s of this organization", kind.Words())
	}
	return nil
}

func exists(ctx context.Context, tx pgx.Tx, org ident.Org, kind Kind, id ident.Scope, value string) (bool, error) {
	queries := scopedb.New(tx)
	switch kind {
	case Workspace:
		return queries.WorkspaceExists(ctx, scopedb.WorkspaceExistsParams{OrgID: org, WorkspaceID: ident.Workspace(id)})
	case Agent:
		return queries.AgentExists(ctx, scopedb.AgentExistsParams{OrgID: org, AgentID: ident.Agent(id)})
	case Model:
		return queries.ModelExists(ctx, scopedb.ModelExistsParams{OrgID: org, Name: value})
	case VirtualKey:
		return queries.VirtualKeyExists(ctx, scopedb.VirtualKeyExistsParams{OrgID: org, VirtualKeyID: ident.VirtualKey(id)})
	default:
		return true, nil // nothing to look up, or the kind itself is wrong, and noted
	}
}
