package ratelimit

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people do with rate limits.
type Service struct{ db *tenant.DB }

// New returns a Service over the tenants' database.
func New(db *tenant.DB) *Service { return &Service{db: db} }

// Create adds a rate limit. A name that is taken is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created RateLimit, err error) {
	if err := actor.Require(authz.RateLimitWrite); err != nil {
		return RateLimit{}, err
	}
	in, wrong := in.clean()
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := scope.Judge(ctx, tx, &wrong, actor.Org, in.Scope, in.ScopeID, in.ScopeValue); err != nil {
			return audit.Entry{}, err
		}
		if err := wrong.Err(); err != nil {
			return audit.Entry{}, err
		}
		if created, err = insert(ctx, tx, actor.Org, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "rate_limit.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	return created, err
}

// Update changes the name, amount and window of a rate limit; its scope and what it counts stay.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.RateLimit, change Change) (updated RateLimit, err error) {
	if err := actor.Require(authz.RateLimitWrite); err != nil {
		return RateLimit{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		in, wrong := change.over(before).clean()
		if err := wrong.Err(); err != nil {
			return audit.Entry{}, err
		}
		if updated, err = update(ctx, tx, actor.Org, id, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "rate_limit.update", SubjectID: id.UUID, SubjectName: updated.Name, Before: before, After: updated}, nil
	})
	return updated, err
}

// Archive takes a rate limit away.
func (s *Service) Archive(ctx context.Context, actor authz.Actor, id ident.RateLimit) error {
	if err := actor.Require(authz.RateLimitWrite); err != nil {
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
		return audit.Entry{Action: "rate_limit.archive", SubjectID: id.UUID, SubjectName: before.Name, Before: before}, nil
	})
}

// Get returns one rate limit, archived ones too, with what is used of it.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.RateLimit) (found RateLimit, err error) {
	if err := actor.Require(authz.RateLimitRead); err != nil {
		return RateLimit{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if found, err = get(ctx, tx, actor.Org, id); err == nil && found.ArchivedAt == nil {
			err = fill(ctx, tx, actor.Org, &found)
		}
		return err
	})
	return found, err
}

// List returns the rate limits that are not archived, by name, with what is used of each.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []RateLimit, err error) {
	if err := actor.Require(authz.RateLimitRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if all, err = List(ctx, tx, actor.Org); err != nil {
			return err
		}
		limits := make([]*RateLimit, len(all))
		for i := range all {
			limits[i] = &all[i]
		}
		return fill(ctx, tx, actor.Org, limits...)
	})
	return all, err
}
