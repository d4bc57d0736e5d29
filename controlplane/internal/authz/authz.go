// Package authz decides what a role may do, from one table. It refuses to know about sessions or tokens.
package authz

import (
	"slices"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// Role is what a member or API token is in one organization.
type Role string

// The roles.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Finance   Role = "finance"
	Developer Role = "developer"
	Viewer    Role = "viewer"
)

// Permission is "<noun>.<read|write>".
type Permission string

// The permissions.
const (
	OrgRead         Permission = "organization.read"
	OrgWrite        Permission = "organization.write"
	MemberRead      Permission = "member.read"
	MemberWrite     Permission = "member.write"
	APITokenRead    Permission = "api_token.read"
	APITokenWrite   Permission = "api_token.write"
	WorkspaceRead   Permission = "workspace.read"
	WorkspaceWrite  Permission = "workspace.write"
	AgentRead       Permission = "agent.read"
	AgentWrite      Permission = "agent.write"
	VirtualKeyRead  Permission = "virtual_key.read"
	VirtualKeyWrite Permission = "virtual_key.write"
	ProviderRead    Permission = "provider.read"
	ProviderWrite   Permission = "provider.write"
	RouteRead       Permission = "route.read"
	RouteWrite      Permission = "route.write"
	BudgetRead      Permission = "budget.read"
	BudgetWrite     Permission = "budget.write"
	RateLimitRead   Permission = "rate_limit.read"
	RateLimitWrite  Permission = "rate_limit.write"
	GuardrailRead   Permission = "guardrail.read"
	GuardrailWrite  Permission = "guardrail.write"
	PriceRead       Permission = "price.read"
	PriceWrite      Permission = "price.write"
	UsageRead       Permission = "usage.read"
	EdgeRead        Permission = "edge.read"
	AuditRead       Permission = "audit.read"
	AlertRead       Permission = "alert.read"
	AlertWrite      Permission = "alert.write"
	ChannelRead     Permission = "channel.read"
	ChannelWrite    Permission = "channel.write"
)

// reading is what every role may do.
var reading = []Permission{
	OrgRead, WorkspaceRead, AgentRead, VirtualKeyRead, ProviderRead, RouteRead, BudgetRead, RateLimitRead, GuardrailRead, PriceRead, UsageRead, EdgeRead, AlertRead, ChannelRead,
}

// granted is what a role may do on top of reading. Owner and Admin are in May.
var granted = map[Role][]Permission{
	Finance:   {BudgetWrite, PriceWrite, AuditRead, AlertWrite, ChannelWrite},
	Developer: {AgentWrite, VirtualKeyWrite, RouteWrite},
	Viewer:    {},
}

// ActorKind says who acts.
type ActorKind string

// The kinds of actor.
const (
	UserActor     ActorKind = "user"
	APITokenActor ActorKind = "api_token"
	SystemActor   ActorKind = "system"
)

// Actor is who asks for something, in which organization, and as what.
type Actor struct {
	Org     ident.Org
	Kind    ActorKind
	ID      uuid.UUID
	Name    string // an e-mail address or a token's name
	Address string // where the request came from
	Role    Role
}

// May says whether the actor's role has the permission.
func (a Actor) May(permission Permission) bool {
	switch a.Role {
	case Owner, Admin:
		return true
	default:
		own, known := granted[a.Role]
		return known && (slices.Contains(reading, permission) || slices.Contains(own, permission))
	}
}

// Require returns a Forbidden fault unless the actor has the permission.
func (a Actor) Require(permission Permission) error {
	if a.Org.IsZero() {
		return fault.New(fault.Forbidden, "choose an organization first")
	}
	if !a.May(permission) {
		return fault.New(fault.Forbidden, "your role %q lacks the permission %s; ask an owner or admin of the organization", a.Role, permission)
	}
	return nil
}

// Known says whether the role is one of the five.
func (r Role) Known() bool {
	if _, known := granted[r]; known {
		return true
	}
	return r == Owner || r == Admin
}

// Covers says whether whoever has the role may do all that the other role may.
func (r Role) Covers(other Role) bool {
	switch {
	case !r.Known() || !other.Known():
		return false
	case r == Owner || r == other:
		return true
	case r == Admin:
		return other != Owner
	default:
		return other != Owner && other != Admin && !slices.ContainsFunc(granted[other], func(p Permission) bool { return !slices.Contains(granted[r], p) })
	}
}

// Membership is one organization of a person.
type Membership struct {
	OrgID ident.Org `json:"org_id"`
	Name  string    `json:"name"`
	Slug  string    `json:"slug"`
	Role  Role      `json:"role"`
}
