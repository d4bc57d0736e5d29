package api

import (
	"context"
	"net/http"
	"reflect"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// endpoint is one line of the table.
type endpoint struct {
	method     string
	path       string // below prefix, with :name segments
	permission authz.Permission
	summary    string
	status     int
	parameters []parameter
	body       reflect.Type // nil: none
	media      string       // of the body; empty: JSON
	answer     reflect.Type // nil: none
	serve      func(*call) (any, error)
}

// parameter is something that a query may say.
type parameter struct{ name, help string }

// call is one request on its way.
type call struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the request
	actor authz.Actor
	param func(string) string
	query func(string) string
	body  *sent
}

// items is the shape of every list.
type items[T any] struct {
	Items []T `json:"items"`
}

// idText is what all typed identifiers are.
type idText interface{ ~struct{ uuid.UUID } }

// idOf reads an identifier from the path; what is none names nothing.
func idOf[ID idText](c *call, name string) (ID, error) {
	id, err := ident.Parse[ID](c.param(name))
	if err != nil {
		return id, fault.New(fault.NotFound, "there is nothing with this id")
	}
	return id, nil
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// listing answers all of a noun.
func listing[T any](path string, permission authz.Permission, summary string, list func(context.Context, authz.Actor) ([]T, error)) endpoint {
	return endpoint{
		method: http.MethodGet, path: path, permission: permission, summary: summary, status: http.StatusOK, answer: typeOf[items[T]](),
		serve: func(c *call) (any, error) {
			all, err := list(c.ctx, c.actor)
			if all == nil {
				all = []T{}
			}
			return items[T]{all}, err
		},
	}
}

// getting answers one of a noun.
func getting[ID idText, T any](path string, permission authz.Permission, summary string, get func(context.Context, authz.Actor, ID) (T, error)) endpoint {
	return endpoint{
		method: http.MethodGet, path: path, permission: permission, summary: summary, status: http.StatusOK, answer: typeOf[T](),
		serve: func(c *call) (any, error) {
			id, err := idOf[ID](c, "id")
			if err != nil {
				return nil, err
			}
			return get(c.ctx, c.actor, id)
		},
	}
}

// creating adds one of a noun.
func creating[In, T any](path string, permission authz.Permission, summary string, create func(context.Context, authz.Actor, In) (T, error)) endpoint {
	return endpoint{
		method: http.MethodPost, path: path, permission: permission, summary: summary, status: http.StatusCreated, body: typeOf[In](), answer: typeOf[T](),
		serve: func(c *call) (any, error) {
			var in In
			if err := c.body.into(&in); err != nil {
				return nil, err
			}
			return create(c.ctx, c.actor, in)
		},
	}
}

// changing changes one of a noun. Fields that are not sent stay: current says what they are.
func changing[ID idText, In, T any](path string, permission authz.Permission, summary string,
	current func(context.Context, authz.Actor, ID) (In, error), update func(context.Context, authz.Actor, ID, In) (T, error),
) endpoint {
	return endpoint{
		method: http.MethodPatch, path: path, permission: permission, summary: summary, status: http.StatusOK, body: typeOf[In](), answer: typeOf[T](),
		serve: func(c *call) (any, error) {
			id, err := idOf[ID](c, "id")
			if err != nil {
				return nil, err
			}
			before, err := current(c.ctx, c.actor, id)
			if err != nil {
				return nil, err
			}
			var in In
			if err := c.body.over(&before, &in); err != nil {
				return nil, err
			}
			return update(c.ctx, c.actor, id, in)
		},
	}
}

// doing does to one of a noun what needs no words.
func doing[ID idText, T any](path string, permission authz.Permission, summary string, do func(context.Context, authz.Actor, ID) (T, error)) endpoint {
	e := getting(path, permission, summary, do)
	e.method = http.MethodPost
	return e
}

// telling does to one of a noun what the body says.
func telling[ID idText, In, T any](path string, permission authz.Permission, summary string, status int, do func(context.Context, authz.Actor, ID, In) (T, error)) endpoint {
	return endpoint{
		method: http.MethodPost, path: path, permission: permission, summary: summary, status: status, body: typeOf[In](), answer: typeOf[T](),
		serve: func(c *call) (any, error) {
			id, err := idOf[ID](c, "id")
			if err != nil {
				return nil, err
			}
			var in In
			if err := c.body.into(&in); err != nil {
				return nil, err
			}
			return do(c.ctx, c.actor, id, in)
		},
	}
}

// archiving takes one of a noun away.
func archiving[ID idText](path string, permission authz.Permission, summary string, archive func(context.Context, authz.Actor, ID) error) endpoint {
	return endpoint{
		method: http.MethodDelete, path: path, permission: permission, summary: summary, status: http.StatusNoContent,
		serve: func(c *call) (any, error) {
			id, err := idOf[ID](c, "id")
			if err != nil {
				return nil, err
			}
			return nil, archive(c.ctx, c.actor, id)
		},
	}
}

// taking takes away what belongs to one of a noun: the path names it as part.
func taking[ID, Part idText](path, part string, permission authz.Permission, summary string, take func(context.Context, authz.Actor, ID, Part) error) endpoint {
	return endpoint{
		method: http.MethodDelete, path: path + "/:" + part, permission: permission, summary: summary, status: http.StatusNoContent,
		serve: func(c *call) (any, error) {
			id, err := idOf[ID](c, "id")
			if err != nil {
				return nil, err
			}
			of, err := idOf[Part](c, part)
			if err != nil {
				return nil, err
			}
			return nil, take(c.ctx, c.actor, id, of)
		},
	}
}
