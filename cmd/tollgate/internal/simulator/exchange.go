package simulator

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// exchange is one attempt: its entry in the ledger, its fault and its connection.
type exchange struct {
	sim   *Simulator
	w     http.ResponseWriter
	r     *http.Request
	fault Fault
	reply reply
	entry Entry
	place int

	control *http.ResponseController
	format  func(dst []byte, name string, data []byte) []byte // of a stream's events
	events  int                                               // written so far
	broken  bool                                              // nothing more can be written
	line    []byte
}

// begin opens the attempt: it waits, answers a status fault (then it returns nil) and writes the entry.
func (s *Simulator) begin(w http.ResponseWriter, r *http.Request, p prompt, streamed bool, refuse func(status int)) *exchange {
	fault := s.faults.take(p.model)
	if fault.Kind == FaultLong {
		p.outputMax = 0
	}
	x := &exchange{sim: s, w: w, r: r, fault: fault, reply: p.answer(), control: http.NewResponseController(w), format: appendEvent}
	used := x.reply.usage
	x.entry = Entry{
		ID: s.id("bill_"), ClientRequestID: r.Header.Get("X-Client-Request-Id"), Provider: p.provider, Model: p.model, Streamed: streamed,
		InputTokens: used.input, CachedTokens: used.cached, CacheWriteTokens: used.cacheWrite, Status: http.StatusOK, At: s.now().UTC(),
	}
	wait := s.latency.FirstByte
	if x.fault.Kind == FaultLatency {
		wait += x.fault.latency()
	}
	if !pause(r.Context(), wait) {
		return nil // gone before anything was billed
	}
	if x.fault.Kind == FaultStatus {
		x.entry.Status = x.fault.Status
		x.entry.InputTokens, x.entry.CachedTokens, x.entry.CacheWriteTokens = 0, 0, 0
		s.ledger.open(x.entry)
		if x.fault.Status == http.StatusTooManyRequests || x.fault.Status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "1")
		}
		refuse(x.fault.Status)
		return nil
	}
	x.place = s.ledger.open(x.entry)
	return x
}

// end writes the entry as it is now.
func (x *exchange) end() { x.sim.ledger.settle(x.place, x.entry) }

// produced bills n more tokens of output.
func (x *exchange) produced(n int) { x.entry.OutputTokens += n }

// plain answers at once with a body. All output is billed, whether it arrives or not.
func (x *exchange) plain(body any) {
	defer x.end()
	x.entry.OutputTokens, x.entry.ReasoningTokens = x.reply.usage.output, x.reply.usage.reasoning
	raw, err := json.Marshal(body)
	if err != nil {
		http.Error(x.w, err.Error(), http.StatusInternalServerError)
		return
	}
	switch x.fault.Kind {
	case FaultStall:
		<-x.r.Context().Done()
		return
	case FaultGarbage:
		raw = []byte("<html><body>It works!</body></html>")
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
	if x.fault.Kind == FaultCut {
		_, _ = x.w.Write(raw[:len(raw)/2])
		x.cut()
		return
	}
	if _, err := x.w.Write(raw); err == nil {
		x.entry.Completed = x.r.Context().Err() == nil
	}
}

// open begins a stream of events.
func (x *exchange) open() {
	x.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	x.w.Header().Set("Cache-Control", "no-cache")
	x.w.WriteHeader(http.StatusOK)
}

// event writes one event of a stream. The name is empty in OpenAI's chat format, which has none.
func (x *exchange) event(name string, data any) {
	if x.broken {
		return
	}
	raw, err := json.Marshal(data)
	if err != nil {
		x.broken = true
		return
	}
	x.raw(name, raw)
}

func (x *exchange) raw(name string, data []byte) {
	if x.broken || !x.faultless() {
		return
	}
	if x.events > 0 && !pause(x.r.Context(), x.sim.latency.Between) {
		x.broken = true
		return
	}
	x.line = x.format(x.line[:0], name, data)
	if x.write(x.line) {
		x.events++
	}
}

// appendEvent appends a server-sent event.
func appendEvent(dst []byte, name string, data []byte) []byte {
	if name != "" {
		dst = append(append(append(dst, "event: "...), name...), '\n')
	}
	return append(append(append(dst, "data: "...), data...), "\n\n"...)
}

// write says whether the line has left. What has left is billed, also when it is the last thing that the client takes.
func (x *exchange) write(line []byte) bool {
	_, err := x.w.Write(line)
	left := err == nil && x.control.Flush() == nil
	x.broken = !left || x.r.Context().Err() != nil
	return left
}

// faultless carries out the stream's fault when its time has come, and says whether the stream goes on.
func (x *exchange) faultless() bool {
	if x.events != x.fault.AfterEvents {
		return true
	}
	switch x.fault.Kind {
	case FaultCut:
		x.cut()
	case FaultStall:
		_ = x.control.Flush()
		<-x.r.Context().Done()
	case FaultGarbage:
		x.write([]byte("data: {\"object\":\"chat.comp\x00\xff<html>\n\n"))
	default:
		return true
	}
	x.broken = true
	return false
}

// cut closes the connection in the middle of what is being said. What was said until then is on the bill before anybody can see its end.
func (x *exchange) cut() {
	_ = x.control.Flush()
	x.end()
	if connection, _, err := x.control.Hijack(); err == nil {
		_ = connection.Close()
	}
}

// usageHidden says whether the fault takes the usage away.
func (x *exchange) usageHidden() bool { return x.fault.Kind == FaultNoUsage }

// pause waits and says whether the client is still there.
func pause(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
