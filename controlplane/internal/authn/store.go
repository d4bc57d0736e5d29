package authn

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/authn/internal/authndb"
)

// sessionStore keeps sessions for the session library. Tokens come hashed.
type sessionStore struct {
	pool *pgxpool.Pool
	now  func() time.Time
}

const sessionTimeout = 5 * time.Second

// FindCtx returns a session's data.
func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sessionTimeout)
	defer cancel()
	data, err := authndb.New(s.pool).FindSession(ctx, authndb.FindSessionParams{Token: token, AtTime: s.now()})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// CommitCtx keeps a session's data. It finishes also when the client hangs up.
func (s sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTimeout)
	defer cancel()
	return authndb.New(s.pool).UpsertSession(ctx, authndb.UpsertSessionParams{Token: token, Data: data, Expiry: expiry})
}

// DeleteCtx ends a session. It finishes also when the client hangs up.
func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sessionTimeout)
	defer cancel()
	return authndb.New(s.pool).DeleteSession(ctx, token)
}

// Find is FindCtx for callers without a context, of which the library has none.
func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx for callers without a context, of which the library has none.
func (s sessionStore) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx for callers without a context, of which the library has none.
func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

func (s sessionStore) deleteExpired(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return authndb.New(s.pool).DeleteExpiredSessions(ctx, s.now())
}
