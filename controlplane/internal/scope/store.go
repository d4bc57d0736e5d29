package scope

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope/internal/scopedb"
)

// Judge notes a scope id that names nothing in the organization, inside a transaction that has entered org. The error is of the look-up.
func Judge(ctx context.Context, tx pgx.Tx, wrong *fault.Fields, org ident.Org, kind Kind, id ident.Scope) error {
	if id.IsZero() {
		return nil
	}
	exists, err := exists(ctx, tx, org, kind, id)
	if err != nil {
		return fmt.Errorf("look up %s %s: %w", kind, id, err)
	}
	if !exists {
		wrong.Add("scope_id", "choose a %s of this organization", kind.words())
	}
	return nil
}

func exists(ctx context.Context, tx pgx.Tx, org ident.Org, kind Kind, id ident.Scope) (bool, error) {
	queries := scopedb.New(tx)
	switch kind {
	case Workspace:
		return queries.WorkspaceExists(ctx, scopedb.WorkspaceExistsParams{OrgID: org, WorkspaceID: ident.Workspace(id)})
	case VirtualKey:
		return queries.VirtualKeyExists(ctx, scopedb.VirtualKeyExistsParams{OrgID: org, VirtualKeyID: ident.VirtualKey(id)})
	default:
		return true, nil // the kind itself is wrong, and noted
	}
}
