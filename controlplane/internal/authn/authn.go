// Package authn finds out which person asks, by password and session.
// It refuses to decide what they may do, and to say whether an e-mail address is known.
package authn

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
)

// Membership is one organization of the person who is signed in.
type Membership = authz.Membership

// The session's cookie. The first is for https, where browsers then refuse to take it from anywhere but the host itself.
const (
	secureCookie = "__Host-tollgate"
	plainCookie  = "tollgate"
)

const (
	idleTimeout = 12 * time.Hour
	lifetime    = 7 * 24 * time.Hour
	userKey     = "user"
	orgKey      = "org"
	markKey     = "mark" // of the password that the session began with: when it changes, the session is over
)

func newSessions(store scs.Store, secure bool, logger *slog.Logger) *scs.SessionManager {
	sessions := scs.New()
	sessions.Store = store
	sessions.HashTokenInStore = true
	sessions.IdleTimeout, sessions.Lifetime = idleTimeout, lifetime
	sessions.Cookie.Name, sessions.Cookie.Secure = plainCookie, secure
	if secure {
		sessions.Cookie.Name = secureCookie
	}
	sessions.Cookie.HttpOnly, sessions.Cookie.Path, sessions.Cookie.SameSite = true, "/", http.SameSiteLaxMode
	sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		logger.ErrorContext(r.Context(), "load or save session", "error", err)
		http.Error(w, "Sessions are not available at the moment; try again.", http.StatusServiceUnavailable)
	}
	return sessions
}

// Middleware loads the session before next and saves it after. SignIn, SignOut, Switch, Organizations and Actor need it.
func (s *Service) Middleware(next http.Handler) http.Handler { return s.sessions.LoadAndSave(next) }

// SignIn begins a session of whoever has the e-mail address and the password. Attempts are limited by address and e-mail address:
// Exhausted says when to try again.
func (s *Service) SignIn(ctx context.Context, email string, password seal.Secret, address string) error {
	attempt, err := s.attempts.begin(email, address)
	if err != nil {
		return err
	}
	user, err := s.people.Verify(ctx, email, password)
	if err != nil {
		return err
	}
	attempt.succeeded()
	if err := s.begin(ctx, user); err != nil {
		return err
	}
	s.sessions.Remove(ctx, orgKey)
	return nil
}

// ChangePassword gives who is signed in another password when they know the current one. All their other sessions are over then; this
// one goes on under another token. Attempts count as those to sign in do.
func (s *Service) ChangePassword(ctx context.Context, actor authz.Actor, current, next seal.Secret) error {
	user, err := s.user(ctx)
	if err != nil {
		return err
	}
	if user.UUID != actor.ID {
		return fault.New(fault.Unauthenticated, "sign in first")
	}
	attempt, err := s.attempts.begin(actor.Name, actor.Address)
	if err != nil {
		return err
	}
	if err := s.people.ChangePassword(ctx, actor, current, next); err != nil {
		return err
	}
	attempt.succeeded()
	return s.begin(ctx, user)
}

// begin makes the session the person's, under a token that nobody knew before.
func (s *Service) begin(ctx context.Context, user ident.User) error {
	mark, err := s.people.PasswordMark(ctx, user)
	if err != nil {
		return err
	}
	if err := s.sessions.RenewToken(ctx); err != nil {
		return fault.Wrap(fault.Unavailable, err, "sessions are not available at the moment; try again")
	}
	s.sessions.Put(ctx, userKey, user.String())
	s.sessions.Put(ctx, markKey, mark)
	return nil
}

// SignOut ends the session.
func (s *Service) SignOut(ctx context.Context) error {
	if err := s.sessions.Destroy(ctx); err != nil {
		return fault.Wrap(fault.Unavailable, err, "sessions are not available at the moment; try again")
	}
	return nil
}

// Actor returns who is signed in and in which organization: the one that they switched to, else their first. Nobody signed in is
// Unauthenticated; somebody without an organization is Forbidden.
func (s *Service) Actor(ctx context.Context, address string) (authz.Actor, error) {
	user, err := s.user(ctx)
	if err != nil {
		return authz.Actor{}, err
	}
	org, err := ident.Parse[ident.Org](s.sessions.GetString(ctx, orgKey))
	if err == nil {
		actor, err := s.people.Actor(ctx, org, user)
		if err == nil || fault.KindOf(err) != fault.NotFound {
			actor.Address = address
			return actor, err
		}
	}
	all, err := s.people.Organizations(ctx, user)
	if err != nil {
		return authz.Actor{}, err
	}
	if len(all) == 0 {
		return authz.Actor{}, fault.New(fault.Forbidden, "you belong to no organization; ask an owner to add you")
	}
	s.sessions.Put(ctx, orgKey, all[0].OrgID.String())
	actor, err := s.people.Actor(ctx, all[0].OrgID, user)
	actor.Address = address
	return actor, err
}

// Organizations returns the organizations of who is signed in, oldest membership first.
func (s *Service) Organizations(ctx context.Context) ([]Membership, error) {
	user, err := s.user(ctx)
	if err != nil {
		return nil, err
	}
	return s.people.Organizations(ctx, user)
}

// Switch makes another organization of who is signed in the current one.
func (s *Service) Switch(ctx context.Context, org ident.Org) error {
	user, err := s.user(ctx)
	if err != nil {
		return err
	}
	if _, err := s.people.Actor(ctx, org, user); err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return fault.New(fault.NotFound, "you are not a member of an organization %s", org)
		}
		return err
	}
	s.sessions.Put(ctx, orgKey, org.String())
	return nil
}

func (s *Service) user(ctx context.Context) (ident.User, error) {
	user, err := ident.Parse[ident.User](s.sessions.GetString(ctx, userKey))
	if err != nil {
		return ident.User{}, fault.New(fault.Unauthenticated, "sign in first")
	}
	mark, err := s.people.PasswordMark(ctx, user)
	if err != nil {
		return ident.User{}, err
	}
	if mark != s.sessions.GetString(ctx, markKey) {
		return ident.User{}, fault.New(fault.Unauthenticated, "your password was changed; sign in again")
	}
	return user, nil
}

// Run removes expired sessions until the context ends.
func (s *Service) Run(ctx context.Context) error {
	const every = 10 * time.Minute
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := s.store.deleteExpired(ctx); err != nil && !errors.Is(err, context.Canceled) {
				s.logger.WarnContext(ctx, "remove expired sessions", "error", err)
			}
		}
	}
}
