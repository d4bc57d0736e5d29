package authn_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/authn"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
)

const (
	email    = "ada@example.com"
	password = "correct horse battery"
)

// desk is the services that sign-in needs, over one database.
type desk struct {
	db      *pgtest.DB
	authn   *authn.Service
	members *member.Service
	orgs    *org.Service
	first   authz.Actor // the owner of the first organization, by token
	token   seal.Secret
}

func newDesk(t *testing.T, secure bool, now func() time.Time) *desk {
	t.Helper()
	db := pgtest.New(t)
	members := member.New(db.Tenant, db.Pool)
	service := authn.New(db.Pool, members, secure, now, slog.New(slog.DiscardHandler))
	tokens := apitoken.New(db.Tenant, now)
	d := &desk{db: db, authn: service, members: members, orgs: org.New(db.Tenant, members, tokens)}
	d.token = tokens.Generate(ident.New[ident.Org]())
	made, err := d.orgs.Bootstrap(t.Context(), org.First{Email: email, Password: seal.NewSecret(password), Token: d.token})
	if err != nil || !made {
		t.Fatalf("first start: %v, %v", made, err)
	}
	if d.first, err = tokens.TokenActor(t.Context(), d.token, "127.0.0.1"); err != nil {
		t.Fatalf("first token: %v", err)
	}
	return d
}

// visit carries one request of a browser through the session and returns its cookies.
func (d *desk) visit(t *testing.T, cookies []*http.Cookie, do func(context.Context)) []*http.Cookie {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	recorder := httptest.NewRecorder()
	d.authn.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { do(r.Context()) })).ServeHTTP(recorder, request)
	if got := recorder.Result().Cookies(); len(got) > 0 {
		return got
	}
	return cookies
}

func (d *desk) signIn(t *testing.T, cookies []*http.Cookie) []*http.Cookie {
	t.Helper()
	return d.visit(t, cookies, func(ctx context.Context) {
		if err := d.authn.SignIn(ctx, " Ada@Example.com ", seal.NewSecret(password), "127.0.0.1"); err != nil {
			t.Fatalf("sign in: %v", err)
		}
	})
}

func TestSignInMakesAnActorAndSignOutEndsIt(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	d.visit(t, nil, func(ctx context.Context) {
		if _, err := d.authn.Actor(ctx, ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("nobody is signed in: %v", err)
		}
	})
	cookies := d.signIn(t, nil)
	d.visit(t, cookies, func(ctx context.Context) {
		actor, err := d.authn.Actor(ctx, "10.0.0.1")
		if err != nil || actor.Org != d.first.Org || actor.Name != email || actor.Role != authz.Owner || actor.Kind != authz.UserActor || actor.Address != "10.0.0.1" {
			t.Errorf("%+v, %v", actor, err)
		}
		if err := d.authn.SignOut(ctx); err != nil {
			t.Error(err)
		}
	})
	d.visit(t, cookies, func(ctx context.Context) {
		if _, err := d.authn.Actor(ctx, ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("the old cookie still signs in: %v", err)
		}
	})
}

func TestSessionTokenChangesAtSignInAndIsStoredHashed(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	first := d.signIn(t, nil)
	second := d.signIn(t, first)
	if first[0].Value == second[0].Value {
		t.Error("the token stayed: a fixed session would be taken over")
	}
	var stored string
	if err := d.db.Pool.QueryRow(t.Context(), "SELECT string_agg(token, ' ') FROM sessions").Scan(&stored); err != nil || strings.Contains(stored, second[0].Value) {
		t.Errorf("the token is in the database: %v", err)
	}
}

func TestCookieIsLockedDown(t *testing.T) {
	t.Parallel()
	for secure, name := range map[bool]string{false: "tollgate", true: "__Host-tollgate"} {
		cookie := newDesk(t, secure, time.Now)
		got := cookie.signIn(t, nil)[0]
		if got.Name != name || got.Secure != secure || !got.HttpOnly || got.SameSite != http.SameSiteLaxMode || got.Path != "/" || got.Domain != "" {
			t.Errorf("%+v", got)
		}
	}
}

func TestWrongPasswordAndUnknownAddressAreTheSameAnswer(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	var messages []string
	for _, try := range [][2]string{{email, "wrong password"}, {"nobody@example.com", password}, {"", ""}, {"' OR 1=1 --", password}} {
		d.visit(t, nil, func(ctx context.Context) {
			err := d.authn.SignIn(ctx, try[0], seal.NewSecret(try[1]), "127.0.0.1")
			if fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("%v: %v", try, err)
				return
			}
			messages = append(messages, fault.Of(err).Message)
		})
	}
	for _, message := range messages {
		if message != messages[0] {
			t.Errorf("%q and %q differ", message, messages[0])
		}
	}
}

func TestAttemptsAreLimitedPerPairAndForgottenAfterAWhile(t *testing.T) {
	t.Parallel()
	now := time.Now()
	d := newDesk(t, false, func() time.Time { return now })
	try := func(text, address string) (kind fault.Kind) {
		d.visit(t, nil, func(ctx context.Context) {
			kind = fault.KindOf(d.authn.SignIn(ctx, email, seal.NewSecret(text), address))
		})
		return kind
	}
	for range 10 {
		if kind := try("wrong password", "10.0.0.1"); kind != fault.Unauthenticated {
			t.Fatalf("kind %d", kind)
		}
	}
	if kind := try(password, "10.0.0.1"); kind != fault.Exhausted {
		t.Errorf("the eleventh attempt: kind %d", kind)
	}
	now = now.Add(16 * time.Minute)
	if kind := try("wrong password", "10.0.0.1"); kind != fault.Unauthenticated {
		t.Errorf("after a while: kind %d", kind)
	}
	d.visit(t, nil, func(ctx context.Context) {
		if err := d.authn.SignIn(ctx, email, seal.NewSecret(password), "10.0.0.2"); err != nil {
			t.Errorf("from elsewhere: %v", err)
		}
	})
}

func TestSwitchOnlyToOnesOwnOrganizations(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	second, _, err := d.orgs.Create(t.Context(), d.first, org.Input{Name: "Second", Slug: "second", AdminEmail: email, AdminPassword: seal.NewSecret("another password")})
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := d.orgs.Create(t.Context(), d.first, org.Input{Name: "Foreign", Slug: "foreign", AdminEmail: "bob@example.com", AdminPassword: seal.NewSecret(password)})
	if err != nil {
		t.Fatal(err)
	}
	cookies := d.signIn(t, nil) // with the first password: a second organization does not change it
	cookies = d.visit(t, cookies, func(ctx context.Context) {
		all, err := d.authn.Organizations(ctx)
		if err != nil || len(all) != 2 || all[0].Slug != "demo" || all[1].OrgID != second.ID || all[1].Role != authz.Owner {
			t.Errorf("%+v, %v", all, err)
		}
		if err := d.authn.Switch(ctx, foreign.ID); fault.KindOf(err) != fault.NotFound {
			t.Errorf("switched to a foreign organization: %v", err)
		}
		if err := d.authn.Switch(ctx, second.ID); err != nil {
			t.Error(err)
		}
	})
	d.visit(t, cookies, func(ctx context.Context) {
		if actor, err := d.authn.Actor(ctx, ""); err != nil || actor.Org != second.ID {
			t.Errorf("%+v, %v", actor, err)
		}
	})
}

func TestRemovedMemberLosesAccessAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	added, err := d.members.Add(t.Context(), d.first, member.Input{Email: "bob@example.com", Name: "Bob", Role: authz.Viewer, Password: seal.NewSecret(password)})
	if err != nil {
		t.Fatal(err)
	}
	cookies := d.visit(t, nil, func(ctx context.Context) {
		if err := d.authn.SignIn(ctx, "bob@example.com", seal.NewSecret(password), ""); err != nil {
			t.Fatal(err)
		}
		if actor, err := d.authn.Actor(ctx, ""); err != nil || actor.Role != authz.Viewer {
			t.Errorf("%+v, %v", actor, err)
		}
	})
	if err := d.members.Remove(t.Context(), d.first, added.UserID); err != nil {
		t.Fatal(err)
	}
	d.visit(t, cookies, func(ctx context.Context) {
		if actor, err := d.authn.Actor(ctx, ""); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("still %+v, %v", actor, err)
		}
	})
	if _, err := d.db.Pool.Exec(t.Context(), "UPDATE app_user SET disabled_at = now() WHERE email = $1", email); err != nil {
		t.Fatal(err)
	}
	d.visit(t, nil, func(ctx context.Context) {
		if err := d.authn.SignIn(ctx, email, seal.NewSecret(password), ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("a disabled person signed in: %v", err)
		}
	})
}

func TestExpiredSessionsAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	cookies := d.signIn(t, nil)
	if _, err := d.db.Pool.Exec(t.Context(), "UPDATE sessions SET expiry = now() - interval '1 second'"); err != nil {
		t.Fatal(err)
	}
	d.visit(t, cookies, func(ctx context.Context) {
		if _, err := d.authn.Actor(ctx, ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%v", err)
		}
	})
}

func TestChangingThePasswordEndsAllOtherSessions(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	here, there := d.signIn(t, nil), d.signIn(t, nil)
	const next = "a longer and better one"
	renewed := d.visit(t, here, func(ctx context.Context) {
		actor, err := d.authn.Actor(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, try := range []struct{ current, next, fields string }{
			{"wrong password", next, "current_password"}, {password, "short", "new_password"}, {password, password, "new_password"}, {"", "", "current_password new_password"},
		} {
			err := d.authn.ChangePassword(ctx, actor, seal.NewSecret(try.current), seal.NewSecret(try.next))
			var names []string
			for _, field := range fault.Of(err).Fields {
				names = append(names, field.Name)
			}
			if fault.KindOf(err) != fault.Invalid || strings.Join(names, " ") != try.fields {
				t.Errorf("%+v: %v %v", try, names, err)
			}
		}
		if err := d.authn.ChangePassword(ctx, actor, seal.NewSecret(password), seal.NewSecret(next)); err != nil {
			t.Fatal(err)
		}
	})
	if renewed[0].Value == here[0].Value {
		t.Error("the session kept its token")
	}
	for name, test := range map[string]struct {
		cookies []*http.Cookie
		want    fault.Kind
	}{"elsewhere": {there, fault.Unauthenticated}, "the old token": {here, fault.Unauthenticated}, "here": {renewed, 0}} {
		d.visit(t, test.cookies, func(ctx context.Context) {
			if _, err := d.authn.Actor(ctx, ""); (test.want == 0) != (err == nil) || (err != nil && fault.KindOf(err) != test.want) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := d.authn.Organizations(ctx); (test.want == 0) != (err == nil) {
				t.Errorf("%s sees organizations: %v", name, err)
			}
		})
	}
	d.visit(t, nil, func(ctx context.Context) {
		if err := d.authn.SignIn(ctx, email, seal.NewSecret(password), ""); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("the old password: %v", err)
		}
		if err := d.authn.SignIn(ctx, email, seal.NewSecret(next), ""); err != nil {
			t.Errorf("the new password: %v", err)
		}
	})
	var entry string
	if err := d.db.Owner(t).QueryRow(t.Context(), "SELECT actor_name || coalesce(before::text, '') || coalesce(after::text, '') FROM audit_entry WHERE action = 'member.change_password'").Scan(&entry); err != nil || entry != email {
		t.Errorf("audit %q, %v", entry, err)
	}
}

func TestGuessingTheCurrentPasswordIsLimited(t *testing.T) {
	t.Parallel()
	d := newDesk(t, false, time.Now)
	d.visit(t, d.signIn(t, nil), func(ctx context.Context) {
		actor, err := d.authn.Actor(ctx, "10.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[fault.Kind]int{}
		for range 11 {
			kinds[fault.KindOf(d.authn.ChangePassword(ctx, actor, seal.NewSecret("wrong password"), seal.NewSecret("another password")))]++
		}
		if kinds[fault.Invalid] != 10 || kinds[fault.Exhausted] != 1 {
			t.Errorf("%v", kinds)
		}
	})
}
