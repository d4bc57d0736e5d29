package alert

import (
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
)

// Account is a budget's account in its current period, as the rules see it. Of a budget whose values have an account each, it is the
// fullest one.
type Account struct {
	Budget      ident.Budget
	Name        string // the budget's
	Accounts    int64  // that the budget has in this period
	PeriodStart time.Time
	PeriodEnd   time.Time // zero: none
	Limit       money.Amount
	Used        money.Amount // what counts against it
	InDoubt     money.Amount
	Percents    []int      // of the limit, at which the budget wants to be noticed
	RunsOutAt   *time.Time // none, or nobody wants to know
}

// Hours is what one agent or workspace spent, hour by hour.
type Hours struct {
	Subject string // such as agent:<id>
	Name    string // as people read it
	Path    string // of the console
	Now     money.Amount
	Past    []money.Amount // of each hour before in which it spent anything
}

// Edge is an edge as the rules see it.
type Edge struct {
	ID         ident.Edge
	Name       string
	Connected  bool
	Accepting  bool
	LastSeenAt time.Time
	Corrupt    int64 // places of its spool that were damaged or could not be read
	NackPath   string
	NackReason string // empty: it refuses nothing
}

// Reject is usage records of one edge that the books could not take.
type Reject struct {
	Edge       ident.Edge
	Name       string // the edge's
	Records    int64
	LastSeq    int64
	LastReason string
}

// Target is a model at a provider that edges hold calls back from.
type Target struct {
	Provider     ident.Provider
	ProviderName string
	Model        string
	Route        ident.Route // whose calls alone are held back; none: those of every route without a breaker of its own
	RouteName    string
	Edges        []string  // that hold them back, by name
	Since        time.Time // of the first of them
	Reason       string    // of the last failure at it
	Limited      bool      // the provider has asked for it
}

// Refusal is a provider that does not let some of its credentials through.
type Refusal struct {
	Provider     ident.Provider
	ProviderName string
	Credentials  int
	Status       int       // that it answered with last
	Edges        []string  // that say so, by name
	Since        time.Time // of the first refusal
}

// Signals are what is looked at every minute.
type Signals struct {
	Accounts        []Account
	Spend           []Hours
	BudgetRefusals  int64 // in this hour
	GuardrailBlocks int64 // in this hour
	GuardrailBefore int64 // in the 24 hours before
	Unpriced        []string
	Edges           []Edge
	Refusals        []Refusal
	Rejects         []Reject // of today (UTC)
	ProblemPath     string
	Problem         string // why the newest configuration is not pushed; empty: it is
}
