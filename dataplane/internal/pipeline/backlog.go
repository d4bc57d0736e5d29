package pipeline

import (
	"sync"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

const (
	backlogBytesMax = 16 << 20 // of events in memory
	eventOverhead   = 512      // bytes of an event beside what it says
	noneTold        = 1800     // statuses say that an organization has none left: an hour of them, so that the control plane has heard it
)

// backlog holds events of calls that were served while the spool was full, because their organization chose so. It is bounded: what is one
// too many is only counted.
type backlog struct {
	mu     sync.Mutex
	events []*wire.UsageEvent
	bytes  int
	calls  map[wire.ID]uint64 // of each organization: in events, or counted only
	none   map[wire.ID]int    // how often it was told of an organization that none are left
}

// put takes an event, or counts it.
func (b *backlog) put(event *wire.UsageEvent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	org, _ := wire.IDFromBytes(event.GetOrgId())
	if b.calls == nil {
		b.calls, b.none = map[wire.ID]uint64{}, map[wire.ID]int{}
	}
	b.calls[org]++
	delete(b.none, org)
	if size := proto.Size(event) + eventOverhead; b.bytes+size <= backlogBytesMax {
		b.events = append(b.events, proto.CloneOf(event))
		b.bytes += size
	}
}

// drain writes what it holds, oldest first, until something cannot be written.
func (b *backlog) drain(spool Spool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, event := range b.events {
		size := proto.Size(event) + eventOverhead
		if _, err := spool.Append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: event}}); err != nil {
			b.events = b.events[i:]
			return err
		}
		org, _ := wire.IDFromBytes(event.GetOrgId())
		b.calls[org]--
		b.bytes -= size
		b.events[i] = nil
	}
	b.events = nil
	return nil
}

// unrecorded returns the calls of each organization that are not written, those that never will be too. It is said of one for a while that it
// has none left.
func (b *backlog) unrecorded() []*wire.Unrecorded {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*wire.Unrecorded, 0, len(b.calls))
	for org, calls := range b.calls {
		all = append(all, &wire.Unrecorded{OrgId: org.Bytes(), Calls: calls})
		if calls > 0 {
			continue
		}
		if b.none[org]++; b.none[org] >= noneTold {
			delete(b.calls, org)
			delete(b.none, org)
		}
	}
	return all
}

// Unrecorded is asked for each status. It returns, of each organization that had any, how many calls were served and are not in the spool: they wait in memory, or were too
// many for that.
func (p *Pipeline) Unrecorded() []*wire.Unrecorded { return p.backlog.unrecorded() }
