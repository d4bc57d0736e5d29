package member

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/member/internal/memberdb"
	"tollgate.dev/controlplane/internal/tenant"
)

// person is what sign-in needs of somebody; the zero value is nobody.
type person struct {
	id       ident.User
	hash     string
	disabled bool
}

func find(ctx context.Context, pool *pgxpool.Pool, email string) (person, error) {
	row, err := memberdb.New(pool).FindPerson(ctx, email)
	if errors.Is(err, pgx.ErrNoRows) || email == "" {
		return person{}, nil
	}
	if err != nil {
		return person{}, fmt.Errorf("find person: %w", err)
	}
	return person{id: row.UserID, hash: row.PasswordHash, disabled: row.DisabledAt != nil}, nil
}

func passwordOf(ctx context.Context, pool *pgxpool.Pool, user ident.User) (string, error) {
	hash, err := memberdb.New(pool).GetPassword(ctx, user)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fault.New(fault.Unauthenticated, "this account is disabled")
	}
	if err != nil {
		return "", fmt.Errorf("password of %s: %w", user, err)
	}
	return hash, nil
}

func setPassword(ctx context.Context, tx pgx.Tx, user ident.User, before, hash string) error {
	count, err := memberdb.New(tx).UpdatePassword(ctx, memberdb.UpdatePasswordParams{UserID: user, PasswordHash: hash, PasswordHashBefore: before})
	if err != nil {
		return fmt.Errorf("set password of %s: %w", user, err)
	}
	if count == 0 {
		return fault.New(fault.Conflict, "your password was changed meanwhile; sign in again")
	}
	return nil
}

func nobodyYet(ctx context.Context, tx pgx.Tx) (bool, error) {
	queries := memberdb.New(tx)
	if err := queries.LockPeople(ctx); err != nil {
		return false, fmt.Errorf("lock people: %w", err)
	}
	somebody, err := queries.AnyPerson(ctx)
	if err != nil {
		return false, fmt.Errorf("look for people: %w", err)
	}
	return !somebody, nil
}

// memberships reads the person's own rows first and then enters each organization for its name.
func memberships(ctx context.Context, tx pgx.Tx, user ident.User) ([]authz.Membership, error) {
	queries := memberdb.New(tx)
	if err := queries.EnterUser(ctx, user.String()); err != nil {
		return nil, fmt.Errorf("enter person: %w", err)
	}
	rows, err := queries.ListMembershipsOfPerson(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("list memberships of %s: %w", user, err)
	}
	all := make([]authz.Membership, len(rows))
	for i, row := range rows {
		if err := tenant.Enter(ctx, tx, row.OrgID); err != nil {
			return nil, err
		}
		name, err := queries.GetOrgName(ctx, row.OrgID)
		if err != nil {
			return nil, fmt.Errorf("name of organization %s: %w", row.OrgID, err)
		}
		all[i] = authz.Membership{OrgID: row.OrgID, Name: name.Name, Slug: name.Slug, Role: authz.Role(row.Role)}
	}
	return all, nil
}

func list(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Member, error) {
	rows, err := memberdb.New(tx).ListMembers(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list members of %s: %w", org, err)
	}
	all := make([]Member, len(rows))
	for i, row := range rows {
		all[i] = fromRow(memberdb.GetMemberRow(row))
	}
	return all, nil
}

// insert adds the membership, and the person when nobody has the e-mail address.
func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, hash string) (Member, error) {
	queries := memberdb.New(tx)
	_, err := queries.InsertPerson(ctx, memberdb.InsertPersonParams{UserID: ident.New[ident.User](), Email: in.Email, Name: in.Name, PasswordHash: hash})
	if err != nil {
		return Member{}, fmt.Errorf("insert person: %w", err)
	}
	found, err := queries.FindPerson(ctx, in.Email)
	if err != nil {
		return Member{}, fmt.Errorf("find person: %w", err)
	}
	err = queries.InsertMember(ctx, memberdb.InsertMemberParams{OrgID: org, UserID: found.UserID, Role: string(in.Role)})
	if tenant.Violates(err, "member_pkey") {
		return Member{}, fault.Taken("email", "%s is a member already", in.Email)
	}
	if err != nil {
		return Member{}, fmt.Errorf("insert member: %w", err)
	}
	return get(ctx, tx, org, found.UserID)
}

func setRole(ctx context.Context, tx pgx.Tx, org ident.Org, user ident.User, role authz.Role) (Member, error) {
	if _, err := memberdb.New(tx).UpdateMember(ctx, memberdb.UpdateMemberParams{OrgID: org, UserID: user, Role: string(role)}); err != nil {
		return Member{}, fmt.Errorf("update member %s: %w", user, err)
	}
	return get(ctx, tx, org, user)
}

func remove(ctx context.Context, tx pgx.Tx, org ident.Org, user ident.User) error {
	if _, err := memberdb.New(tx).DeleteMember(ctx, memberdb.DeleteMemberParams{OrgID: org, UserID: user}); err != nil {
		return fmt.Errorf("delete member %s: %w", user, err)
	}
	return nil
}

// getForUpdate returns the member with all owners locked. When the change would take an owner away, the last one is a Conflict.
func getForUpdate(ctx context.Context, tx pgx.Tx, org ident.Org, user ident.User, away bool) (Member, error) {
	owners, err := memberdb.New(tx).LockOwners(ctx, org)
	if err != nil {
		return Member{}, fmt.Errorf("lock owners of %s: %w", org, err)
	}
	found, err := get(ctx, tx, org, user)
	if err != nil {
		return Member{}, err
	}
	if away && found.Role == authz.Owner && len(owners) == 1 {
		return Member{}, fault.New(fault.Conflict, "%s is the last owner; make somebody else an owner first", found.Email)
	}
	return found, nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, user ident.User) (Member, error) {
	row, err := memberdb.New(tx).GetMember(ctx, memberdb.GetMemberParams{OrgID: org, UserID: user})
	if errors.Is(err, pgx.ErrNoRows) {
		return Member{}, fault.New(fault.NotFound, "there is no member %s", user)
	}
	if err != nil {
		return Member{}, fmt.Errorf("member %s: %w", user, err)
	}
	return fromRow(row), nil
}

func fromRow(row memberdb.GetMemberRow) Member {
	return Member{UserID: row.UserID, Email: row.Email, Name: row.Name, Role: authz.Role(row.Role), CreatedAt: row.CreatedAt, DisabledAt: row.DisabledAt}
}
