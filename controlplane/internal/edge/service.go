package edge

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people ask about edges.
type Service struct {
	db  *tenant.DB
	now func() time.Time
}

// New returns a Service over the tenants' database.
func New(db *tenant.DB, now func() time.Time) *Service { return &Service{db: db, now: now} }

// List returns all edges and what each of them runs of the actor's organization.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Edge, err error) {
	if err := actor.Require(authz.EdgeRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, actor.Org, s.now())
		return err
	})
	return all, err
}

// Gaps returns the calls of the actor's organization that were served from since on and before until and could not be recorded.
func (s *Service) Gaps(ctx context.Context, actor authz.Actor, since, until time.Time) (all []Gap, err error) {
	if err := actor.Require(authz.UsageRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = listGaps(ctx, tx, actor.Org, since, until)
		return err
	})
	return all, err
}

// Rejects returns the usage records of the actor's organization that came from since on and before until and could not be taken, by edge.
func (s *Service) Rejects(ctx context.Context, actor authz.Actor, since, until time.Time) (all []Reject, err error) {
	if err := actor.Require(authz.UsageRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = listRejects(ctx, tx, actor.Org, since, until)
		return err
	})
	return all, err
}

// Problem returns why the organization's newest generation is not pushed, or nil when it is.
func (s *Service) Problem(ctx context.Context, actor authz.Actor) (problem *Problem, err error) {
	if err := actor.Require(authz.EdgeRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		problem, err = getProblem(ctx, tx, actor.Org)
		return err
	})
	return problem, err
}
