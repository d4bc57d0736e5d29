package authz_test

import (
	"slices"
	"testing"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

func TestRolesMayOnlyWhatTheTableSays(t *testing.T) {
	t.Parallel()
	org := ident.New[ident.Org]()
	for _, c := range []struct {
		role       authz.Role
		permission authz.Permission
		may        bool
	}{
		{authz.Owner, authz.MemberWrite, true},
		{authz.Admin, authz.ProviderWrite, true},
		{authz.Finance, authz.BudgetWrite, true},
		{authz.Finance, authz.VirtualKeyWrite, false},
		{authz.Developer, authz.VirtualKeyWrite, true},
		{authz.Developer, authz.BudgetWrite, false},
		{authz.Developer, authz.AuditRead, false},
		{authz.Viewer, authz.UsageRead, true},
		{authz.Viewer, authz.AgentWrite, false},
		{authz.Viewer, authz.MemberRead, false},
		{"", authz.UsageRead, false},
		{"root", authz.UsageRead, false},
	} {
		err := authz.Actor{Org: org, Role: c.role}.Require(c.permission)
		if (err == nil) != c.may || (err != nil && fault.KindOf(err) != fault.Forbidden) {
			t.Errorf("%q and %s: got %v, want may = %t", c.role, c.permission, err, c.may)
		}
	}
}

func TestNoOrganizationMeansNothing(t *testing.T) {
	t.Parallel()
	if err := (authz.Actor{Role: authz.Owner}).Require(authz.OrgRead); fault.KindOf(err) != fault.Forbidden {
		t.Fatalf("got %v", err)
	}
}

func TestRoleCoversWhatItMayDoItself(t *testing.T) {
	t.Parallel()
	covers := map[authz.Role][]authz.Role{
		authz.Owner:     {authz.Owner, authz.Admin, authz.Finance, authz.Developer, authz.Viewer},
		authz.Admin:     {authz.Admin, authz.Finance, authz.Developer, authz.Viewer},
		authz.Finance:   {authz.Finance, authz.Viewer},
		authz.Developer: {authz.Developer, authz.Viewer},
		authz.Viewer:    {authz.Viewer},
		"king":          {},
	}
	for role, below := range covers {
		for _, other := range []authz.Role{authz.Owner, authz.Admin, authz.Finance, authz.Developer, authz.Viewer, "king", ""} {
			if got := role.Covers(other); got != slices.Contains(below, other) {
				t.Errorf("%q covers %q: %v", role, other, got)
			}
		}
	}
}
