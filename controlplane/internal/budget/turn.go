package budget

import (
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// Turn is the job that follows a raise from its beginning to its end, and the one after a limit was changed.
type Turn struct {
	Org    ident.Org    `json:"org_id"`
	Budget ident.Budget `json:"budget_id"`
	Raise  ident.Raise  `json:"raise_id"` // zero: the limit was changed
}

// Kind names the job.
func (Turn) Kind() string { return "budget_raise_turn" }

// turn is where a raise is in its life, by the clock of Postgres.
type turn struct {
	missed bool          // it has begun or ended since the organization's configuration was last published
	next   time.Duration // until it begins or ends; 0: it is over
}
