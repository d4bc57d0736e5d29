package ledger

import "tollgate.dev/controlplane/internal/ident"

// Doubt is what one call left in doubt of one account.
type Doubt struct {
	Key
	Event ident.Event
	Pico  int64 // reserved, and neither proven spent nor proven free
}
