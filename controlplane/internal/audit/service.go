package audit

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
)

// reader opens a transaction in which one organization's rows are visible.
type reader interface {
	Read(ctx context.Context, org ident.Org, do func(pgx.Tx) error) error
}

// Service is how people look at what was done.
type Service struct{ db reader }

// New returns a Service over the tenants' database.
func New(db reader) *Service { return &Service{db: db} }

// List returns at most limit entries from before a time, newest first; of one subject, unless that is uuid.Nil.
func (s *Service) List(ctx context.Context, actor authz.Actor, limit int, before time.Time, subject uuid.UUID) (all []Recorded, err error) {
	if err := actor.Require(authz.AuditRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, actor.Org, limit, before, subject)
		return err
	})
	return all, err
}

// Of returns the newest entries, at most limit, of what was done to one subject, newest first.
func (s *Service) Of(ctx context.Context, actor authz.Actor, subject uuid.UUID, limit int) (all []Recorded, err error) {
	if err := actor.Require(authz.AuditRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = listOf(ctx, tx, actor.Org, subject, limit)
		return err
	})
	return all, err
}
