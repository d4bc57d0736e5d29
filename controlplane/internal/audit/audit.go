// Package audit keeps who changed what, with the state before and after. Entries are never altered.
// It refuses to record secrets: before and after are the nouns' public forms.
package audit

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/ident"
)

// Entry is one change as its noun reports it. Before and After are nil where there is nothing; both must marshal to JSON
// without secrets.
type Entry struct {
	Action      string // "<noun>.<verb>", e.g. "budget.create"
	SubjectID   uuid.UUID
	SubjectName string
	Before      any
	After       any
}

// Recorded is an entry as it was kept.
type Recorded struct {
	ID           ident.Audit     `json:"id"`
	At           time.Time       `json:"at"`
	ActorKind    string          `json:"actor_kind"`
	ActorName    string          `json:"actor_name"`
	ActorAddress string          `json:"actor_address"`
	Action       string          `json:"action"`
	SubjectID    uuid.UUID       `json:"subject_id"`
	SubjectName  string          `json:"subject_name"`
	Before       json.RawMessage `json:"before"`
	After        json.RawMessage `json:"after"`
	Generation   uint64          `json:"generation"`
}
