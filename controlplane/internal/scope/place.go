package scope

import "tollgate.dev/controlplane/internal/ident"

// Place is where one rule holds. Places compare.
type Place struct {
	Kind  Kind
	ID    ident.Scope // of kinds by id
	Value string      // of kinds by value
}
