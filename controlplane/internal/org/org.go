// Package org keeps the organizations: the tenants, each with its first owner from the start.
// It refuses to know what is inside them.
package org

import (
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/seal"
)

// Org is a tenant.
type Org struct {
	ID          ident.Org  `json:"id"`
	Name        string     `json:"name"`
	Slug        string     `json:"slug"` // unique over all organizations; never changes
	CreatedAt   time.Time  `json:"created_at"`
	SuspendedAt *time.Time `json:"suspended_at,omitempty"`
	// WhenSpoolFull is what happens to calls while an edge has no room to record them.
	WhenSpoolFull WhenSpoolFull `json:"when_spool_full"`
}

// WhenSpoolFull says what an edge does with calls that it has no room to record.
type WhenSpoolFull string

// The choices. Calls that a hard budget holds are refused in any case.
const (
	Refuse WhenSpoolFull = "refuse" // with 503 and Retry-After
	Serve  WhenSpoolFull = "serve"  // without a record; what memory does not hold is only counted
)

// Change is what a caller sets of the organization; nil stays as it is.
type Change struct {
	Name          *string        `json:"name"`
	WhenSpoolFull *WhenSpoolFull `json:"when_spool_full"`
}

// over returns the organization after the change, and says what is wrong.
func (c Change) over(before Org) (Org, error) {
	var wrong fault.Fields
	if c.Name != nil {
		before.Name = input.Name(&wrong, "name", *c.Name, nameMax)
	}
	if c.WhenSpoolFull != nil {
		if before.WhenSpoolFull = *c.WhenSpoolFull; before.WhenSpoolFull != Refuse && before.WhenSpoolFull != Serve {
			wrong.Add("when_spool_full", "choose %q or %q", Refuse, Serve)
		}
	}
	return before, wrong.Err()
}

// Input is what a caller sets: the organization and its first owner.
type Input struct {
	Name          string      `json:"name"`
	Slug          string      `json:"slug"`
	AdminEmail    string      `json:"admin_email"`
	AdminName     string      `json:"admin_name"` // empty: the part of the e-mail address before the @
	AdminPassword seal.Secret `json:"admin_password"`
}

// First is what an empty database begins with.
type First struct {
	Email    string
	Password seal.Secret
	Token    seal.Secret // of the owner's API token; its organization id becomes the organization's
}

const nameMax = 80

// clean trims the input and says what is wrong with the organization's own part.
func (in Input) clean() (Input, fault.Fields) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	in.Slug = input.Slug(&wrong, "slug", in.Slug)
	if strings.TrimSpace(in.AdminName) == "" {
		in.AdminName, _, _ = strings.Cut(in.AdminEmail, "@")
	}
	return in, wrong
}

// addAdmin notes what is wrong with the owner under the names of this form.
func addAdmin(wrong *fault.Fields, admin fault.Fields) {
	for _, field := range admin {
		wrong.Add("admin_"+field.Name, "%s", field.Message)
	}
}
