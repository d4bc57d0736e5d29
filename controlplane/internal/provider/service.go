package provider

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people do with providers and their credentials.
type Service struct {
	db  *tenant.DB
	box *seal.Box
}

// New returns a Service over the tenants' database and the box that seals credentials.
func New(db *tenant.DB, box *seal.Box) *Service { return &Service{db: db, box: box} }

// Create adds a provider, with its first credential when one is given. A name that is taken is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Provider, err error) {
	if err := actor.Require(authz.ProviderWrite); err != nil {
		return Provider{}, err
	}
	if in, err = in.clean(); err != nil {
		return Provider{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		id, err := insert(ctx, tx, actor.Org, in)
		if err != nil {
			return audit.Entry{}, err
		}
		if !in.Credential.IsZero() {
			first := CredentialInput{Name: firstCredential, Secret: in.Credential}
			if _, err := insertCredential(ctx, tx, s.box, actor.Org, id, in.Kind, first); err != nil {
				return audit.Entry{}, err
			}
		}
		if created, err = get(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "provider.create", SubjectID: id.UUID, SubjectName: created.Name, After: created}, nil
	})
	return created, err
}

// Update changes the name, address, catalog, network and settings of a provider; its kind stays.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.Provider, in Input) (updated Provider, err error) {
	if err := actor.Require(authz.ProviderWrite); err != nil {
		return Provider{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		in.Kind, in.Credential = before.Kind, seal.Secret{}
		if in, err = in.clean(); err != nil {
			return audit.Entry{}, err
		}
		if updated, err = update(ctx, tx, actor.Org, id, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "provider.update", SubjectID: id.UUID, SubjectName: updated.Name, Before: before, After: updated}, nil
	})
	return updated, err
}

// Archive takes a provider away. One that a route still targets is a Conflict that names the routes.
func (s *Service) Archive(ctx context.Context, actor authz.Actor, id ident.Provider) error {
	if err := actor.Require(authz.ProviderWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := refuseIfRouted(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		if err := archive(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "provider.archive", SubjectID: id.UUID, SubjectName: before.Name, Before: before}, nil
	})
}

// AddCredential adds a credential; the edges use all that are not retired.
func (s *Service) AddCredential(ctx context.Context, actor authz.Actor, id ident.Provider, in CredentialInput) (added Credential, err error) {
	if err := actor.Require(authz.ProviderWrite); err != nil {
		return Credential{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		owner, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if in, err = in.clean(owner.Kind); err != nil {
			return audit.Entry{}, err
		}
		if added, err = insertCredential(ctx, tx, s.box, actor.Org, id, owner.Kind, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "credential.create", SubjectID: added.ID.UUID, SubjectName: owner.Name + "/" + added.Name, After: added}, nil
	})
	return added, err
}

// RetireCredential takes a credential out of use for good.
func (s *Service) RetireCredential(ctx context.Context, actor authz.Actor, id ident.Provider, credential ident.Credential) error {
	if err := actor.Require(authz.ProviderWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		owner, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := retire(ctx, tx, actor.Org, id, credential); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "credential.retire", SubjectID: credential.UUID, SubjectName: owner.Name}, nil
	})
}

// Get returns one provider, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Provider) (found Provider, err error) {
	if err := actor.Require(authz.ProviderRead); err != nil {
		return Provider{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, id)
		return err
	})
	return found, err
}

// Retired returns a provider's credentials that are out of use, the last retired first.
func (s *Service) Retired(ctx context.Context, actor authz.Actor, id ident.Provider) (all []Credential, err error) {
	if err := actor.Require(authz.ProviderRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = retired(ctx, tx, actor.Org, id)
		return err
	})
	return all, err
}

// List returns the providers that are not archived, by name.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Provider, err error) {
	if err := actor.Require(authz.ProviderRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = List(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// OpenCredentials returns the secrets of all credentials in use inside a transaction that has entered org. It is for publish.
func (s *Service) OpenCredentials(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Opened, error) {
	return open(ctx, tx, s.box, org)
}
