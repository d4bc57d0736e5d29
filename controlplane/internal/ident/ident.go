// Package ident provides the typed identifiers of the control plane's nouns.
// It refuses to know what the nouns are made of.
package ident

import (
	"database/sql/driver"
	"fmt"

	"github.com/google/uuid"
)

// ID is a UUID that belongs to one kind of noun, so that an id in the wrong place does not compile.
// Its zero value means "none" and is NULL in Postgres and "" in JSON.
type ID[K any] struct{ uuid.UUID }

type (
	orgKind        struct{}
	userKind       struct{}
	apiTokenKind   struct{}
	workspaceKind  struct{}
	agentKind      struct{}
	virtualKeyKind struct{}
	providerKind   struct{}
	credentialKind struct{}
	routeKind      struct{}
	guardrailKind  struct{}
	rateLimitKind  struct{}
	budgetKind     struct{}
	raiseKind      struct{}
	priceKind      struct{}
	repriceKind    struct{}
	auditKind      struct{}
	edgeKind       struct{}
	eventKind      struct{}
	requestKind    struct{}
	scopeKind      struct{}
	channelKind    struct{}
	deliveryKind   struct{}
	alertKind      struct{}
)

// The identifiers, one per noun.
type (
	Org        = ID[orgKind]
	User       = ID[userKind]
	APIToken   = ID[apiTokenKind]
	Workspace  = ID[workspaceKind]
	Agent      = ID[agentKind]
	VirtualKey = ID[virtualKeyKind]
	Provider   = ID[providerKind]
	Credential = ID[credentialKind]
	Route      = ID[routeKind]
	Guardrail  = ID[guardrailKind]
	RateLimit  = ID[rateLimitKind]
	Budget     = ID[budgetKind]
	Raise      = ID[raiseKind] // of a budget's limit
	Price      = ID[priceKind]
	Reprice    = ID[repriceKind]
	Audit      = ID[auditKind]
	Edge       = ID[edgeKind]
	Event      = ID[eventKind]
	Request    = ID[requestKind]
	Channel    = ID[channelKind]
	Delivery   = ID[deliveryKind]
	Alert      = ID[alertKind]
	Scope      = ID[scopeKind] // a workspace or virtual key, or none for the organization: where a budget or guardrail holds
)

// New returns a fresh time-ordered id (UUIDv7), for example New[ident.Org]().
func New[T ~struct{ uuid.UUID }]() T { return T{uuid.Must(uuid.NewV7())} }

// Parse reads the canonical text form. The error names the text.
func Parse[T ~struct{ uuid.UUID }](text string) (T, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return T{}, fmt.Errorf("%q is not an id", text)
	}
	return T{id}, nil
}

// FromBytes takes the 16 bytes of the wire form; empty means none.
func FromBytes[T ~struct{ uuid.UUID }](raw []byte) (T, error) {
	if len(raw) == 0 {
		return T{}, nil
	}
	id, err := uuid.FromBytes(raw)
	return T{id}, err
}

// IsZero says whether the id means "none".
func (id ID[K]) IsZero() bool { return id.UUID == uuid.Nil }

// Bytes returns the 16 bytes of the wire form, or nil for none.
func (id ID[K]) Bytes() []byte {
	if id.IsZero() {
		return nil
	}
	return id.UUID[:]
}

// String returns the canonical text form, or "" for none.
func (id ID[K]) String() string {
	if id.IsZero() {
		return ""
	}
	return id.UUID.String()
}

// MarshalText implements encoding.TextMarshaler.
func (id ID[K]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; "" is none.
func (id *ID[K]) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID[K]{}
		return nil
	}
	return id.UUID.UnmarshalText(text)
}

// Value implements driver.Valuer: none is NULL.
func (id ID[K]) Value() (driver.Value, error) {
	if id.IsZero() {
		return nil, nil
	}
	return id.UUID.String(), nil
}

// Scan implements sql.Scanner: NULL is none.
func (id *ID[K]) Scan(source any) error {
	if source == nil {
		*id = ID[K]{}
		return nil
	}
	return id.UUID.Scan(source)
}
