package route

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people do with routes.
type Service struct{ db *tenant.DB }

// New returns a Service over the tenants' database.
func New(db *tenant.DB) *Service { return &Service{db: db} }

// Create adds a route. A name that is taken in the same place is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Route, err error) {
	if err := actor.Require(authz.RouteWrite); err != nil {
		return Route{}, err
	}
	in, wrong := in.clean()
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := judgeWorkspace(ctx, tx, &wrong, actor.Org, in.WorkspaceID); err != nil {
			return audit.Entry{}, err
		}
		if err := judgeTargets(ctx, tx, &wrong, actor.Org, in.Targets); err != nil {
			return audit.Entry{}, err
		}
		if err := wrong.Err(); err != nil {
			return audit.Entry{}, err
		}
		if created, err = insert(ctx, tx, actor.Org, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "route.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	return created, err
}

// Update changes the name, strategy and targets of a route; in.WorkspaceID is not looked at.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.Route, in Input) (updated Route, err error) {
	if err := actor.Require(authz.RouteWrite); err != nil {
		return Route{}, err
	}
	in, wrong := in.clean()
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := judgeTargets(ctx, tx, &wrong, actor.Org, in.Targets); err != nil {
			return audit.Entry{}, err
		}
		if err := wrong.Err(); err != nil {
			return audit.Entry{}, err
		}
		if updated, err = update(ctx, tx, actor.Org, id, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "route.update", SubjectID: id.UUID, SubjectName: updated.Name, Before: before, After: updated}, nil
	})
	return updated, err
}

// Archive takes a route away: its name is an unknown model from then on.
func (s *Service) Archive(ctx context.Context, actor authz.Actor, id ident.Route) error {
	if err := actor.Require(authz.RouteWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := archive(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "route.archive", SubjectID: id.UUID, SubjectName: before.Name, Before: before}, nil
	})
}

// Get returns one route, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Route) (found Route, err error) {
	if err := actor.Require(authz.RouteRead); err != nil {
		return Route{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, id)
		return err
	})
	return found, err
}

// List returns the routes that are not archived, by name.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Route, err error) {
	if err := actor.Require(authz.RouteRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = List(ctx, tx, actor.Org)
		return err
	})
	return all, err
}
