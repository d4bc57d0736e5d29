package agent

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people do with agents.
type Service struct{ db *tenant.DB }

// New returns a Service over the tenants' database.
func New(db *tenant.DB) *Service { return &Service{db: db} }

// Create adds an agent to a workspace. A name that another agent there has is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Agent, err error) {
	if err := actor.Require(authz.AgentWrite); err != nil {
		return Agent{}, err
	}
	in, wrong := in.clean()
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := checkWorkspace(ctx, tx, actor.Org, in, &wrong); err != nil {
			return audit.Entry{}, err
		}
		if created, err = insert(ctx, tx, actor.Org, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "agent.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	return created, err
}

// Update gives an agent another name and description; in.WorkspaceID is not looked at.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.Agent, in Input) (updated Agent, err error) {
	if err := actor.Require(authz.AgentWrite); err != nil {
		return Agent{}, err
	}
	in, wrong := in.clean()
	if err := wrong.Err(); err != nil {
		return Agent{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if updated, err = update(ctx, tx, actor.Org, id, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "agent.update", SubjectID: id.UUID, SubjectName: updated.Name, Before: before, After: updated}, nil
	})
	return updated, err
}

// Archive takes an agent away. Its keys keep working and its usage keeps its name.
func (s *Service) Archive(ctx context.Context, actor authz.Actor, id ident.Agent) error {
	if err := actor.Require(authz.AgentWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := archive(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "agent.archive", SubjectID: id.UUID, SubjectName: before.Name, Before: before}, nil
	})
}

// Get returns one agent, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Agent) (found Agent, err error) {
	if err := actor.Require(authz.AgentRead); err != nil {
		return Agent{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, id)
		return err
	})
	return found, err
}

// List returns the agents that are not archived, by name.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Agent, err error) {
	if err := actor.Require(authz.AgentRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = List(ctx, tx, actor.Org)
		return err
	})
	return all, err
}
