package authn

import (
	"context"
	"log/slog"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
)

// people knows who there is.
type people interface {
	// Verify returns who has the e-mail address and the password; it works equally long whether there is such a person or not.
	Verify(ctx context.Context, email string, password seal.Secret) (ident.User, error)
	// Organizations returns a person's organizations, oldest membership first.
	Organizations(ctx context.Context, user ident.User) ([]authz.Membership, error)
	// Actor returns what a person is in an organization; NotFound when they are no member.
	Actor(ctx context.Context, org ident.Org, user ident.User) (authz.Actor, error)
}

// Service finds out who asks.
type Service struct {
	db       *tenant.DB
	people   people
	store    sessionStore
	sessions *scs.SessionManager
	attempts *attempts
	now      func() time.Time
	logger   *slog.Logger
}

// New returns a Service over the tenants' database and the pool beneath it. Secure cookies are for https; now is the clock.
func New(db *tenant.DB, pool *pgxpool.Pool, people people, secure bool, now func() time.Time, logger *slog.Logger) *Service {
	store := sessionStore{pool: pool, now: now}
	return &Service{
		db: db, people: people, store: store, sessions: newSessions(store, secure, logger), attempts: newAttempts(now), now: now, logger: logger,
	}
}

// Keep keeps a token's hash inside a transaction that has entered org.
func (s *Service) Keep(ctx context.Context, tx pgx.Tx, org ident.Org, name string, role authz.Role, text seal.Secret) error {
	return insertToken(ctx, tx, org, name, role, tokenHash(text))
}

// TokenActor returns the program that an API token stands for.
func (s *Service) TokenActor(ctx context.Context, text seal.Secret, address string) (actor authz.Actor, err error) {
	refused := fault.New(fault.Unauthenticated, "the API token is unknown, expired or revoked")
	org, ok := parseToken(text.Reveal())
	if !ok {
		return authz.Actor{}, refused
	}
	err = s.db.Read(ctx, org, func(tx pgx.Tx) error {
		token, found, err := findToken(ctx, tx, org, tokenHash(text))
		if err != nil {
			return err
		}
		if !found || token.RevokedAt != nil || (token.ExpiresAt != nil && !s.now().Before(*token.ExpiresAt)) {
			return refused
		}
		actor = authz.Actor{Org: org, Kind: authz.APITokenActor, ID: token.ID.UUID, Name: token.Name, Address: address, Role: token.Role}
		return nil
	})
	return actor, err
}
