package guardrail

import (
	"bytes"
	"errors"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
)

// heldMax is how many bytes of events a window holds back at most: the last ones of a stream may tell its text again, four times.
const heldMax = 16 << 20

// ErrHeldTooMuch says that a stream goes on without giving the held-back text an end.
var ErrHeldTooMuch = errors.New("too much of the stream is held back")

// Window holds back the end of a stream until no forbidden word can begin in what it lets go.
type Window struct {
	checker *Checker
	d       dialect.Dialect
	hold    int64 // bytes of text that must follow before a text may leave
	lanes   []lane
	queue   []held
	raw     []byte // of the queue's events, in order
	verdict Verdict
}

// lane is one text that grows by deltas: a choice, a content block, an output item.
type lane struct {
	id    int64
	total int64 // bytes of text so far, runs of white space counted once
	tail  []byte
}

type held struct {
	bytes int
	lane  int // index; -1: carries no growing text
	end   int64
}

// NewWindow returns a window for one stream. Longest is the length in bytes of the longest forbidden word.
func NewWindow(c *Checker, d dialect.Dialect, longest int) *Window {
	return &Window{checker: c, d: d, hold: int64(longest) + 1}
}

// Add takes an event whose data r has scanned. After a blocking verdict nothing more may leave.
func (w *Window) Add(event sse.Event, r *scan.Result) (Verdict, error) {
	entry := held{bytes: len(event.Raw), lane: -1}
	if len(r.Texts) > 0 {
		if w.isDelta(event.Data, r) {
			entry.lane, entry.end = w.grow(event.Data, r)
		} else if v := w.checker.Check(event.Data, r.Texts); v.Blocked != nil || w.verdict.Flagged == nil {
			w.verdict = Verdict{Blocked: v.Blocked, Word: v.Word, Flagged: v.Flagged}
		}
	}
	w.raw = append(w.raw, event.Raw...)
	w.queue = append(w.queue, entry)
	if len(w.raw) > heldMax {
		return w.verdict, ErrHeldTooMuch
	}
	return w.verdict, nil
}

// Release appends the events that may leave now. At the end of the stream that is all of them, unless the last text blocks.
func (w *Window) Release(dst []byte, end bool) ([]byte, Verdict) {
	if end {
		for i := range w.lanes {
			w.checker.text(w.lanes[i].tail, &w.verdict)
		}
	}
	if w.verdict.Blocked != nil {
		return dst, w.verdict
	}
	n, size := 0, 0
	for n < len(w.queue) && (end || w.mayLeave(w.queue[n])) {
		size += w.queue[n].bytes
		n++
	}
	dst = append(dst, w.raw[:size]...)
	w.raw = append(w.raw[:0], w.raw[size:]...)
	w.queue = append(w.queue[:0], w.queue[n:]...)
	return dst, w.verdict
}

func (w *Window) mayLeave(e held) bool {
	return e.lane < 0 || w.lanes[e.lane].total >= e.end+w.hold
}

func (w *Window) isDelta(data []byte, r *scan.Result) bool {
	if w.d == dialect.OpenAIChat || w.d == dialect.GeminiGenerate {
		return true
	}
	kind, _ := r.Text(data, scan.Type)
	return bytes.HasSuffix(kind, []byte("delta"))
}

// grow adds the event's texts to their lanes and returns the lane that must be waited for.
func (w *Window) grow(data []byte, r *scan.Result) (int, int64) {
	last := 0
	choices := r.Bytes(data, scan.Choices)
	switch w.d {
	case dialect.OpenAIChat:
	case dialect.GeminiGenerate:
		choices = r.Bytes(data, scan.Candidates)
	default:
		last = w.lane(number(data, "index")<<20 + number(data, "output_index")<<10 + number(data, "content_index"))
		for _, text := range r.Texts {
			w.extend(last, data[text.Start:text.End])
		}
		return last, w.lanes[last].total
	}
	scan.Elements(choices, func(choice []byte) {
		from := cap(data) - cap(choice)
		index := w.lane(number(choice, "index"))
		for _, text := range r.Texts {
			if text.Start >= from && text.End <= from+len(choice) {
				w.extend(index, data[text.Start:text.End])
				last = index
			}
		}
	})
	if len(w.lanes) == 0 {
		return -1, 0
	}
	return last, w.lanes[last].total
}

func number(object []byte, key string) int64 {
	n, _ := scan.Int(scan.Lookup(object, key))
	return n
}

func (w *Window) lane(id int64) int {
	for i := range w.lanes {
		if w.lanes[i].id == id {
			return i
		}
	}
	w.lanes = append(w.lanes, lane{id: id, tail: append(make([]byte, 0, 4*w.hold), '\n')})
	return len(w.lanes) - 1
}

// extend adds text to a lane and looks for words that have ended in it.
func (w *Window) extend(index int, raw []byte) {
	l := &w.lanes[index]
	before := len(l.tail)
	for _, c := range w.checker.decode(raw) {
		if isSpace(c) && len(l.tail) > 0 && isSpace(l.tail[len(l.tail)-1]) {
			continue
		}
		l.tail = append(l.tail, c)
	}
	l.total += int64(len(l.tail) - before)
	whole := len(l.tail)
	for whole > 0 && isWord(l.tail[whole-1]) {
		whole--
	}
	w.checker.text(l.tail[:whole], &w.verdict)
	l.trim(int(w.hold))
}

// trim forgets text in which no word can begin that has not ended. What is left begins where a word may begin.
func (l *lane) trim(hold int) {
	if len(l.tail) < 3*hold {
		return
	}
	cut := len(l.tail) - hold - 1
	for cut > 0 && isWord(l.tail[cut]) {
		cut--
	}
	if cut == 0 {
		cut = len(l.tail) - 2*hold // one unbroken run, longer than any word
	}
	l.tail = append(l.tail[:0], l.tail[cut:]...)
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func isWord(c byte) bool {
	return c >= 0x80 || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
