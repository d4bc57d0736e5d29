package dataplane

import "tollgate.dev/dataplane/internal/ingress"

// Route is one thing that an edge answers.
type Route struct {
	Method string
	Path   string
	Spends bool // goes through the budget
}

// Routes returns everything that an edge answers, from the table that its handlers are made of.
func Routes() []Route {
	var all []Route
	for _, route := range ingress.Routes() {
		all = append(all, Route{route.Method, route.Path, route.Spends})
	}
	return all
}
