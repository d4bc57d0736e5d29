package budget

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/money"
)

// ReleaseAs says what becomes of money in doubt.
type ReleaseAs string

// What a release can say.
const (
	WasSpent    ReleaseAs = "spent"
	WasNotSpent ReleaseAs = "not_spent"
)

// Release is an operator's word on money in doubt.
type Release struct {
	As     ReleaseAs `json:"as"`
	Reason string    `json:"reason"`
}

// Released is what a release has moved.
type Released struct {
	Release
	Amount money.Amount `json:"amount_pico"`
}

// Doubt is what one call left in doubt of a budget.
type Doubt struct {
	EventID     ident.Event  `json:"event_id"`
	PeriodStart time.Time    `json:"period_start"`
	Subject     string       `json:"subject"`
	Amount      money.Amount `json:"amount_pico"`
	NotedAt     time.Time    `json:"noted_at"`
}

// DoubtPage is some of a budget's doubts, the latest first.
type DoubtPage struct {
	Items []Doubt `json:"items"`
	Next  string  `json:"next"` // for the page behind; empty: there is no more
}

const doubtsMost = 200 // in a page

// cursor names a doubt's place in the list.
func (d Doubt) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(d.NotedAt.Format(time.RFC3339Nano) + " " + d.EventID.String()))
}

// readDoubtCursor returns where a page begins: behind that doubt. Empty is the beginning.
func readDoubtCursor(text string) (from Doubt, err error) {
	if text == "" {
		return Doubt{}, nil
	}
	var wrong fault.Fields
	raw, badText := base64.RawURLEncoding.DecodeString(text)
	at, event, _ := strings.Cut(string(raw), " ")
	var badTime, badID error
	from.NotedAt, badTime = time.Parse(time.RFC3339Nano, at)
	from.EventID, badID = ident.Parse[ident.Event](event)
	if errors.Join(badText, badTime, badID) != nil {
		wrong.Add("after", "take the text from next of the page before")
	}
	return from, wrong.Err()
}

// clean trims the input and says what is wrong.
func (r Release) clean() (Release, error) {
	var wrong fault.Fields
	if r.As != WasSpent && r.As != WasNotSpent {
		wrong.Add("as", "choose %q or %q", WasSpent, WasNotSpent)
	}
	r.Reason = input.Text(&wrong, "reason", r.Reason, reasonMax)
	if len(wrong) == 0 && r.Reason == "" {
		wrong.Add("reason", "say how you know; it is kept in the audit log")
	}
	return r, wrong.Err()
}
