package virtualkey

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/virtualkey/internal/virtualkeydb"
)

// List returns all keys, revoked ones too, inside a transaction that has entered org. It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]VirtualKey, error) {
	rows, err := virtualkeydb.New(tx).ListVirtualKeys(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list virtual keys of %s: %w", org, err)
	}
	all := make([]VirtualKey, len(rows))
	for i, row := range rows {
		all[i] = fromRow(virtualkeydb.GetVirtualKeyRow(row))
	}
	return all, nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, prefix string, hash [32]byte) (VirtualKey, error) {
	id := ident.New[ident.VirtualKey]()
	err := virtualkeydb.New(tx).InsertVirtualKey(ctx, virtualkeydb.InsertVirtualKeyParams{
		OrgID: org, VirtualKeyID: id, WorkspaceID: in.WorkspaceID, AgentID: in.AgentID, Name: in.Name, Prefix: prefix, KeyHash: hash[:],
		AllowedModels: in.AllowedModels, RequestsPerMinute: int32(in.RequestsPerMinute), ExpiresAt: in.ExpiresAt, Priority: string(in.Priority),
		FieldsNotCarried: string(in.FieldsNotCarried), AllowsProxy: in.AllowsProxy,
	})
	if err != nil {
		return VirtualKey{}, fmt.Errorf("insert virtual key: %w", err)
	}
	return get(ctx, tx, org, id)
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.VirtualKey, in Input) (VirtualKey, error) {
	count, err := virtualkeydb.New(tx).UpdateVirtualKey(ctx, virtualkeydb.UpdateVirtualKeyParams{
		OrgID: org, VirtualKeyID: id, Name: in.Name, AgentID: in.AgentID,
		AllowedModels: in.AllowedModels, RequestsPerMinute: int32(in.RequestsPerMinute), ExpiresAt: in.ExpiresAt, Priority: string(in.Priority),
		FieldsNotCarried: string(in.FieldsNotCarried), AllowsProxy: in.AllowsProxy,
	})
	if err != nil {
		return VirtualKey{}, fmt.Errorf("update virtual key %s: %w", id, err)
	}
	if count == 0 {
		return VirtualKey{}, fault.New(fault.Conflict, "the key is revoked and cannot be changed; create another")
	}
	return get(ctx, tx, org, id)
}

// revoke marks the key and announces it on RevocationChannel at the commit. One that another call revoked meanwhile stays as it is.
func revoke(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.VirtualKey) (VirtualKey, error) {
	queries := virtualkeydb.New(tx)
	hash, err := queries.RevokeVirtualKey(ctx, virtualkeydb.RevokeVirtualKeyParams{OrgID: org, VirtualKeyID: id})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return VirtualKey{}, fmt.Errorf("revoke virtual key %s: %w", id, err)
	}
	if err == nil {
		if err := queries.NotifyRevocation(ctx, org.String()+" "+id.String()+" "+hex.EncodeToString(hash)); err != nil {
			return VirtualKey{}, fmt.Errorf("announce revocation of %s: %w", id, err)
		}
	}
	return get(ctx, tx, org, id)
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.VirtualKey) (VirtualKey, error) {
	row, err := virtualkeydb.New(tx).GetVirtualKey(ctx, virtualkeydb.GetVirtualKeyParams{OrgID: org, VirtualKeyID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return VirtualKey{}, fault.New(fault.NotFound, "there is no virtual key %s", id)
	}
	if err != nil {
		return VirtualKey{}, fmt.Errorf("virtual key %s: %w", id, err)
	}
	return fromRow(row), nil
}

func workspaceExists(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Workspace) (bool, error) {
	exists, err := virtualkeydb.New(tx).WorkspaceExists(ctx, virtualkeydb.WorkspaceExistsParams{OrgID: org, WorkspaceID: id})
	if err != nil {
		return false, fmt.Errorf("look up workspace %s: %w", id, err)
	}
	return exists, nil
}

func agentExists(ctx context.Context, tx pgx.Tx, org ident.Org, workspace ident.Workspace, id ident.Agent) (bool, error) {
	exists, err := virtualkeydb.New(tx).AgentExists(ctx, virtualkeydb.AgentExistsParams{OrgID: org, WorkspaceID: workspace, AgentID: id})
	if err != nil {
		return false, fmt.Errorf("look up agent %s: %w", id, err)
	}
	return exists, nil
}

func routeNames(ctx context.Context, tx pgx.Tx, org ident.Org, workspace ident.Workspace) ([]string, error) {
	names, err := virtualkeydb.New(tx).ListRouteNames(ctx, virtualkeydb.ListRouteNamesParams{OrgID: org, WorkspaceID: workspace})
	if err != nil {
		return nil, fmt.Errorf("list route names: %w", err)
	}
	return names, nil
}

func fromRow(row virtualkeydb.GetVirtualKeyRow) VirtualKey {
	key := VirtualKey{
		ID: row.VirtualKeyID, WorkspaceID: row.WorkspaceID, WorkspaceName: row.WorkspaceName, AgentID: row.AgentID, Name: row.Name,
		Prefix: row.Prefix, AllowedModels: row.AllowedModels, RequestsPerMinute: int(row.RequestsPerMinute), Priority: Priority(row.Priority),
		FieldsNotCarried: Handling(row.FieldsNotCarried), AllowsProxy: row.AllowsProxy,
		CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, RevokedAt: row.RevokedAt,
	}
	if row.AgentName != nil {
		key.AgentName = *row.AgentName
	}
	copy(key.Hash[:], row.KeyHash)
	return key
}
