// Package signinui draws the page where people sign in.
// It refuses to repeat a password that was typed.
package signinui

import "tollgate.dev/web/component"

// View is the sign-in form.
type View struct {
	CSRF    string
	Next    string // where to go afterwards
	Message string
	Email   component.Field
	Secret  component.Field
}
