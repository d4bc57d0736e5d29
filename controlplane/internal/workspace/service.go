package workspace

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people do with workspaces.
type Service struct{ db *tenant.DB }

// New returns a Service over the tenants' database.
func New(db *tenant.DB) *Service { return &Service{db: db} }

// Create adds a workspace. A slug that is taken is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Workspace, err error) {
	if err := actor.Require(authz.WorkspaceWrite); err != nil {
		return Workspace{}, err
	}
	if in, err = in.clean(); err != nil {
		return Workspace{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if created, err = insert(ctx, tx, actor.Org, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "workspace.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	return created, err
}

// Rename gives a workspace another name; its slug stays.
func (s *Service) Rename(ctx context.Context, actor authz.Actor, id ident.Workspace, name string) (renamed Workspace, err error) {
	if err := actor.Require(authz.WorkspaceWrite); err != nil {
		return Workspace{}, err
	}
	in, err := Input{Name: name, Slug: "unchanged"}.clean()
	if err != nil {
		return Workspace{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if renamed, err = update(ctx, tx, actor.Org, id, in.Name); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "workspace.rename", SubjectID: id.UUID, SubjectName: renamed.Name, Before: before, After: renamed}, nil
	})
	return renamed, err
}

// Purge forgets every answer that edges keep for the workspace's calls.
func (s *Service) Purge(ctx context.Context, actor authz.Actor, id ident.Workspace) (purged Workspace, err error) {
	if err := actor.Require(authz.WorkspaceWrite); err != nil {
		return Workspace{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if purged, err = forgetAnswers(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "workspace.purge_cache", SubjectID: id.UUID, SubjectName: purged.Name}, nil
	})
	return purged, err
}

// Get returns one workspace, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Workspace) (found Workspace, err error) {
	if err := actor.Require(authz.WorkspaceRead); err != nil {
		return Workspace{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, id)
		return err
	})
	return found, err
}

// List returns the workspaces that are not archived, by name.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Workspace, err error) {
	if err := actor.Require(authz.WorkspaceRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = List(ctx, tx, actor.Org)
		return err
	})
	return all, err
}
