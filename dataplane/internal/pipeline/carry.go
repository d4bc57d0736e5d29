package pipeline

import (
	"errors"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
)

const (
	carryPace = 256 << 10 // bytes a second that a long body comes with at least, on the average, beyond bodyReadWithin
	noRoomFor = 5 * time.Second
)

// carried says whether the body is carried through the disk: it may bring a file, and is not known to be short.
func (p *Pipeline) carried(c *call) bool {
	return p.Disk != nil && c.brings() && (c.r.ContentLength < 0 || c.r.ContentLength > buffer.DraftMemory)
}

// brings says whether the request may bring a file. What is read as JSON fits into memory.
func (c *call) brings() bool {
	switch {
	case c.passage != nil:
	case c.dialect == dialect.GeminiFiles: // an upload begins with JSON
		return c.r.URL.Query().Has(uploadID)
	default:
		return c.dialect == dialect.OpenAIFiles || c.dialect == dialect.AnthropicFiles || c.dialect.IsForm()
	}
	return c.passage.known.IsForm() || c.passage.known == dialect.None && !c.saysJSON()
}

// saysJSON says whether the caller declares its body as JSON.
func (c *call) saysJSON() bool { return isJSON(c.r.Header.Get("Content-Type")) }

// isJSON says whether a media type is that of one JSON value. Values line by line are none together.
func isJSON(kind string) bool {
	return strings.Contains(strings.ToLower(kind), "json") && !isLines(kind)
}

// isLines says whether a media type is that of JSON values one after the other: JSON Lines and NDJSON, under the names that are in use, and RFC 7464's.
func isLines(kind string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	_, of, _ := strings.Cut(strings.TrimSpace(kind), "/")
	switch strings.TrimPrefix(of, "x-") {
	case "jsonl", "jsonlines", "json-lines", "ndjson", "json-seq":
		return true
	default:
		return false
	}
}

// carry takes a long body in. Nothing of it is read before the limits that hold every call of the key have let it through: those that depend on
// what it asks for are asked when that is known.
func (p *Pipeline) carry(c *call) *refusal.Error {
	if c.r.ContentLength > int64(p.UploadBytesMax) {
		return notTaken(buffer.ErrTooLarge, p.UploadBytesMax)
	}
	facts := state.Facts{EndUser: c.endUser, Run: c.runID, Labels: c.labels}
	if problem := p.Limiter.Admit(&c.grant, c.key, &facts, limit.Estimate{NoOutput: true}, c.started); problem != nil {
		return problem
	}
	draft := p.draft(c)
	defer draft.Drop()
	if err := draft.Announce(c.r.ContentLength); err != nil {
		return notTaken(err, p.UploadBytesMax)
	}
	err := p.fill(c, draft)
	if err == nil {
		c.body, err = draft.Done()
	}
	if c.body.InFile() { // a disk that fails under it is this call's end, not the edge's
		debug.SetPanicOnFault(true)
	}
	return notTaken(err, p.UploadBytesMax)
}

// fill reads the body to its end.
func (p *Pipeline) fill(c *call, draft *buffer.Draft) error {
	deadline, waits := c.w.(interface{ SetReadDeadline(time.Time) error })
	for began := time.Now(); ; {
		if waits {
			_ = deadline.SetReadDeadline(began.Add(bodyReadWithin + time.Duration(draft.Len()/carryPace)*time.Second)) // not every writer can
		}
		_, err := draft.Take(c.r.Body)
		switch {
		case draft.Len() > int64(p.UploadBytesMax):
			return buffer.ErrTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// draft returns an empty one of the call's organization.
func (p *Pipeline) draft(c *call) *buffer.Draft {
	return p.buffers.Draft(p.Disk, buffer.Owner(c.key.Org.ID))
}
