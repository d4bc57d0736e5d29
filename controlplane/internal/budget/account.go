package budget

import (
	"encoding/base64"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
)

// Account is one account of a budget whose values have an account of their own.
type Account struct {
	Subject string       `json:"subject"` // the end user, model, label's value or run
	Spent   money.Amount `json:"spent_pico"`
	Leased  money.Amount `json:"leased_pico"`
	InDoubt money.Amount `json:"in_doubt_pico"`
	Overrun money.Amount `json:"overrun_pico"`
	Left    money.Amount `json:"left_pico"`
}

// Used is what counts against the limit for good: spent and in doubt.
func (a Account) Used() money.Amount { return a.Spent.Add(a.InDoubt) }

// AccountQuery chooses accounts of the current period.
type AccountQuery struct {
	Search string // a part of the subject, in upper or lower case
	After  string // a page's Next; empty: from the most spent
	Limit  int    // 1 to 500; 0: 50
}

// AccountPage is some accounts, the most spent first.
type AccountPage struct {
	Items []Account `json:"items"`
	Next  string    `json:"next"` // for AccountQuery.After; empty: there is no more
}

// Holder is what one edge holds of a budget's current period.
type Holder struct {
	EdgeID   ident.Edge   `json:"edge_id"`
	EdgeName string       `json:"edge_name"`
	Held     money.Amount `json:"held_pico"`
	At       time.Time    `json:"at"` // of its last word about it
}

const (
	accountsDefault = 50
	accountsMax     = 500
	topAccounts     = 3
)

// against completes the account with what its limit leaves.
func (a Account) against(inForce money.Amount) Account {
	a.Left = inForce.Sub(a.Used()).Sub(a.Leased)
	if a.Left.Sign() < 0 {
		a.Left, a.Overrun = money.Amount{}, money.Amount{}.Sub(a.Left)
	}
	return a
}

// place is where a page of accounts begins: after this one in the order of what was spent and then of subjects.
type place struct {
	spent   money.Amount
	subject string
}

func (p place) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.spent.String() + " " + p.subject))
}

// normal fills in the defaults and returns where the page begins; nil: at the beginning.
func (q AccountQuery) normal() (AccountQuery, *place, error) {
	var wrong fault.Fields
	if q.Limit == 0 {
		q.Limit = accountsDefault
	}
	if q.Limit < 1 || q.Limit > accountsMax {
		wrong.Add("limit", "choose 1 to %d", accountsMax)
	}
	q.Search = strings.TrimSpace(q.Search)
	if q.After == "" {
		return q, nil, wrong.Err()
	}
	var from place
	text, err := base64.RawURLEncoding.DecodeString(q.After)
	spent, subject, found := strings.Cut(string(text), " ")
	if err != nil || !found || from.spent.Scan(spent) != nil || strings.ContainsRune(subject, 0) {
		wrong.Add("after", "take the text from next of the page before")
	}
	from.subject = strings.ToValidUTF8(subject, "")
	return q, &from, wrong.Err()
}
