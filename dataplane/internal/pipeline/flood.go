package pipeline

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
)

const (
	refusalsEach    = 50   // of one key, code and rule that are recorded one by one in a second; the rest of that second is counted
	refusalKindsMax = 4096 // counted at a time; further ones are recorded one by one
	countedEvery    = time.Second
)

// floods counts refusals that come by the thousand, so that a caller who ignores them does not fill the spool for everybody.
type floods struct {
	mu   sync.Mutex
	kind map[refusalKind]*flood
}

type refusalKind struct {
	key        wire.ID
	code, rule string
}

type flood struct {
	second int64
	seen   int              // in that second
	rest   *wire.UsageEvent // the first that was counted, with their count; nil: none is waiting
}

// counts takes a refusal that is one too many to be recorded by itself.
func (f *floods) counts(key wire.ID, event *wire.UsageEvent) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.of(key, event)
	if one == nil {
		return false
	}
	if second := event.GetStartedUnixUs() / 1e6; second > one.second {
		one.second, one.seen = second, 0
	}
	if one.seen++; one.seen <= refusalsEach {
		return false
	}
	one.add(event)
	return true
}

// keep counts a refusal that could not be recorded; false: there are too many kinds.
func (f *floods) keep(key wire.ID, event *wire.UsageEvent) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.of(key, event)
	if one != nil {
		one.add(event)
	}
	return one != nil
}

func (f *floods) of(key wire.ID, event *wire.UsageEvent) *flood {
	kind := refusalKind{key, event.GetCode(), event.GetRule()}
	one := f.kind[kind]
	if one == nil && len(f.kind) < refusalKindsMax {
		one = &flood{}
		f.kind[kind] = one
	}
	return one
}

// add counts an event. What only some of the counted ones say, their event does not say.
func (f *flood) add(event *wire.UsageEvent) {
	if f.rest == nil {
		f.rest = proto.CloneOf(event)
		f.rest.RunId, f.rest.EndUser, f.rest.Labels = "", "", nil
	}
	f.rest.Count++
	if f.rest.GetModel() != event.GetModel() {
		f.rest.Model, f.rest.RouteId = "", nil
	}
}

// record writes what was counted and forgets the kinds that are quiet. What cannot be written stays; left is how many refusals that is.
func (f *floods) record(spool Spool, now time.Time) (left uint64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for kind, one := range f.kind {
		if one.rest != nil {
			if _, failed := spool.Append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: one.rest}}); failed != nil {
				left, err = left+one.rest.GetCount(), failed
				continue
			}
			one.rest = nil
		}
		if one.second < now.Unix() {
			delete(f.kind, kind)
		}
	}
	return left, err
}

// Run records each second what was counted or waits in memory, until ctx ends.
func (p *Pipeline) Run(ctx context.Context) error {
	tick := time.NewTicker(countedEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.Flush()
		}
	}
}

// Flush records the refusals that were counted so far, and what waits in memory. When the edge stops, call it behind the last request and before the spool closes.
func (p *Pipeline) Flush() {
	if left, err := p.floods.record(p.Spool, p.Now()); err != nil {
		p.Logger.Error("counted refusals wait for room in the spool", "refusals", left, "error", err)
	}
	if err := p.backlog.drain(p.Spool); err != nil {
		p.Logger.Error("calls that were served without a record wait for room in the spool", "error", err)
	}
}
