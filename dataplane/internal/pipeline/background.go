package pipeline

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Answers that a provider works at in the background (https://platform.openai.com/docs/guides/background). What such a call costs is in doubt
// until somebody sees the answer's end: a caller who reads it, a stream of it that comes to its end, or an edge that is asked to learn it. The
// edge's note about the call is a part of the answer's id.

// idNote is the note that an id carries.
type idNote struct {
	longNote
	Said  int64  `json:"s,omitempty"` // tokens of input, as the body's length tells
	Whose *whose `json:"w,omitempty"`
}

// noteOf returns the note of a call's attempt, with as much of whose it is as there is room for.
func (c *call) noteOf(a *attempt) string {
	note, most := idNote{}, handle.BatchNoteMost
	note.of(c, a)
	if c.dialect != dialect.AnthropicBatches {
		most, note.Said = handle.NoteMost, meter.Tokens(int64(len(c.body.B)))
		note.Model, note.Target = cleaned(note.Model, nameRoom), cleaned(note.Target, nameRoom)
	}
	var raw []byte
	for _, of := range []*whose{{c.runID, c.endUser, c.labels}, {c.runID, c.endUser, nil}, {Run: c.runID}, nil} {
		note.Whose = of
		var err error
		if raw, err = json.Marshal(note); err == nil && len(raw) <= most {
			break
		}
	}
	return string(raw)
}

const nameRoom = 64 // bytes of a model's name in the note of an id

// noted reads the note of an id. False: it has none.
func noted(text string) (note idNote, ok bool) {
	if text == "" || json.Unmarshal([]byte(text), &note) != nil || !note.sound() {
		return idNote{}, false
	}
	if note.Whose != nil {
		note.Of = *note.Whose
	}
	return note, true
}

// hasEnded says whether an answer that was made in the background has come to its end.
func hasEnded(answer []byte) bool {
	switch unquoted(scan.Lookup(answer, "status")) {
	case "completed", "failed", "cancelled", "incomplete":
		return true
	default:
		return false
	}
}

// pend leaves an answer in doubt that its provider goes on working at, and has its id say so.
func (p *Pipeline) pend(c *call, a *attempt, body []byte, e *ending) {
	if !c.ask.Background || !c.keeps(a) || hasEnded(body) {
		return
	}
	c.mark = c.noteOf(a)
	e.leave(wire.CodeBackgroundPending, p.idOf(c, a, handle.Response, body))
	c.holdPlace(a)
}

// leave makes an ending one that leaves everything in doubt until the end of what the provider keeps under an id.
func (e *ending) leave(code, kept string) {
	e.outcome, e.code, e.doubt, e.usage, e.waste, e.kept = wire.Outcome_OUTCOME_INDETERMINATE, code, true, meter.Usage{}, false, kept
}

// holdPlace counts for limits of tokens what the call can use: what it uses in the end is known when its minute is over.
func (c *call) holdPlace(a *attempt) {
	c.usedInput += meter.Tokens(int64(len(c.body.B)))
	c.usedOutput += a.output
}

// settleBackground writes down what an answer has cost that was made in the background, when it has ended.
func (p *Pipeline) settleBackground(c *call, a *attempt, answer []byte) {
	note, ok := noted(c.mark)
	if !ok || !hasEnded(answer) {
		return
	}
	end := longEnd{note: note.longNote}
	created, _ := scan.Int(scan.Lookup(answer, "created_at"))
	if completed, said := scan.Int(scan.Lookup(answer, "completed_at")); said && completed >= created && created > 0 {
		end.took = time.Duration(completed-created) * time.Second
	}
	p.settleLong(c, a, &end, func(all []*bill) bool {
		var r scan.Result
		if r.ScanAnswer(answer) != nil {
			return false
		}
		u := meter.Answer(dialect.OpenAIResponses, answer, &r, 0)
		switch status := unquoted(scan.Lookup(answer, "status")); {
		case u.Reported:
		case status == "failed": // providers do not bill it
			return true
		case status == "cancelled": // what was said until then is billed, and nobody says how much it was
			u.Input = note.Said
		default:
			return false
		}
		all[0].add(u)
		return true
	})
}

// peek asks the provider about what a request is about, before it goes on.
func (p *Pipeline) peek(c *call, provider *state.Provider, path string) ([]byte, *attempt, error) {
	c.targets = append(c.targets[:0], &state.Target{Provider: provider})
	c.pool = c.firstCredential()
	a := &attempt{target: c.targets[0]}
	object, err := p.fetch(c, provider, c.credential(a), path, "")
	c.targets = c.targets[:0]
	return object, a, err
}

// settleFirst learns what something has cost that is about to be removed: afterwards nobody can.
func (p *Pipeline) settleFirst(c *call, provider *state.Provider, path string) *refusal.Error {
	note, ok := noted(c.kept.Note)
	if !ok {
		return nil
	}
	object, a, err := p.peek(c, provider, path)
	if err != nil {
		return unfetched(provider, err)
	}
	p.learned(c, a, object)
	if !p.settled.has(note.id(eventID)) {
		return refusal.New(http.StatusConflict, wire.CodeInvalidRequest, "Its provider still works at it, so that nobody knows yet what it costs. Cancel it, or wait for its end, and remove it then.")
	}
	return nil
}

// resumes says whether a request asks for the stream of an answer, from some event on.
func (c *call) resumes(query string) bool {
	values, err := url.ParseQuery(query)
	return err == nil && c.dialect == dialect.OpenAIStored && c.r.Method == http.MethodGet && values.Get("stream") == "true"
}

// relayEvents carries the stream of an answer that a provider keeps, with the ids that the caller may use. It costs nothing: its end tells what
// the answer has cost that was made in the background.
func (p *Pipeline) relayEvents(c *call, a *attempt, watch *watch, answer *Answer) *refusal.Error {
	f := flow{p: p, c: c, a: a, events: &c.split}
	f.left, f.hard = a.hold.LeftPico()
	f.events.Reset()
	if c.checker.Active() {
		f.window = guardrail.NewWindow(&c.checker, dialect.OpenAIResponses, longest(c.key.Guardrails))
	}
	f.commit()
	watch.content.Store(true)
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: answer.Status}
	why := f.resume(answer, watch)
	if why != nil {
		e.outcome, e.code, e.rule, e.status, e.reason, e.waste = why.outcome, why.code, ruleOf(why.refusal), why.status, why.reason, true
	}
	p.settle(c, a, e)
	p.settleBackground(c, a, f.final)
	if c.code = e.code; why != nil {
		return why.problem()
	}
	return nil
}

// resume carries events until the provider has said all. It returns why it ended before.
func (f *flow) resume(answer *Answer, watch *watch) *cut {
	buf := f.p.buffers.Get(streamReadBytes)
	defer buf.Free()
	for {
		n, err := answer.Body.Read(buf.B[:cap(buf.B)])
		f.clear()
		f.events.Feed(buf.B[:n])
		ended := f.resumed(err != nil)
		if ended == nil && len(f.c.out) > 0 {
			ended = f.send(watch)
		}
		switch why := watch.reason(); {
		case ended != nil:
			return ended
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && why != nil:
			return why
		case err != nil:
			code, reason := cutShort(err)
			return upstreamCut(code, reason)
		case f.p.revoked(f.c.sum) != nil:
			return revokedCut(f.p.revoked(f.c.sum))
		}
	}
}

// resumed lets the events go that have come. Last says that there are no more.
func (f *flow) resumed(last bool) *cut {
	for tail := last; ; {
		event, ok, err := f.events.Next()
		if err != nil {
			return f.bad("it sent " + err.Error())
		}
		if !ok && tail {
			event, ok = f.events.Tail()
			tail = false
		}
		if !ok {
			break
		}
		if len(event.Data) > 0 {
			if f.c.answer.ScanAnswer(event.Data) != nil {
				return f.bad("its stream is not what the API defines")
			}
			event.Raw = f.hand(event)
		}
		if ended := f.pass(event); ended != nil {
			return ended
		}
	}
	if f.window != nil {
		var v guardrail.Verdict
		if f.c.out, v = f.window.Release(f.c.out, last); v.Blocked != nil {
			return blockedCut(v)
		}
	}
	return nil
}

// remember notes what the provider says of the answer itself: under which id it is kept, also on the disk, and how it ended.
func (f *flow) remember(response []byte) {
	if f.c.mark == "" {
		return
	}
	if hasEnded(response) {
		f.final = slices.Clone(response)
	}
	if f.kept != "" || f.c.passage != nil {
		return
	}
	if f.kept = f.p.idOf(f.c, f.a, handle.Response, response); f.kept == "" {
		return
	}
	seen := &wire.SpoolRecord{Record: &wire.SpoolRecord_Checkpoint{Checkpoint: &wire.Checkpoint{EventId: f.a.id[:], Seen: &wire.UsageEvent{Kept: f.kept}}}}
	if _, err := f.p.Spool.Append(seen); err != nil {
		f.p.Logger.Error("under which id an answer is kept could not be written", "request_id", f.c.requestText, "error", err)
	}
}

// isEvents says whether an answer is a stream of events.
func isEvents(kind string) bool { return strings.HasPrefix(kind, "text/event-stream") }
