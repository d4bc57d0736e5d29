// Package apitoken keeps the tokens that programs call the admin API with: made once, shown once, stored as a hash.
// It refuses to keep a token's text, and to make a token that may do more than whoever makes it.
package apitoken

import (
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
)

// APIToken is what is shown of a token.
type APIToken struct {
	ID        ident.APIToken `json:"id"`
	Name      string         `json:"name"`
	Role      authz.Role     `json:"role"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt *time.Time     `json:"expires_at"`
	RevokedAt *time.Time     `json:"revoked_at"`
}

// Input is what a caller sets. A token is never changed, only revoked.
type Input struct {
	Name      string     `json:"name"`
	Role      authz.Role `json:"role"`
	ExpiresAt *time.Time `json:"expires_at"`
}

const nameMax = 80

// Live says whether the token opens anything at that time.
func (t APIToken) Live(now time.Time) bool {
	return t.RevokedAt == nil && (t.ExpiresAt == nil || now.Before(*t.ExpiresAt))
}

// clean trims the input and says what is wrong.
func (in Input) clean(now time.Time) (Input, error) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	if !in.Role.Known() {
		wrong.Add("role", "choose %q, %q, %q, %q or %q", authz.Owner, authz.Admin, authz.Finance, authz.Developer, authz.Viewer)
	}
	if in.ExpiresAt != nil && !in.ExpiresAt.After(now) {
		wrong.Add("expires_at", "choose a time in the future, or leave it empty for a token without end")
	}
	return in, wrong.Err()
}

// mayTouch refuses that somebody makes or ends a token that may do more than they may.
func mayTouch(actor authz.Actor, role authz.Role) error {
	if !actor.Role.Covers(role) {
		return fault.New(fault.Forbidden, "your role %q may not create or revoke an API token with the role %q, which may do more", actor.Role, role)
	}
	return nil
}
