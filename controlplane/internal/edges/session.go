package edges

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/dataplane/wire"
)

var (
	errReplaced = errors.New("the edge has connected again")
	errSlow     = errors.New("the edge does not keep up; it starts over")
	errStopping = errors.New("the control plane is stopping")
)

// session is one edge's stream. What is to be sent is noted under mu, so that nobody waits for the edge; one goroutine sends.
type session struct {
	service *Service
	hello   greeting
	send    func(*wire.SyncResponse) error
	cancel  context.CancelCauseFunc
	began   time.Time // by the service's clock
	wake    chan struct{}
	noted   chan struct{}        // an answer waits to be written down
	gaps    map[ident.Org]uint64 // calls without a record, as written down; of the receiver alone

	mu      sync.Mutex
	orgs    map[ident.Org]*holding
	dirty   map[ident.Org]struct{}
	urgents []*wire.SyncResponse
	answers map[ident.Org]ack
}

// holding is what the edge runs of one organization and what is on its way.
type holding struct {
	held
	sent     *publish.Fragment // waits for ack or nack
	sentFull bool
	sentAt   time.Time
	refused  uint64 // a generation that is not pushed again
	full     bool   // a delta did not fit: the next push is a full state
}

func newSession(service *Service, hello greeting, send func(*wire.SyncResponse) error, cancel context.CancelCauseFunc) *session {
	s := &session{
		service: service, hello: hello, send: send, cancel: cancel, began: service.now(), wake: make(chan struct{}, 1), noted: make(chan struct{}, 1),
		orgs: map[ident.Org]*holding{}, dirty: map[ident.Org]struct{}{}, answers: map[ident.Org]ack{}, gaps: map[ident.Org]uint64{},
	}
	for org, what := range hello.held {
		s.orgs[org] = &holding{held: what}
	}
	return s
}

func poke(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

func (s *session) end(cause error) { s.cancel(cause) }

// changed notes that an organization may have something newer. It never blocks.
func (s *session) changed(org ident.Org) {
	s.mu.Lock()
	s.dirty[org] = struct{}{}
	s.mu.Unlock()
	poke(s.wake)
}

// urgent queues a message that goes out before any fragment. It never blocks: an edge that does not take them is dropped.
func (s *session) urgent(message *wire.SyncResponse) {
	s.mu.Lock()
	s.urgents = append(s.urgents, message)
	overflow := len(s.urgents) > urgentMax
	s.mu.Unlock()
	if overflow {
		s.end(errSlow)
	}
	poke(s.wake)
}

// write sends until ctx ends or the edge is lost.
func (s *session) write(ctx context.Context) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	round := time.NewTimer(0)
	defer round.Stop()
	var last time.Time
	whole := false
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-beat.C:
			if err := s.beat(); err != nil {
				return err
			}
		case <-s.wake:
		case <-round.C:
		}
		if err := s.sendUrgent(); err != nil {
			return err
		}
		if wait := pushApart - time.Since(last); wait > 0 {
			round.Reset(wait)
			continue
		}
		pushed, err := s.pushDirty(ctx)
		if err != nil {
			return err
		}
		if pushed {
			last = time.Now()
		}
		if !whole { // the first round was everything: see offerAll
			if err := s.send(&wire.SyncResponse{Message: &wire.SyncResponse_Whole{Whole: &wire.Whole{}}}); err != nil {
				return err
			}
			whole = true
		}
	}
}

func (s *session) beat() error {
	s.mu.Lock()
	var late bool
	for _, each := range s.orgs {
		late = late || each.sent != nil && time.Since(each.sentAt) > ackMax
	}
	s.mu.Unlock()
	if late {
		return errSlow
	}
	return s.send(&wire.SyncResponse{Message: &wire.SyncResponse_Heartbeat{Heartbeat: &wire.Heartbeat{NowUnixMs: s.service.now().UnixMilli(), LiveEdges: s.service.live.Load()}}})
}

func (s *session) sendUrgent() error {
	s.mu.Lock()
	urgents := s.urgents
	s.urgents = nil
	s.mu.Unlock()
	for _, message := range urgents {
		if err := s.send(message); err != nil {
			return err
		}
	}
	return nil
}

// pushDirty pushes every organization that changed, the platform first, and says whether anything was sent.
func (s *session) pushDirty(ctx context.Context) (pushed bool, err error) {
	s.mu.Lock()
	orgs := slices.SortedFunc(maps.Keys(s.dirty), func(a, b ident.Org) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	clear(s.dirty)
	s.mu.Unlock()
	for _, org := range orgs {
		fragment := s.service.publish.Current(org)
		if fragment == nil {
			if fragment, _, err = s.service.publish.Compile(ctx, org); err != nil {
				s.service.logger.ErrorContext(ctx, "a fragment is not compiled for an edge", "org_id", org, "error", err)
				continue // the next poll brings it up again
			}
		}
		if fragment == nil {
			continue
		}
		sent, err := s.push(ctx, fragment)
		if err != nil {
			return pushed, err
		}
		pushed = pushed || sent
	}
	return pushed, nil
}

// push sends the fragment unless the edge runs it, has refused it, or has yet to answer the last push.
func (s *session) push(ctx context.Context, fragment *publish.Fragment) (sent bool, err error) {
	if known := s.lead(fragment); known > 0 {
		s.service.moveAhead(ctx, fragment.Org, known)
		return false, nil // what follows is newer
	}
	chunks := s.prepare(fragment)
	if len(chunks) == 0 {
		return false, nil
	}
	if chunks[0].GetBaseGeneration() == 0 {
		if err := s.takeTurn(ctx); err != nil {
			return false, err
		}
		defer func() { <-s.service.turns }()
	}
	for _, chunk := range chunks {
		if err := s.sendUrgent(); err != nil {
			return false, err
		}
		if err := s.send(&wire.SyncResponse{Message: &wire.SyncResponse_Fragment{Fragment: chunk}}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// lead returns a generation that the books have to reach before the edge takes anything from them; 0: none. The edge runs something newer than
// the fragment, or something else under its number: if no other replica was quicker, the books were restored to an older state.
func (s *session) lead(fragment *publish.Fragment) (known uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	holding := s.holding(fragment.Org)
	switch {
	case holding.generation > fragment.Generation:
		return holding.generation
	case holding.generation == fragment.Generation && holding.hash != "" && holding.hash != string(fragment.Hash[:]):
		return holding.generation + 1
	default:
		return 0
	}
}

// prepare chooses what to send and notes it as sent, since the answer may come before the last chunk has left.
func (s *session) prepare(fragment *publish.Fragment) []*wire.Fragment {
	s.mu.Lock()
	defer s.mu.Unlock()
	holding := s.holding(fragment.Org)
	if holding.sent != nil || holding.refused == fragment.Generation && !holding.full {
		return nil
	}
	chunks := s.service.publish.Push(fragment, holding.generation, []byte(holding.hash))
	if chunks == nil { // nothing to send: the edge runs it already
		s.note(ack{org: fragment.Org, generation: fragment.Generation, at: s.service.now(), committedAt: fragment.CommittedAt})
		return nil
	}
	if holding.full {
		chunks = fragment.Full()
	}
	holding.sent, holding.sentAt, holding.sentFull, holding.full = fragment, time.Now(), chunks[0].GetBaseGeneration() == 0, false
	if holding.sentFull {
		s.service.counted.full.Add(1)
	} else {
		s.service.counted.delta.Add(1)
	}
	return chunks
}

func (s *session) holding(org ident.Org) *holding {
	if s.orgs[org] == nil {
		s.orgs[org] = &holding{}
	}
	return s.orgs[org]
}

// takeTurn waits until a full state may be sent; what is urgent goes out meanwhile.
func (s *session) takeTurn(ctx context.Context) error {
	look := time.NewTicker(spreadMax)
	defer look.Stop()
	for {
		select {
		case s.service.turns <- struct{}{}:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
			if err := s.sendUrgent(); err != nil {
				return err
			}
		}
	}
}

// acked notes what the edge runs now, and pushes what has come since.
func (s *session) acked(in *wire.Ack) {
	org, err := ident.FromBytes[ident.Org](in.GetOrgId())
	if err != nil {
		return
	}
	s.mu.Lock()
	holding := s.holding(org)
	answer := ack{org: org, generation: in.GetGeneration(), at: s.service.now()}
	holding.held = held{generation: in.GetGeneration(), hash: string(in.GetContentHash())}
	if sent := holding.sent; sent != nil && sent.Generation <= in.GetGeneration() {
		if sent.Generation == in.GetGeneration() {
			answer.committedAt = sent.CommittedAt
			if sent.CommittedAt.After(s.began) {
				s.service.lagged(answer.lag())
			}
		}
		holding.sent = nil
	}
	s.note(answer)
	s.mu.Unlock()
	s.changed(org)
}

// nacked notes a refusal. A delta that was refused is tried once more as a full state; a full state is not pushed again.
func (s *session) nacked(in *wire.Nack) {
	org, err := ident.FromBytes[ident.Org](in.GetOrgId())
	if err != nil {
		return
	}
	s.service.counted.nacks.Add(1)
	s.mu.Lock()
	holding := s.holding(org)
	retry := false
	if sent := holding.sent; sent != nil && sent.Generation == in.GetGeneration() {
		retry = !holding.sentFull
		holding.sent = nil
	}
	holding.refused, holding.full = in.GetGeneration(), retry
	s.note(ack{org: org, generation: in.GetGeneration(), at: s.service.now(), refused: true, path: in.GetPath(), reason: in.GetReason()})
	s.mu.Unlock()
	s.changed(org)
}

// note keeps the organization's newest answer for the recorder. The caller holds mu.
func (s *session) note(answer ack) {
	s.answers[answer.org] = answer
	poke(s.noted)
}

// record writes answers down until ctx ends, and then the last ones.
func (s *session) record(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.service.record(context.WithoutCancel(ctx), s.hello.edge, s.takeAnswers())
			return
		case <-s.noted:
			s.service.record(context.WithoutCancel(ctx), s.hello.edge, s.takeAnswers())
		}
	}
}

func (s *session) takeAnswers() []ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := slices.Collect(maps.Values(s.answers))
	clear(s.answers)
	return taken
}
