package apitoken

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/apitoken/internal/apitokendb"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
)

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, hash [32]byte) (APIToken, error) {
	id := ident.New[ident.APIToken]()
	err := apitokendb.New(tx).InsertToken(ctx, apitokendb.InsertTokenParams{
		OrgID: org, TokenID: id, Name: in.Name, Role: string(in.Role), TokenHash: hash[:], ExpiresAt: in.ExpiresAt,
	})
	if tenant.Violates(err, "api_token_hash_key") {
		return APIToken{}, errors.New("this API token exists already")
	}
	if err != nil {
		return APIToken{}, fmt.Errorf("insert API token: %w", err)
	}
	return get(ctx, tx, org, id)
}

func revoke(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.APIToken) (APIToken, error) {
	if err := apitokendb.New(tx).RevokeToken(ctx, apitokendb.RevokeTokenParams{OrgID: org, TokenID: id}); err != nil {
		return APIToken{}, fmt.Errorf("revoke API token %s: %w", id, err)
	}
	return get(ctx, tx, org, id)
}

func list(ctx context.Context, tx pgx.Tx, org ident.Org) ([]APIToken, error) {
	rows, err := apitokendb.New(tx).ListTokens(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list API tokens of %s: %w", org, err)
	}
	all := make([]APIToken, len(rows))
	for i, row := range rows {
		all[i] = fromRow(apitokendb.GetTokenRow(row))
	}
	return all, nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.APIToken) (APIToken, error) {
	row, err := apitokendb.New(tx).GetToken(ctx, apitokendb.GetTokenParams{OrgID: org, TokenID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return APIToken{}, fault.New(fault.NotFound, "there is no API token %s", id)
	}
	if err != nil {
		return APIToken{}, fmt.Errorf("API token %s: %w", id, err)
	}
	return fromRow(row), nil
}

func findByHash(ctx context.Context, tx pgx.Tx, org ident.Org, hash [32]byte) (APIToken, bool, error) {
	row, err := apitokendb.New(tx).FindToken(ctx, apitokendb.FindTokenParams{OrgID: org, TokenHash: hash[:]})
	if errors.Is(err, pgx.ErrNoRows) {
		return APIToken{}, false, nil
	}
	if err != nil {
		return APIToken{}, false, fmt.Errorf("find API token: %w", err)
	}
	return fromRow(apitokendb.GetTokenRow(row)), true, nil
}

func fromRow(row apitokendb.GetTokenRow) APIToken {
	return APIToken{ID: row.TokenID, Name: row.Name, Role: authz.Role(row.Role), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, RevokedAt: row.RevokedAt}
}
