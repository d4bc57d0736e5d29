package pipeline

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/socket"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	repliesMax  = 16              // under way at a time; at a gate it is one, whose words stand in their order
	cancelWait  = 5 * time.Second // for the figures of a reply whose caller is gone
	usualTokens = 1000            // that a reply is expected to use before there was one
)

// session is one connection over which a caller and a model speak. What is reserved is the worst case of one reply more than are under way,
// since the provider may begin one by itself; each reply is an attempt of its own, with its intent and its event.
type session struct {
	p        *Pipeline
	c        *call
	caller   *socket.Conn
	provider *socket.Conn
	key      *state.Key // for the limits of replies
	gate     *gate      // nil: no guardrail holds the key
	most     int        // replies under way at a time

	ctx    context.Context //nolint:containedctx // of the connection
	cancel context.CancelFunc

	mu      sync.Mutex // of what follows, and of the call
	spare   *attempt   // reserved and recorded, for the next reply; nil: none could be
	replies map[string]*spoken
	first   bool // no reply has begun
	asked   int  // replies that the caller has asked for and the provider has not begun
	tokens  meter.Usage
	heard   hearing
	ear     *ear      // what writes down what the caller says; nil: nothing does
	at      time.Time // of the last message
	drains  bool
	ended   *cut // why the connection ends; nil: it goes on
	try     uint32
}

// spoken is one reply under way.
type spoken struct {
	attempt    *attempt
	grant      limit.Grant
	own        bool // the grant is the reply's own, and not the connection's
	try        uint32
	text       int64 // bytes
	soundBytes int64
}

func newSession(p *Pipeline, c *call, a *attempt, caller, provider *socket.Conn) *session {
	first := *a
	c.open = nil
	s := &session{p: p, c: c, caller: caller, provider: provider, key: unlimited(c.key), spare: &first, replies: map[string]*spoken{}, first: true, at: time.Now(), try: c.try, gate: newGate(c.key), most: repliesMax}
	if s.gate != nil {
		s.most = 1
	}
	s.ctx, s.cancel = context.WithTimeout(context.WithoutCancel(c.ctx), min(c.bounds.try, c.bounds.left()))
	return s
}

// run carries messages both ways until one side ends, and settles what is open then.
func (s *session) run() {
	s.p.sessions.Add(1)
	defer s.p.sessions.Done()
	defer s.settleAll()
	defer s.cancel()
	s.setUp()
	var both sync.WaitGroup
	both.Go(s.guard(s.upward))
	both.Go(s.guard(s.tend))
	s.guard(s.downward)()
	s.cancel()
	s.provider.Drop()
	code, reason := s.farewell()
	s.caller.Close(code, reason)
	both.Wait()
}

// guard keeps a panic from ending the process: the connection ends, and what is open is in doubt.
func (s *session) guard(work func()) func() {
	return func() {
		defer func() {
			if caught := recover(); caught != nil {
				s.p.Logger.Error("a connection panicked", "request_id", s.c.requestText, "panic", caught, "stack", string(debug.Stack()))
				s.end(&cut{outcome: wire.Outcome_OUTCOME_UPSTREAM_FAILED, code: wire.CodeInternal, status: http.StatusInternalServerError})
				s.cancel()
				s.provider.Drop()
			}
		}()
		work()
	}
}

// end notes why the connection ends; the first reason holds.
func (s *session) end(why *cut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = why
	}
}

// farewell returns what the caller is told when the connection is closed.
func (s *session) farewell() (int, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch why := s.ended; {
	case why == nil:
		return socket.Normal, ""
	case why.outcome == wire.Outcome_OUTCOME_REFUSED:
		return socket.Policy, why.code
	case why.code == wire.CodeEdgeStopped:
		return socket.GoingAway, why.code
	default:
		return socket.Failed, why.code
	}
}

// tend ends a connection that is silent, that is too old, whose key is revoked or whose edge stops.
func (s *session) tend() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		drains := s.p.drains
		if s.draining() {
			drains = nil
		}
		select {
		case <-s.ctx.Done():
			if errors.Is(s.ctx.Err(), context.DeadlineExceeded) {
				s.stop(upstreamCut(wire.CodeDeadlineExceeded, "the connection has been open for as long as it may"))
			}
			return
		case <-drains:
			s.mu.Lock()
			s.drains = true
			s.mu.Unlock()
		case <-tick.C:
		}
		switch {
		case s.p.revoked(s.c.sum) != nil:
			s.stop(revokedCut(s.p.revoked(s.c.sum)))
		case s.silent():
			s.stop(upstreamCut(wire.CodeUpstreamTimeout, "nobody has said anything for "+realtimeQuiet.String()))
		case s.draining() && s.idle():
			s.stop(&cut{
				outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeEdgeStopped, status: http.StatusServiceUnavailable,
				refusal: refusal.New(http.StatusServiceUnavailable, wire.CodeEdgeStopped, "This edge is being stopped. Connect again; another one answers."),
			})
		default:
			continue
		}
		return
	}
}

func (s *session) draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drains
}

func (s *session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.replies) == 0 && s.asked == 0
}

func (s *session) silent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.at) > realtimeQuiet
}

// stop tells the caller why the connection ends, and ends it.
func (s *session) stop(why *cut) {
	s.end(why)
	s.say("", why.problem())
	s.cancel()
	s.provider.Drop()
}

// say sends the caller an error. The event is the caller's that it is about.
func (s *session) say(event string, problem *refusal.Error) {
	_ = s.caller.Write(context.WithoutCancel(s.ctx), refusal.AppendMessage(nil, s.c.requestText, event, problem)) // the caller may be gone
}

// reserve sets the worst case of another reply aside and writes its intent. mu is held.
func (s *session) reserve() *refusal.Error {
	c := s.c
	if s.spare != nil {
		return nil
	}
	target := c.attempt.target
	a, problem := s.p.reserve(c, target)
	if problem != nil {
		return problem
	}
	s.try++
	c.try = s.try
	if err := s.p.record(c, a); err != nil {
		return spoolFull()
	}
	next := *a
	s.spare = &next
	return nil
}

// admit takes a reply from the limits of tokens and requests. The first one came with the connection. mu is held.
func (s *session) admit(reply *spoken) *refusal.Error {
	reply.own = !s.first
	s.first = false
	if !reply.own || len(s.key.RateLimits) == 0 {
		return nil
	}
	facts := s.c.facts()
	expected := max(s.tokens.Input+s.tokens.CachedInput, usualTokens)
	return s.p.Limiter.Admit(&reply.grant, s.key, &facts, limit.Estimate{InputTokens: expected, OutputTokens: max(s.tokens.Output, usualTokens)}, s.p.Now())
}

// settle ends a reply. mu is held.
func (s *session) settle(reply *spoken, e ending) {
	c := s.c
	c.try = reply.try
	input, output := c.usedInput, c.usedOutput
	s.p.settle(c, reply.attempt, e)
	if reply.own {
		reply.grant.Settle(c.usedInput-input, c.usedOutput-output, s.p.Now())
		c.usedInput, c.usedOutput = input, output
	}
}

// settleAll ends what is open when the connection has ended: replies that did not come to their end are charged at what was heard of them,
// and the one that was set aside for the next has not been.
func (s *session) settleAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: http.StatusSwitchingProtocols}
	if why := s.ended; why != nil {
		e = ending{outcome: why.outcome, code: why.code, rule: ruleOf(why.refusal), status: why.status, reason: why.reason}
	}
	for id, reply := range s.replies {
		delete(s.replies, id)
		cutShort := e
		if cutShort.code == "" {
			cutShort.outcome, cutShort.code, cutShort.status = wire.Outcome_OUTCOME_CLIENT_CLOSED, wire.CodeClientClosed, statusClientClosed
		}
		cutShort.waste, cutShort.doubt = true, e.code == wire.CodeInternal
		cutShort.usage = s.p.believed(reply.attempt, s.estimate(reply))
		s.settle(reply, cutShort)
	}
	s.dropEar(e)
	if s.spare != nil {
		s.c.try, s.spare.started = s.try, s.c.started // its event tells of the connection as a whole
		s.p.settle(s.c, s.spare, e)
		s.spare = nil
	}
	s.c.code = e.code
}
