package ledger

import (
	"errors"
	"time"
)

// SetPatience sets how long a claim waits for what other edges hand back.
func (s *Service) SetPatience(d time.Duration) { s.patience = d }

// Text is the recall's payload.
func (r Recall) Text() string { return r.text() }

// Folded says whether a transaction must be done again because an account was folded away.
func Folded(err error) bool { return errors.Is(err, errFolded) }

// BeginAnew makes the next claim find books that this process has not seen yet, as after a start of Postgres.
func (s *Service) BeginAnew() {
	s.vouched.books.Store(0)
}
