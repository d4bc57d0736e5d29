package org

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
)

// members knows people.
type members interface {
	Judge(email, name string, password seal.Secret) fault.Fields
	AdmitOwner(ctx context.Context, tx pgx.Tx, org ident.Org, email, name string, password seal.Secret) error
	Nobody(ctx context.Context, tx pgx.Tx) (bool, error)
}

// tokens makes API tokens.
type tokens interface {
	// Generate returns the text of a fresh token of the organization.
	Generate(org ident.Org) seal.Secret
	// OrgOf returns the organization that a token's text names.
	OrgOf(text seal.Secret) (ident.Org, error)
	// Keep keeps a token's hash inside a transaction that has entered org.
	Keep(ctx context.Context, tx pgx.Tx, org ident.Org, name string, role authz.Role, text seal.Secret) error
}

// Service is what is done with organizations.
type Service struct {
	db      *tenant.DB
	members members
	tokens  tokens
}

// New returns a Service over the tenants' database and those who know people and API tokens.
func New(db *tenant.DB, members members, tokens tokens) *Service {
	return &Service{db: db, members: members, tokens: tokens}
}

// Create adds another organization with its first owner and an owner's API token, whose text is shown once. Only an owner may.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (Org, seal.Secret, error) {
	if err := actor.Require(authz.OrgWrite); err != nil {
		return Org{}, seal.Secret{}, err
	}
	if actor.Role != authz.Owner {
		return Org{}, seal.Secret{}, fault.New(fault.Forbidden, "only an owner of an organization may create another")
	}
	in, wrong := in.clean()
	addAdmin(&wrong, s.members.Judge(in.AdminEmail, in.AdminName, in.AdminPassword))
	if err := wrong.Err(); err != nil {
		return Org{}, seal.Secret{}, err
	}
	founder := actor
	founder.Org = ident.New[ident.Org]()
	text := s.tokens.Generate(founder.Org)
	var created Org
	err := s.db.Change(ctx, founder, func(tx pgx.Tx) (entry audit.Entry, err error) {
		created, entry, err = s.found(ctx, tx, founder.Org, in, text)
		return entry, err
	})
	if err != nil {
		return Org{}, seal.Secret{}, err
	}
	return created, text, nil
}

// Bootstrap makes the organization "Demo" with the first owner and their API token when nobody is there yet, and says whether it did.
func (s *Service) Bootstrap(ctx context.Context, first First) (made bool, err error) {
	id, err := s.tokens.OrgOf(first.Token)
	if err != nil {
		return false, err
	}
	in := Input{Name: "Demo", Slug: "demo", AdminEmail: first.Email, AdminPassword: first.Password}
	system := authz.Actor{Org: id, Kind: authz.SystemActor, Name: "first start", Role: authz.Owner}
	somebody := errors.New("there are people already")
	err = s.db.Change(ctx, system, func(tx pgx.Tx) (entry audit.Entry, err error) {
		nobody, err := s.members.Nobody(ctx, tx)
		if err != nil {
			return audit.Entry{}, err
		}
		if !nobody {
			return audit.Entry{}, somebody
		}
		made = true
		cleaned, _ := in.clean()
		_, entry, err = s.found(ctx, tx, id, cleaned, first.Token)
		return entry, err
	})
	if errors.Is(err, somebody) {
		return false, nil
	}
	return made && err == nil, err
}

// Get returns the actor's organization.
func (s *Service) Get(ctx context.Context, actor authz.Actor) (found Org, err error) {
	if err := actor.Require(authz.OrgRead); err != nil {
		return Org{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = Get(ctx, tx, actor.Org)
		return err
	})
	return found, err
}

// Update changes the actor's organization; its slug stays.
func (s *Service) Update(ctx context.Context, actor authz.Actor, change Change) (after Org, err error) {
	if err := actor.Require(authz.OrgWrite); err != nil {
		return Org{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := Get(ctx, tx, actor.Org)
		if err != nil {
			return audit.Entry{}, err
		}
		if after, err = change.over(before); err != nil {
			return audit.Entry{}, err
		}
		if after, err = update(ctx, tx, after); err != nil {
			return audit.Entry{}, err
		}
		action := "organization.update"
		if before.WhenSpoolFull == after.WhenSpoolFull {
			action = "organization.rename"
		}
		return audit.Entry{Action: action, SubjectID: actor.Org.UUID, SubjectName: after.Name, Before: before, After: after}, nil
	})
	return after, err
}

// found adds organization, owner and token.
func (s *Service) found(ctx context.Context, tx pgx.Tx, id ident.Org, in Input, token seal.Secret) (Org, audit.Entry, error) {
	created, err := insert(ctx, tx, id, in)
	if err != nil {
		return Org{}, audit.Entry{}, err
	}
	if err := s.members.AdmitOwner(ctx, tx, id, in.AdminEmail, in.AdminName, in.AdminPassword); err != nil {
		return Org{}, audit.Entry{}, err
	}
	if err := s.tokens.Keep(ctx, tx, id, "first token", authz.Owner, token); err != nil {
		return Org{}, audit.Entry{}, err
	}
	return created, audit.Entry{Action: "organization.create", SubjectID: id.UUID, SubjectName: created.Name, After: created}, nil
}
