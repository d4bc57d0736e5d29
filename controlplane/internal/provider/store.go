package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/provider/internal/providerdb"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
)

// List returns the providers that are not archived, with their credentials in use, inside a transaction that has entered org.
// It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Provider, error) {
	queries := providerdb.New(tx)
	rows, err := queries.ListProviders(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list providers of %s: %w", org, err)
	}
	credentials, err := queries.ListCredentials(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list credentials of %s: %w", org, err)
	}
	byProvider := make(map[ident.Provider][]Credential, len(rows))
	for _, row := range credentials {
		byProvider[row.ProviderID] = append(byProvider[row.ProviderID], Credential{ID: row.CredentialID, Name: row.Name, Identity: row.Identity, CreatedAt: row.CreatedAt})
	}
	all := make([]Provider, len(rows))
	for i, row := range rows {
		all[i] = fromRow(providerdb.GetProviderRow(row), byProvider[row.ProviderID])
	}
	return all, nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input) (ident.Provider, error) {
	id := ident.New[ident.Provider]()
	err := providerdb.New(tx).InsertProvider(ctx, providerdb.InsertProviderParams{
		OrgID: org, ProviderID: id, Name: in.Name, Kind: string(in.Kind), BaseUrl: in.BaseURL, Catalog: in.Catalog, PrivateNetwork: in.PrivateNetwork,
		MaxConcurrency: int32(in.MaxConcurrency), QueueLength: int32(in.QueueLength), QueueWaitMs: int32(in.QueueWaitMS),
		Region: in.Region, ApiVersion: in.APIVersion, Compatible: *in.Compatible, ChatOnly: in.ChatOnly, Project: in.Project,
	})
	if err != nil {
		return ident.Provider{}, taken(err, in, "insert provider")
	}
	return id, nil
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Provider, in Input) (Provider, error) {
	count, err := providerdb.New(tx).UpdateProvider(ctx, providerdb.UpdateProviderParams{
		OrgID: org, ProviderID: id, Name: in.Name, BaseUrl: in.BaseURL, Catalog: in.Catalog, PrivateNetwork: in.PrivateNetwork,
		MaxConcurrency: int32(in.MaxConcurrency), QueueLength: int32(in.QueueLength), QueueWaitMs: int32(in.QueueWaitMS),
		Region: in.Region, ApiVersion: in.APIVersion, Compatible: *in.Compatible, ChatOnly: in.ChatOnly, Project: in.Project,
	})
	if err != nil {
		return Provider{}, taken(err, in, "update provider")
	}
	if count == 0 {
		return Provider{}, missing(pgx.ErrNoRows, id)
	}
	return get(ctx, tx, org, id)
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Provider) error {
	if _, err := providerdb.New(tx).ArchiveProvider(ctx, providerdb.ArchiveProviderParams{OrgID: org, ProviderID: id}); err != nil {
		return fmt.Errorf("archive provider %s: %w", id, err)
	}
	return nil
}

func refuseIfRouted(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Provider) error {
	names, err := providerdb.New(tx).ListRoutesOfProvider(ctx, providerdb.ListRoutesOfProviderParams{OrgID: org, ProviderID: id})
	if err != nil {
		return fmt.Errorf("list routes of provider %s: %w", id, err)
	}
	if len(names) > 0 {
		return fault.New(fault.Conflict, "routes still target this provider: %s; change or archive them first", strings.Join(names, ", "))
	}
	return nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Provider) (Provider, error) {
	queries := providerdb.New(tx)
	row, err := queries.GetProvider(ctx, providerdb.GetProviderParams{OrgID: org, ProviderID: id})
	if err != nil {
		return Provider{}, missing(err, id)
	}
	rows, err := queries.ListCredentialsOfProvider(ctx, providerdb.ListCredentialsOfProviderParams{OrgID: org, ProviderID: id})
	if err != nil {
		return Provider{}, fmt.Errorf("list credentials of provider %s: %w", id, err)
	}
	credentials := make([]Credential, len(rows))
	for i, row := range rows {
		credentials[i] = Credential{ID: row.CredentialID, Name: row.Name, Identity: row.Identity, CreatedAt: row.CreatedAt}
	}
	return fromRow(row, credentials), nil
}

// getForUpdate locks the provider, which must not be archived, until the end of the transaction.
func getForUpdate(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Provider) (Provider, error) {
	if _, err := providerdb.New(tx).LockProvider(ctx, providerdb.LockProviderParams{OrgID: org, ProviderID: id}); err != nil {
		return Provider{}, missing(err, id)
	}
	return get(ctx, tx, org, id)
}

func insertCredential(ctx context.Context, tx pgx.Tx, box *seal.Box, org ident.Org, owner ident.Provider, kind Kind, in CredentialInput) (Credential, error) {
	id := ident.New[ident.Credential]()
	sealed, version, err := box.Seal(ctx, tx, org, place(id), in.Secret)
	if err != nil {
		return Credential{}, err
	}
	row, err := providerdb.New(tx).InsertCredential(ctx, providerdb.InsertCredentialParams{
		OrgID: org, CredentialID: id, ProviderID: owner, Name: in.Name, KeyVersion: version, Sealed: sealed, Identity: identity(kind, in.Secret),
	})
	if err != nil {
		return Credential{}, fmt.Errorf("insert credential: %w", err)
	}
	return Credential{ID: row.CredentialID, Name: row.Name, Identity: row.Identity, CreatedAt: row.CreatedAt}, nil
}

func retire(ctx context.Context, tx pgx.Tx, org ident.Org, owner ident.Provider, id ident.Credential) error {
	count, err := providerdb.New(tx).RetireCredential(ctx, providerdb.RetireCredentialParams{OrgID: org, ProviderID: owner, CredentialID: id})
	if err != nil {
		return fmt.Errorf("retire credential %s: %w", id, err)
	}
	if count == 0 {
		return fault.New(fault.NotFound, "there is no credential %s in use at this provider", id)
	}
	return nil
}

func retired(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Provider) ([]Credential, error) {
	rows, err := providerdb.New(tx).ListRetiredCredentials(ctx, providerdb.ListRetiredCredentialsParams{OrgID: org, ProviderID: id})
	if err != nil {
		return nil, fmt.Errorf("list retired credentials of provider %s: %w", id, err)
	}
	all := make([]Credential, len(rows))
	for i, row := range rows {
		all[i] = Credential{ID: row.CredentialID, Name: row.Name, Identity: row.Identity, CreatedAt: row.CreatedAt, RetiredAt: row.RetiredAt}
	}
	return all, nil
}

func open(ctx context.Context, tx pgx.Tx, box *seal.Box, org ident.Org) ([]Opened, error) {
	rows, err := providerdb.New(tx).ListSealed(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list sealed credentials of %s: %w", org, err)
	}
	ring, err := box.Ring(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	all := make([]Opened, len(rows))
	for i, row := range rows {
		secret, err := ring.Open(row.KeyVersion, place(row.CredentialID), row.Sealed)
		if err != nil {
			return nil, err
		}
		all[i] = Opened{ID: row.CredentialID, ProviderID: row.ProviderID, Secret: secret}
	}
	return all, nil
}

func place(id ident.Credential) seal.Place {
	return seal.Place{Table: "credential", Row: id.UUID, Column: "sealed"}
}

func fromRow(row providerdb.GetProviderRow, credentials []Credential) Provider {
	if credentials == nil {
		credentials = []Credential{}
	}
	return Provider{
		ID: row.ProviderID, Name: row.Name, Kind: Kind(row.Kind), BaseURL: row.BaseUrl, Catalog: row.Catalog, PrivateNetwork: row.PrivateNetwork,
		MaxConcurrency: int(row.MaxConcurrency), QueueLength: int(row.QueueLength), QueueWaitMS: int(row.QueueWaitMs),
		Region: row.Region, APIVersion: row.ApiVersion, Compatible: row.Compatible, ChatOnly: row.ChatOnly, Project: row.Project,
		Credentials: credentials, CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt,
	}
}

func taken(err error, in Input, doing string) error {
	if tenant.Violates(err, "provider_name_key") {
		return fault.Taken("name", "a provider named %q exists already; choose another name", in.Name)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func missing(err error, id ident.Provider) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no provider %s", id)
	}
	return fmt.Errorf("provider %s: %w", id, err)
}
