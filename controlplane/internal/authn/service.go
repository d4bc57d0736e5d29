package authn

import (
	"context"
	"log/slog"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
)

// people knows who there is.
type people interface {
	// Verify returns who has the e-mail address and the password; it works equally long whether there is such a person or not.
	Verify(ctx context.Context, email string, password seal.Secret) (ident.User, error)
	// PasswordMark returns a text that changes when the password does; Unauthenticated when there is no such person or they are disabled.
	PasswordMark(ctx context.Context, user ident.User) (string, error)
	// ChangePassword gives the person who acts another password when they know the current one.
	ChangePassword(ctx context.Context, actor authz.Actor, current, next seal.Secret) error
	// Organizations returns a person's organizations, oldest membership first.
	Organizations(ctx context.Context, user ident.User) ([]authz.Membership, error)
	// Actor returns what a person is in an organization; NotFound when they are no member.
	Actor(ctx context.Context, org ident.Org, user ident.User) (authz.Actor, error)
}

// Service finds out who asks.
type Service struct {
	people   people
	store    sessionStore
	sessions *scs.SessionManager
	attempts *attempts
	now      func() time.Time
	logger   *slog.Logger
}

// New returns a Service over the pool that sessions are kept in. Secure cookies are for https; now is the clock.
func New(pool *pgxpool.Pool, people people, secure bool, now func() time.Time, logger *slog.Logger) *Service {
	store := sessionStore{pool: pool, now: now}
	return &Service{
		people: people, store: store, sessions: newSessions(store, secure, logger), attempts: newAttempts(now), now: now, logger: logger,
	}
}
