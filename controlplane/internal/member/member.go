// Package member keeps people, their passwords and their roles in organizations.
// It refuses to keep a password and to leave an organization without an owner.
package member

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/seal"
)

// Member is a person in an organization.
type Member struct {
	UserID     ident.User `json:"user_id"`
	Email      string     `json:"email"`
	Name       string     `json:"name"`
	Role       authz.Role `json:"role"`
	CreatedAt  time.Time  `json:"created_at"`
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
}

// Input is what a caller sets. Somebody whose e-mail address is known keeps their own name and password.
type Input struct {
	Email    string      `json:"email"`
	Name     string      `json:"name"`
	Role     authz.Role  `json:"role"`
	Password seal.Secret `json:"password"`
}

const (
	nameMax          = 120
	emailBytesMax    = 254
	passwordMin      = 10
	passwordBytesMax = 1000
)

var emailPattern = regexp.MustCompile(`^[a-z0-9.!#$%&'*+/=?^_{|}~-]+@[a-z0-9-]+(\.[a-z0-9-]+)*$`)

// clean trims the input and says what is wrong.
func (in Input) clean() (Input, fault.Fields) {
	var wrong fault.Fields
	in.Email = cleanEmail(in.Email)
	if !emailPattern.MatchString(in.Email) || len(in.Email) > emailBytesMax {
		wrong.Add("email", "enter an e-mail address such as ada@example.com")
	}
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	if !in.Role.Known() {
		wrong.Add("role", "choose %q, %q, %q, %q or %q", authz.Owner, authz.Admin, authz.Finance, authz.Developer, authz.Viewer)
	}
	judgePassword(&wrong, "password", in.Password)
	return in, wrong
}

// judgePassword notes what is wrong with a password that somebody is about to have.
func judgePassword(wrong *fault.Fields, field string, password seal.Secret) {
	switch text := password.Reveal(); {
	case utf8.RuneCountInString(text) < passwordMin:
		wrong.Add(field, "choose a password of at least %d characters", passwordMin)
	case len(text) > passwordBytesMax || !utf8.ValidString(text):
		wrong.Add(field, "choose a shorter password: at most %d bytes of text", passwordBytesMax)
	}
}

func cleanEmail(text string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "\x00", "\ufffd") // which no address has, and a database keeps
}

// mayTouch refuses that somebody who is no owner makes or unmakes one.
func mayTouch(actor authz.Actor, roles ...authz.Role) error {
	for _, role := range roles {
		if role == authz.Owner && actor.Role != authz.Owner {
			return fault.New(fault.Forbidden, "only an owner may add, change or remove an owner")
		}
	}
	return nil
}
