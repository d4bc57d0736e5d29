// Package accountui draws the page of the person who is signed in.
// It refuses to show or keep a password.
package accountui

import "tollgate.dev/web/component"

// Account is the page of one's own account.
type Account struct {
	Email         string
	Role          string // in the current organization
	Organizations string // their names
	Form          Form
}

// Form changes the password.
type Form struct {
	component.Form
	Username string // password managers look for it
	Current  component.Field
	Next     component.Field
}
