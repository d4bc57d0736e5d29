// Package edges serves connected edges: it pushes fragments, revocations and recalls down one stream each, takes acks and nacks, lends
// money, and knows what every edge runs. Any edge may be on any replica: what the console shows comes from Postgres.
// It refuses to let a slow edge hold up another: its queue is bounded, and past the bound its connection ends and it starts over.
package edges

import (
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

const (
	heartbeat     = 2 * time.Second
	silenceMax    = 60 * time.Second       // a stream without a message from the edge ends
	sendMax       = 15 * time.Second       // a message that cannot be sent for so long ends the stream
	ackMax        = 60 * time.Second       // a push without ack or nack ends the stream
	pushApart     = 50 * time.Millisecond  // at most 20 rounds of pushes a second for each edge
	compileApart  = 50 * time.Millisecond  // and so many compilations for each organization
	compileAtOnce = 4                      // organizations
	fullAtOnce    = 4                      // edges that are being sent full states
	urgentMax     = 10_000                 // revocations and recalls that wait for one edge
	pollEvery     = 5 * time.Second        // in case a notification was missed
	liveFor       = time.Minute            // after its last status an edge counts as connected
	earlierMax    = 1000                   // epochs that an edge names
	readBytesMax  = 8 << 20                // one message from an edge
	gzipBytesMin  = 4 << 10                // smaller messages are not worth compressing
	storeMax      = 5 * time.Second        // for writing down an ack
	spreadMax     = 250 * time.Millisecond // waiting for a turn to send a full state before urgent messages are looked at
)

// ack is what an edge answered to a push.
type ack struct {
	org         ident.Org
	generation  uint64
	at          time.Time
	committedAt time.Time // zero: unknown
	refused     bool
	path        string
	reason      string
}

func (a ack) lag() time.Duration {
	if a.committedAt.IsZero() {
		return 0
	}
	return max(a.at.Sub(a.committedAt), 0)
}

// greeting is a checked Hello.
type greeting struct {
	edge    ident.Edge
	epoch   uint64
	earlier []uint64 // of the same data directory
	name    string
	region  string
	version string
	held    map[ident.Org]held
}

// held is what an edge runs of one organization.
type held struct {
	generation uint64
	hash       string
}
