package org

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/org/internal/orgdb"
	"tollgate.dev/controlplane/internal/tenant"
)

// Get returns the organization inside a transaction that has entered it. It is for publish.
func Get(ctx context.Context, tx pgx.Tx, id ident.Org) (Org, error) {
	row, err := orgdb.New(tx).GetOrg(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Org{}, fault.New(fault.NotFound, "there is no organization %s", id)
	}
	if err != nil {
		return Org{}, fmt.Errorf("organization %s: %w", id, err)
	}
	return Org{ID: row.OrgID, Name: row.Name, Slug: row.Slug, CreatedAt: row.CreatedAt, SuspendedAt: row.SuspendedAt, WhenSpoolFull: WhenSpoolFull(row.WhenSpoolFull)}, nil
}

func insert(ctx context.Context, tx pgx.Tx, id ident.Org, in Input) (Org, error) {
	err := orgdb.New(tx).InsertOrg(ctx, orgdb.InsertOrgParams{OrgID: id, Name: in.Name, Slug: in.Slug})
	if tenant.Violates(err, "org_slug_key") {
		return Org{}, fault.Taken("slug", "%q is taken; choose another", in.Slug)
	}
	if err != nil {
		return Org{}, fmt.Errorf("insert organization: %w", err)
	}
	return Get(ctx, tx, id)
}

func update(ctx context.Context, tx pgx.Tx, after Org) (Org, error) {
	if _, err := orgdb.New(tx).UpdateOrg(ctx, orgdb.UpdateOrgParams{OrgID: after.ID, Name: after.Name, WhenSpoolFull: string(after.WhenSpoolFull)}); err != nil {
		return Org{}, fmt.Errorf("update organization %s: %w", after.ID, err)
	}
	return Get(ctx, tx, after.ID)
}
