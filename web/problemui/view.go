// Package problemui draws what a person sees when something cannot be shown or done, and what to do then.
// It refuses to show causes that are meant for the log.
package problemui

import "tollgate.dev/web/component"

// View is one problem.
type View struct {
	Status  string // "404"
	Icon    string
	Title   string
	Message string
	Advice  string
	Link    component.Link
}
