package dataplane

import "tollgate.dev/dataplane/internal/ingress"

// Route is one thing that an edge answers.
type Route struct {
	Method string
	Path   string
	With   string // a header field that tells it from the one of the same path without; empty: none
	Spends bool   // goes through the budget
}

// Routes returns everything that an edge answers, from the table that its handlers are made of.
func Routes() []Route {
	var all []Route
	for _, route := range ingress.Routes() {
		all = append(all, Route{route.Method, route.Path, route.Dialect.Header(route.Path), route.Spends})
	}
	return all
}
