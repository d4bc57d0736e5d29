package pipeline

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"time"

	"tollgate.dev/dataplane/internal/aws"
	"tollgate.dev/dataplane/internal/breaker"
	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/direct"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// call is one request on its way. Its memory is used again.
type call struct {
	w           http.ResponseWriter
	fast        setter // w, if it is one
	r           *http.Request
	ctx         context.Context //nolint:containedctx // lives exactly as long as the request
	dialect     dialect.Dialect
	started     time.Time
	requestID   wire.ID
	requestText string

	key       *state.Key
	sum       [32]byte // of the key, to see whether it is revoked meanwhile
	runID     string
	runSource wire.RunSource
	endUser   string
	labels    map[string]string
	body      *buffer.Buffer
	scan      scan.Result
	ask       translate.Ask
	checker   guardrail.Checker
	target    *state.Route
	targets   []*state.Target

	timeout  time.Duration // that the caller asks for; 0: none
	bounds   bounds
	memo     memo
	mirrored bool          // it repeats another one, and nobody gets its answer
	passage  *passage      // the request goes to a provider as it is; nil: to a route
	kept     handle.Kept   // what of a provider's the request is about, or goes on from; zero: nothing
	thread   handle.Thread // what the ids of the answer say of its run; zero: nothing yet
	bearer   *bearer       // what the client secret is bound to that the caller has in place of a key; nil: it has a key
	mark     string        // note of the id of what the call is about or makes; empty: none

	grant      limit.Grant // what it took from rate limits
	usedInput  int64       // tokens, of all its attempts
	usedOutput int64
	waited     time.Duration // for places at providers

	tries     []refusal.Attempt // failed ones
	try       uint32            // number of the attempt under way
	pool      uint64            // which of a provider's credentials is next
	more      bool              // another target may be tried
	barred    bool              // the provider did not let the credential through: another one may do
	permit    breaker.Permit    // of the attempt under way
	failure   failure           // of the last one
	nearest   nearest
	open      *attempt // an intent without its settle
	recorded  bool     // an event tells how the request ended
	committed bool     // the caller has got the head of the answer
	status    int      // what the caller got
	code      string

	// scratch
	attempt  attempt
	world    world
	plain    plain
	embedded embedded // what of a request for embeddings is there
	foreign  []string // paths of thoughts that another provider signed, left out by this attempt
	split    sse.Splitter
	frames   aws.Splitter
	stream   meter.Stream
	answer   scan.Result
	edits    []scan.Edit
	pieces   [][]byte
	fields   []upstream.Field
	scratch  []byte
	out      []byte
	event    wire.UsageEvent
	records  records

	drafted *buffer.Buffer // what was written of the request, where it is long
}

func newCall() *call { return &call{} }

func (c *call) begin(w http.ResponseWriter, r *http.Request, d dialect.Dialect, now time.Time) {
	c.w, c.r, c.ctx, c.dialect, c.started = w, r, r.Context(), d, now
	c.fast, _ = w.(setter)
	c.requestID = wire.NewID(now)
	c.requestText = c.requestID.String()
}

const scratchKept = 256 << 10

// end forgets everything but the memory.
func (c *call) end() {
	c.undress()
	if c.body.InFile() || c.drafted.InFile() {
		debug.SetPanicOnFault(false)
	}
	c.body.Free()
	c.drafted.Free()
	c.split.Reset()
	c.frames.Reset()
	c.checker.Reset(nil)
	clear(c.targets)
	clear(c.fields)
	clear(c.pieces)
	clear(c.edits)
	c.targets, c.edits, c.pieces, c.fields, c.scratch, c.out = c.targets[:0], c.edits[:0], c.pieces[:0], c.fields[:0], c.scratch[:0], c.out[:0]
	if cap(c.out) > scratchKept {
		c.out = nil
	}
	if cap(c.scratch) > scratchKept {
		c.scratch = nil
	}
	if cap(c.scan.Texts) > scratchKept/16 {
		c.scan.Texts = nil
	}
	c.scan, c.answer = scan.Result{Texts: c.scan.Texts[:0]}, scan.Result{Texts: c.answer.Texts[:0]}
	c.event.Reset()
	c.w, c.fast, c.r, c.ctx, c.key, c.target, c.open, c.passage = nil, nil, nil, nil, nil, nil, nil, nil
	c.runSource = wire.RunSource_RUN_SOURCE_UNSPECIFIED
	c.runID, c.endUser, c.labels, c.body, c.drafted, c.requestText, c.code = "", "", nil, nil, nil, "", ""
	c.ask, c.kept, c.thread, c.mark, c.bearer = translate.Ask{}, handle.Kept{}, handle.Thread{}, "", nil
	c.grant, c.usedInput, c.usedOutput, c.waited = limit.Grant{}, 0, 0, 0
	c.timeout, c.bounds, c.permit, c.failure, c.nearest = 0, bounds{}, breaker.Permit{}, failure{}, nearest{}
	c.tries, c.try, c.pool, c.barred, c.recorded, c.committed, c.status = nil, 0, 0, false, false, false, 0
	c.memo, c.mirrored, c.embedded = memo{}, false, embedded{}
	c.attempt, c.world, c.stream = attempt{}, world{}, meter.Stream{}
}

// facts is what the call says to rules by value.
func (c *call) facts() state.Facts {
	return state.Facts{Model: c.target.Name, EndUser: c.endUser, Run: c.runID, Labels: c.labels}
}

// gone says whether the caller has hung up.
func (c *call) gone() bool { return c.ctx.Err() != nil || hungUp(c.w) }

// hungUp asks a writer that can tell; the others end the request's context.
func hungUp(w http.ResponseWriter) bool {
	watched, ok := w.(interface{ Gone() bool })
	return ok && watched.Gone()
}

func (c *call) random() uint64 { return rand.Uint64() }

// setter is a writer that takes header fields one by one.
type setter interface {
	Set(name, value string)
	Unset(name string)
}

// set sets a header field of the answer. The name is in canonical form.
func (c *call) set(name, value string) {
	if c.fast != nil {
		c.fast.Set(name, value)
		return
	}
	c.w.Header()[name] = []string{value}
}

// unset takes a header field back.
func (c *call) unset(name string) {
	if c.fast != nil {
		c.fast.Unset(name)
		return
	}
	delete(c.w.Header(), name)
}

// identify sets the header fields that every answer has.
func (c *call) identify() {
	c.set("X-Tollgate-Request-Id", c.requestText)
	if c.runID != "" {
		c.set(runField, c.runID)
	}
}

// read reads the body into a borrowed buffer.
func (p *Pipeline) read(c *call) *refusal.Error {
	if encoding := c.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return refusal.New(http.StatusUnsupportedMediaType, wire.CodeUnsupportedFormat, "A compressed body is not accepted. Send the JSON as it is, without Content-Encoding.")
	}
	if deadline, ok := c.w.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = deadline.SetReadDeadline(time.Now().Add(bodyReadWithin)) // not every writer can
		defer func() { _ = deadline.SetReadDeadline(time.Time{}) }()
	}
	if p.carried(c) {
		return p.carry(c)
	}
	body, err := p.buffers.ReadInTurn(c.r.Body, c.r.ContentLength, p.BodyBytesMax)
	c.body = body
	return notTaken(err, p.BodyBytesMax)
}

// notTaken says why a body of at most so many bytes was not taken in.
func notTaken(err error, most int) *refusal.Error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, buffer.ErrTooLarge):
		problem := refusal.New(http.StatusRequestEntityTooLarge, wire.CodeBodyTooLarge, "")
		problem.Message = string(appendTooLarge(nil, most))
		return problem
	case errors.Is(err, buffer.ErrNoRoom):
		problem := refusal.Wrap(http.StatusServiceUnavailable, wire.CodeUploadNoRoom,
			"Other large bodies take the room that this edge, or this organization on it, has for them. Try again soon. If it lasts: TOLLGATE_UPLOAD_DISK_BYTES is what the edge sets aside.", err)
		problem.RetryAfter = noRoomFor
		return problem
	case errors.Is(err, buffer.ErrDiskFull):
		return refusal.Wrap(http.StatusInsufficientStorage, wire.CodeUploadNoRoom,
			"The edge's disk has no room for this body. Whoever runs the edge can free some, or name another directory in TOLLGATE_UPLOAD_DIR.", err)
	default:
		return refusal.Wrap(http.StatusBadRequest, wire.CodeInvalidRequest, "The body did not arrive whole.", err)
	}
}

// ask reads what the body asks for.
func (p *Pipeline) ask(c *call) *refusal.Error {
	direct.Yield(len(c.body.B))
	if c.dialect.IsTask() {
		return p.askTask(c)
	}
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	var problem *refusal.Error
	if c.ask, problem = translate.Read(c.dialect, c.body.B, &c.scan); problem != nil {
		return problem
	}
	if c.dialect.IsGoogle() {
		if problem = c.ask.ReadGeminiPath(c.r.URL, c.body.B); problem != nil {
			return problem
		}
	}
	c.inferRun()
	return c.readBodyLabels()
}
