// Package edge shows an organization the edges and what each of them runs of its configuration, and why the newest one is not pushed.
// It refuses to talk to edges; who does writes down what this room reads.
package edge

import (
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// Edge is one edge as an organization sees it.
type Edge struct {
	ID              ident.Edge          `json:"id"`
	Name            string              `json:"name"`
	Region          string              `json:"region"`
	Version         string              `json:"version"`
	Connected       bool                `json:"connected"`
	LastSeenAt      time.Time           `json:"last_seen_at"`
	Generation      uint64              `json:"generation"`         // of this organization, as last acked; 0: none yet
	Current         uint64              `json:"current_generation"` // of this organization
	AckedAt         *time.Time          `json:"acked_at"`
	LagMS           int64               `json:"lag_ms"`          // from the commit to the ack
	NackGeneration  uint64              `json:"nack_generation"` // 0: nothing is refused
	NackPath        string              `json:"nack_path"`
	NackReason      string              `json:"nack_reason"`
	SpoolPending    int64               `json:"spool_pending"` // records that are not yet committed here
	SpoolBytes      int64               `json:"spool_bytes"`
	SpoolKept       int64               `json:"spool_kept_bytes"` // of usage that is committed here and kept for books that are restored
	SpoolCorrupt    int64               `json:"spool_corrupt"`    // places that were damaged or could not be read, since its process began
	Unrecorded      int64               `json:"unrecorded_calls"` // of this organization, in the last 30 days: served without room to record them
	InFlight        int64               `json:"in_flight"`
	Requests        int64               `json:"requests"`
	ClockSkewMS     int64               `json:"clock_skew_ms"` // the edge's clock before ours
	Accepting       bool                `json:"accepting"`
	RateCounting    string              `json:"rate_counting"`       // of rate limits: "together", "share" (the shared counters are away), "alone" (there are none); empty: not said
	CountingSince   *time.Time          `json:"rate_counting_since"` // since when
	LiveEdges       int                 `json:"live_edges"`          // as it knows them; its share is one of so many
	OpenTargets     []OpenTarget        `json:"open_targets"`        // of this organization: models from which it holds calls back
	StoppedCanaries []StoppedCanary     `json:"stopped_canaries"`    // of this organization, since its process began
	Refused         []RefusedCredential `json:"refused_credentials"` // of this organization: that providers did not let through lately
}

// OpenTarget is a model at a provider that an edge does not call for a while, because it keeps failing or has asked for it.
type OpenTarget struct {
	ProviderID ident.Provider `json:"provider_id"`
	Provider   string         `json:"provider"`          // its name
	Model      string         `json:"model"`             // its name at the provider
	RouteID    ident.Route    `json:"route_id,omitzero"` // the route whose own breaker it is; none: that of all routes without one
	Route      string         `json:"route,omitempty"`   // its name
	HalfOpen   bool           `json:"half_open"`         // the next call tries it, or one is doing so
	Limited    bool           `json:"limited"`           // the provider named the time itself
	Failures   uint32         `json:"failures"`          // that led to it, and those of probes since
	Reason     string         `json:"reason"`            // of the last failure
	Since      time.Time      `json:"since"`
	ProbeAt    time.Time      `json:"probe_at"` // from when on one call may try it
}

// RefusedCredential is a credential that its provider does not let through: it is revoked, may not do what is asked, or its account has nothing
// left. An edge asks with the others of the provider first.
type RefusedCredential struct {
	ProviderID   ident.Provider   `json:"provider_id"`
	Provider     string           `json:"provider"` // its name
	CredentialID ident.Credential `json:"credential_id"`
	Status       int              `json:"status"` // that the provider answered with last
	Times        int              `json:"times"`  // in a row
	Since        time.Time        `json:"since"`
}

// StoppedCanary is a canary that an edge gives nothing any more, because it did worse than its route allows.
type StoppedCanary struct {
	RouteID ident.Route `json:"route_id"`
	Version int         `json:"version"` // of the route; a newer one is tried anew
	Group   string      `json:"group"`   // its path; empty: the route itself
	Reason  string      `json:"reason"`
	At      time.Time   `json:"at"`
}

// Problem says why an organization's newest generation is not pushed.
type Problem struct {
	Generation uint64    `json:"generation"`
	Path       string    `json:"path"` // the item and field that is wrong
	Reason     string    `json:"reason"`
	NoticedAt  time.Time `json:"noticed_at"`
}

// Gap is calls of the organization that one process of an edge served and could not record: the edge's disk was full.
type Gap struct {
	EdgeID  ident.Edge `json:"edge_id"`
	Edge    string     `json:"edge"` // its name
	Calls   int64      `json:"calls"`
	FirstAt time.Time  `json:"first_at"`
	LastAt  time.Time  `json:"last_at"`
}

// Reject is usage records of one edge that the books could not take. They are kept as they came.
type Reject struct {
	EdgeID     ident.Edge `json:"edge_id"`
	Edge       string     `json:"edge"` // its name
	Records    int64      `json:"records"`
	LastAt     time.Time  `json:"last_at"`
	LastSeq    int64      `json:"last_seq"` // of the last one, in what its process wrote
	LastReason string     `json:"last_reason"`
}

// seenWithin is how long an edge counts as connected after it was last heard.
const seenWithin = 20 * time.Second
