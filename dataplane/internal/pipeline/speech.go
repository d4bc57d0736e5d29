package pipeline

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/socket"
	"tollgate.dev/dataplane/wire"
)

// Of sound in OpenAI's Realtime (https://platform.openai.com/docs/guides/realtime-costs): 16 bits at 24 kHz, and how many tokens a second is. Other
// formats are smaller, so that a guess is not too low.
const (
	soundBytesPerMs   = 48
	heardTokensPerSec = 10
	saidTokensPerSec  = 20
)

// hearing is what the caller has said since the last reply began, for a reply whose figures never come.
type hearing struct {
	text       int64 // bytes
	soundBytes int64
}

// upward carries what the caller says.
func (s *session) upward() {
	for {
		data, err := s.caller.Read(context.WithoutCancel(s.ctx)) // a reader whose context ends would break the connection before it is told why
		if err != nil {
			s.left(err)
			return
		}
		s.touch()
		out, problem, id := s.listen(data)
		if problem != nil {
			s.say(id, problem)
			continue
		}
		if err := s.provider.Write(s.ctx, out); err != nil {
			return // what reads of the provider says why
		}
	}
}

func (s *session) touch() {
	s.mu.Lock()
	s.at = time.Now()
	s.mu.Unlock()
}

// left ends the connection when the caller is gone. Replies under way are broken off, so that the provider says what they cost.
func (s *session) left(err error) {
	switch {
	case errors.Is(err, socket.ErrNotText):
		s.stop(speakerCut("Only text messages are taken: sound goes in them as base64."))
		return
	case socket.IsTooLarge(err):
		s.stop(speakerCut("A message is longer than this edge accepts."))
		return
	}
	s.mu.Lock()
	under := len(s.replies)
	s.mu.Unlock()
	if under > 0 && s.ctx.Err() == nil {
		s.end(&cut{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed})
		if s.provider.Write(s.ctx, []byte(`{"type":"response.cancel"}`)) == nil {
			wait := time.NewTimer(cancelWait)
			defer wait.Stop()
			select {
			case <-s.ctx.Done():
			case <-wait.C:
			}
		}
	}
	s.cancel()
	s.provider.Drop()
}

func speakerCut(message string) *cut {
	problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, message)
	return &cut{outcome: wire.Outcome_OUTCOME_REFUSED, code: problem.Code, status: problem.Status, refusal: problem}
}

// listen looks at a message of the caller's before it goes on. A refusal is told, and the message stays here.
func (s *session) listen(data []byte) (out []byte, problem *refusal.Error, id string) {
	u, problem := readUtterance(data)
	if problem != nil {
		return nil, problem, u.id
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		v, problem := s.gate.sends(data, &u)
		if v.Flagged != nil {
			s.c.flag(v.Flagged)
		}
		if problem != nil {
			return nil, problem, u.id
		}
	}
	switch u.kind {
	case "response.create":
		if problem = s.mayReply(); problem != nil {
			return nil, problem, u.id
		}
		s.asked++
		s.heard.text += int64(len(data))
	case "session.update":
		if problem = s.lend(&u.ear); problem != nil {
			return nil, problem, u.id
		}
		if u.at.End > 0 { // the provider knows the model by another name
			model := refusal.AppendString(nil, s.c.attempt.target.Model)
			return scan.Splice(nil, data, []scan.Edit{{Start: u.at.Start, End: u.at.End, Text: model}}), nil, u.id
		}
	case "input_audio_buffer.append":
		sound := int64(len(u.audio)) * 3 / 4
		if problem = s.overhear(sound); problem != nil {
			return nil, problem, u.id
		}
		s.heard.soundBytes += sound
	default:
		s.heard.text += int64(len(data))
	}
	return data, nil, u.id
}

// mayReply says whether the caller may ask for another reply. One is always set aside for the provider to begin. mu is held.
func (s *session) mayReply() *refusal.Error {
	switch {
	case s.drains:
		return refusal.New(http.StatusServiceUnavailable, wire.CodeEdgeStopped, "This edge is being stopped. Connect again; another one answers.")
	case len(s.replies)+s.asked >= s.most:
		return s.tooMany()
	default:
		return s.reserve()
	}
}

func (s *session) tooMany() *refusal.Error {
	message := "Too many replies are under way over this connection."
	if s.gate != nil {
		message = "Guardrails hold this key, so that one reply is under way at a time. Wait for its response.done, or send response.cancel."
	}
	return refusal.New(http.StatusTooManyRequests, wire.CodeRateLimited, message)
}

// downward carries what the provider says, and meters it.
func (s *session) downward() {
	var r scan.Result
	for {
		data, err := s.provider.Read(s.ctx)
		if err != nil {
			s.lost(err)
			return
		}
		s.touch()
		why := s.hear(data, &r)
		if s.gate == nil {
			_ = s.caller.Write(s.ctx, data) // what reads of the caller says why not
		} else {
			why = cmp.Or(s.pass(data, &r), why)
		}
		if why != nil {
			s.stop(why)
			return
		}
	}
}

// pass sends the caller what may leave the gate. It returns why the connection ends.
func (s *session) pass(data []byte, r *scan.Result) *cut {
	all, v, why := s.gate.passes(data, r)
	if v.Flagged != nil {
		s.mu.Lock()
		s.c.flag(v.Flagged)
		s.mu.Unlock()
	}
	for _, one := range all {
		_ = s.caller.Write(s.ctx, one) // what reads of the caller says why not
	}
	return why
}

// lost ends the connection when the provider is gone.
func (s *session) lost(err error) {
	if s.ctx.Err() != nil {
		return
	}
	switch socket.Code(err) {
	case socket.Normal, socket.GoingAway: // its own end, such as that of the longest time
	default:
		s.mu.Lock()
		ended := s.ended
		s.mu.Unlock()
		if ended == nil {
			s.stop(upstreamCut(wire.CodeUpstreamCut, "it broke the connection"))
		}
	}
}

// hear takes note of what a message of the provider's says. It returns why the connection ends.
func (s *session) hear(data []byte, r *scan.Result) *cut {
	r.Texts = r.Texts[:0]
	if r.ScanAnswer(data) != nil {
		return upstreamCut(wire.CodeUpstreamFailed, "it sent what is not what the API defines")
	}
	kind, _ := r.Text(data, scan.Type)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch string(kind) {
	case "response.created":
		return s.begins(unquoted(scan.Lookup(r.Bytes(data, scan.Response), "id")))
	case "response.done":
		return s.done(r.Bytes(data, scan.Response))
	case "error":
		s.asked = max(s.asked-1, 0) // a reply that it will not begin, or something else
	case "input_audio_buffer.cleared":
		s.forgot()
	case "input_audio_buffer.committed":
		s.handedOver()
	case "conversation.item.input_audio_transcription.completed":
		return s.wrote(data, false)
	case "conversation.item.input_audio_transcription.failed":
		return s.wrote(data, true)
	case "response.output_audio.delta", "response.audio.delta":
		s.goesOn(data, func(reply *spoken, delta int64) { reply.soundBytes += delta * 3 / 4 })
	case "response.output_text.delta", "response.text.delta", "response.function_call_arguments.delta":
		s.goesOn(data, func(reply *spoken, delta int64) { reply.text += delta })
	}
	return nil
}

// goesOn adds a piece to a reply, and notes on disk what is heard of it so far: should this process be killed, that is the least it cost. mu
// is held.
func (s *session) goesOn(data []byte, add func(reply *spoken, delta int64)) {
	reply := s.replies[unquoted(scan.Lookup(data, "response_id"))]
	if reply == nil {
		return
	}
	add(reply, int64(len(scan.Lookup(data, "delta"))))
	usage := s.p.believed(reply.attempt, s.estimate(reply))
	s.p.checkpoint(s.c, reply.attempt, s.p.Now(), usage, meter.Cost(reply.attempt.price, usage))
}

// begins takes a reply that the provider has begun. mu is held.
func (s *session) begins(id string) *cut {
	s.asked = max(s.asked-1, 0)
	if _, twice := s.replies[id]; id == "" || twice {
		return upstreamCut(wire.CodeUpstreamFailed, "it began a reply without a name of its own")
	}
	problem := s.reserve() // there is one, unless several begin at once
	if problem != nil {
		return refusedReply(problem)
	}
	reply := &spoken{attempt: s.spare, try: s.try}
	s.spare = nil
	reply.attempt.started = s.p.Now()
	reply.attempt.firstByte = time.Time{}
	s.replies[id] = reply
	if problem = s.admit(reply); problem == nil && len(s.replies) > s.most {
		problem = s.tooMany()
	}
	if problem == nil {
		problem = s.reserve()
	}
	if problem != nil && problem.Code != wire.CodeBudgetExhausted && problem.Code != wire.CodeBudgetUnavailable {
		return refusedReply(problem)
	}
	return nil // what is reserved is enough for this one; whether there will be another is seen at its end
}

func refusedReply(problem *refusal.Error) *cut {
	return &cut{outcome: wire.Outcome_OUTCOME_REFUSED, code: problem.Code, status: problem.Status, refusal: problem}
}

// done settles a reply at what the provider says that it used. mu is held.
func (s *session) done(response []byte) *cut {
	id := unquoted(scan.Lookup(response, "id"))
	reply := s.replies[id]
	if reply == nil {
		return upstreamCut(wire.CodeUpstreamFailed, "it ended a reply that had not begun")
	}
	delete(s.replies, id)
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: http.StatusOK}
	status := unquoted(scan.Lookup(response, "status"))
	usage, reported := meter.Read(dialect.OpenAIRealtime, scan.Lookup(response, "usage"))
	if !reported && status != "failed" { // a reply that failed costs nothing unless it says so
		usage = s.estimate(reply)
	}
	if status == "failed" {
		e.outcome, e.code, e.status, e.waste = wire.Outcome_OUTCOME_UPSTREAM_FAILED, wire.CodeUpstreamFailed, http.StatusBadGateway, true
	}
	if s.ended != nil {
		e.outcome, e.code, e.status, e.waste = s.ended.outcome, s.ended.code, s.ended.status, true
	}
	e.usage = s.p.believed(reply.attempt, usage)
	s.tokens, s.heard = e.usage, hearing{}
	s.settle(reply, e)
	if s.ended != nil && len(s.replies) == 0 { // the caller is gone
		s.cancel()
		return s.ended
	}
	if problem := s.reserve(); problem != nil {
		return refusedReply(problem)
	}
	return nil
}

// estimate returns what a reply is taken to have used of which nobody says it: the conversation so far, what was said since, and what was
// heard of the reply. mu is held.
func (s *session) estimate(reply *spoken) meter.Usage {
	before := s.tokens.Input + s.tokens.CachedInput + s.tokens.Output
	sound := s.heard.soundBytes/soundBytesPerMs*heardTokensPerSec/msPerSecond + 1
	spoken := reply.soundBytes / soundBytesPerMs * saidTokensPerSec / msPerSecond
	return meter.Usage{
		Input: before + sound + meter.Tokens(s.heard.text), AudioInput: sound, Output: spoken + meter.Tokens(reply.text), AudioOutput: spoken,
	}
}

const msPerSecond = 1000
