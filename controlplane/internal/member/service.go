package member

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what is done with people and their memberships.
type Service struct {
	db      *tenant.DB
	pool    *pgxpool.Pool // people belong to no organization
	hashing hashing
}

// New returns a Service over the tenants' database and the pool beneath it.
func New(db *tenant.DB, pool *pgxpool.Pool) *Service {
	return &Service{db: db, pool: pool, hashing: newHashing()}
}

// List returns the organization's members by e-mail address.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Member, err error) {
	if err := actor.Require(authz.MemberRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// Get returns one member.
func (s *Service) Get(ctx context.Context, actor authz.Actor, user ident.User) (found Member, err error) {
	if err := actor.Require(authz.MemberRead); err != nil {
		return Member{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, user)
		return err
	})
	return found, err
}

// Add makes somebody a member. Somebody who is one already is a Conflict that names the field.
func (s *Service) Add(ctx context.Context, actor authz.Actor, in Input) (added Member, err error) {
	if err := actor.Require(authz.MemberWrite); err != nil {
		return Member{}, err
	}
	if err := mayTouch(actor, in.Role); err != nil {
		return Member{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if added, err = s.admit(ctx, tx, actor.Org, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "member.add", SubjectID: added.UserID.UUID, SubjectName: added.Email, After: added}, nil
	})
	return added, err
}

// SetRole gives a member another role. The last owner keeps theirs.
func (s *Service) SetRole(ctx context.Context, actor authz.Actor, user ident.User, role authz.Role) (changed Member, err error) {
	if err := actor.Require(authz.MemberWrite); err != nil {
		return Member{}, err
	}
	if !role.Known() {
		return Member{}, fault.Fields{{Name: "role", Message: "choose one of the five roles"}}.Err()
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, user, role != authz.Owner)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := mayTouch(actor, before.Role, role); err != nil {
			return audit.Entry{}, err
		}
		if changed, err = setRole(ctx, tx, actor.Org, user, role); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "member.set_role", SubjectID: user.UUID, SubjectName: changed.Email, Before: before, After: changed}, nil
	})
	return changed, err
}

// Remove ends a membership at once. The last owner stays.
func (s *Service) Remove(ctx context.Context, actor authz.Actor, user ident.User) error {
	if err := actor.Require(authz.MemberWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, user, true)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := mayTouch(actor, before.Role); err != nil {
			return audit.Entry{}, err
		}
		if err := remove(ctx, tx, actor.Org, user); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "member.remove", SubjectID: user.UUID, SubjectName: before.Email, Before: before}, nil
	})
}

// Judge says what is wrong with somebody's e-mail address, name and password.
func (s *Service) Judge(email, name string, password seal.Secret) fault.Fields {
	_, wrong := Input{Email: email, Name: name, Role: authz.Owner, Password: password}.clean()
	return wrong
}

// AdmitOwner makes somebody an owner inside the transaction that makes their organization, which must have been entered.
func (s *Service) AdmitOwner(ctx context.Context, tx pgx.Tx, org ident.Org, email, name string, password seal.Secret) error {
	_, err := s.admit(ctx, tx, org, Input{Email: email, Name: name, Role: authz.Owner, Password: password})
	return err
}

// Nobody says whether there is no person at all yet. Until the transaction ends no other one gets an answer.
func (s *Service) Nobody(ctx context.Context, tx pgx.Tx) (bool, error) { return nobodyYet(ctx, tx) }

// Verify returns who has the e-mail address and the password. For an unknown address it works as long as for a known one.
func (s *Service) Verify(ctx context.Context, email string, password seal.Secret) (ident.User, error) {
	person, err := find(ctx, s.pool, cleanEmail(email))
	if err != nil {
		return ident.User{}, err
	}
	fits, err := s.hashing.fits(ctx, password, person.hash)
	if err != nil {
		return ident.User{}, err
	}
	if !fits || person.id.IsZero() || person.disabled {
		return ident.User{}, fault.New(fault.Unauthenticated, "the e-mail address or the password is wrong")
	}
	return person.id, nil
}

// ChangePassword gives the person who acts another password when they know the current one. What is wrong is Invalid and names
// "current_password" or "new_password".
func (s *Service) ChangePassword(ctx context.Context, actor authz.Actor, current, next seal.Secret) error {
	if actor.Kind != authz.UserActor {
		return fault.New(fault.Forbidden, "only people have passwords")
	}
	user := ident.User{UUID: actor.ID}
	before, err := passwordOf(ctx, s.pool, user)
	if err != nil {
		return err
	}
	var wrong fault.Fields
	fits, err := s.hashing.fits(ctx, current, before)
	if err != nil {
		return err
	}
	if !fits {
		wrong.Add("current_password", "this is not your current password")
	}
	judgePassword(&wrong, "new_password", next)
	if fits && current.Reveal() == next.Reveal() {
		wrong.Add("new_password", "choose another one than the current password")
	}
	if err := wrong.Err(); err != nil {
		return err
	}
	hash, err := s.hashing.hash(ctx, next)
	if err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := setPassword(ctx, tx, user, before, hash); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "member.change_password", SubjectID: user.UUID, SubjectName: actor.Name}, nil
	})
}

// PasswordMark returns a text that stays the same as long as the person's password does, and tells nothing about it. Somebody who is
// not there or disabled is Unauthenticated.
func (s *Service) PasswordMark(ctx context.Context, user ident.User) (string, error) {
	hash, err := passwordOf(ctx, s.pool, user)
	if err != nil {
		return "", err
	}
	return markOf(hash), nil
}

// Organizations returns the organizations of a person, oldest membership first.
func (s *Service) Organizations(ctx context.Context, user ident.User) (all []authz.Membership, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		all, err = memberships(ctx, tx, user)
		return err
	})
	return all, err
}

// Actor returns what a person is in an organization: NotFound when they are no member, Unauthenticated when they are disabled.
func (s *Service) Actor(ctx context.Context, org ident.Org, user ident.User) (actor authz.Actor, err error) {
	err = s.db.Read(ctx, org, func(tx pgx.Tx) error {
		found, err := get(ctx, tx, org, user)
		if err == nil && found.DisabledAt != nil {
			err = fault.New(fault.Unauthenticated, "this account is disabled")
		}
		actor = authz.Actor{Org: org, Kind: authz.UserActor, ID: user.UUID, Name: found.Email, Role: found.Role}
		return err
	})
	if err != nil {
		return authz.Actor{}, err
	}
	return actor, nil
}

// admit judges the input, hashes the password and adds person and membership.
func (s *Service) admit(ctx context.Context, tx pgx.Tx, org ident.Org, in Input) (Member, error) {
	in, wrong := in.clean()
	if err := wrong.Err(); err != nil {
		return Member{}, err
	}
	hash, err := s.hashing.hash(ctx, in.Password)
	if err != nil {
		return Member{}, err
	}
	return insert(ctx, tx, org, in, hash)
}
