package apitoken

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what is done with API tokens.
type Service struct {
	db  *tenant.DB
	now func() time.Time
}

// New returns a Service over the tenants' database and a clock.
func New(db *tenant.DB, now func() time.Time) *Service { return &Service{db: db, now: now} }

// Create makes a token whose role is not above the actor's. The returned text is the only copy there will ever be.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created APIToken, text seal.Secret, err error) {
	if err := actor.Require(authz.APITokenWrite); err != nil {
		return APIToken{}, seal.Secret{}, err
	}
	if in, err = in.clean(s.now()); err != nil {
		return APIToken{}, seal.Secret{}, err
	}
	if err := mayTouch(actor, in.Role); err != nil {
		return APIToken{}, seal.Secret{}, err
	}
	text = s.Generate(actor.Org)
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if created, err = insert(ctx, tx, actor.Org, in, tokenHash(text)); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "api_token.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	if err != nil {
		return APIToken{}, seal.Secret{}, err
	}
	return created, text, nil
}

// Revoke ends a token for good; the next call with it is refused. One that is revoked already stays as it is.
func (s *Service) Revoke(ctx context.Context, actor authz.Actor, id ident.APIToken) (APIToken, error) {
	if err := actor.Require(authz.APITokenWrite); err != nil {
		return APIToken{}, err
	}
	found, err := s.find(ctx, actor, id)
	if err != nil || found.RevokedAt != nil {
		return found, err
	}
	if err := mayTouch(actor, found.Role); err != nil {
		return APIToken{}, err
	}
	before := found
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if found, err = revoke(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "api_token.revoke", SubjectID: id.UUID, SubjectName: found.Name, Before: before, After: found}, nil
	})
	return found, err
}

// Get returns one token, revoked ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.APIToken) (APIToken, error) {
	if err := actor.Require(authz.APITokenRead); err != nil {
		return APIToken{}, err
	}
	return s.find(ctx, actor, id)
}

// List returns all tokens, revoked ones too, newest first.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []APIToken, err error) {
	if err := actor.Require(authz.APITokenRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// Keep keeps the hash of a token that was made elsewhere, inside a transaction that has entered org.
func (s *Service) Keep(ctx context.Context, tx pgx.Tx, org ident.Org, name string, role authz.Role, text seal.Secret) error {
	_, err := insert(ctx, tx, org, Input{Name: name, Role: role}, tokenHash(text))
	return err
}

// TokenActor returns the program that an API token stands for.
func (s *Service) TokenActor(ctx context.Context, text seal.Secret, address string) (actor authz.Actor, err error) {
	refused := fault.New(fault.Unauthenticated, "the API token is unknown, expired or revoked")
	org, ok := parseToken(text.Reveal())
	if !ok {
		return authz.Actor{}, refused
	}
	err = s.db.Read(ctx, org, func(tx pgx.Tx) error {
		token, found, err := findByHash(ctx, tx, org, tokenHash(text))
		if err != nil {
			return err
		}
		if !found || !token.Live(s.now()) {
			return refused
		}
		actor = authz.Actor{Org: org, Kind: authz.APITokenActor, ID: token.ID.UUID, Name: token.Name, Address: address, Role: token.Role}
		return nil
	})
	return actor, err
}

func (s *Service) find(ctx context.Context, actor authz.Actor, id ident.APIToken) (found APIToken, err error) {
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, id)
		return err
	})
	return found, err
}
