package meter

import (
	"bytes"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
)

// Answer returns the usage of a whole answer that r has scanned. Where the provider reports none that can be believed, it is
// estimated from the bytes of the request and of the answer's texts.
func Answer(d dialect.Dialect, body []byte, r *scan.Result, requestBytes int64) Usage {
	if d.IsFree() {
		return Usage{}
	}
	raw := r.Bytes(body, scan.Usage)
	switch d {
	case dialect.GeminiGenerate, dialect.GeminiEmbed, dialect.GeminiBatchEmbed:
		raw = r.Bytes(body, scan.UsageMetadata)
	case dialect.VertexEmbed, dialect.TitanEmbed:
		if u, ok := embedded(d, body); ok {
			return u
		}
	case dialect.CohereEmbed:
		raw = scan.Lookup(body, "meta")
	}
	if u, ok := Read(d, raw); ok {
		u.served(r.Bytes(body, scan.ServiceTier))
		if d == dialect.BedrockConverse {
			u.served(scan.Lookup(scan.Lookup(body, "serviceTier"), "type"))
		}
		return u
	}
	u := Usage{Input: Tokens(requestBytes)}
	if d.HasOutput() {
		u.Output = Tokens(textBytes(r))
	}
	return u
}

func textBytes(r *scan.Result) int64 {
	n := int64(0)
	for _, text := range r.Texts {
		n += int64(text.End - text.Start)
	}
	return n
}

// Kind is what an event is to the stream.
type Kind uint8

// The kinds.
const (
	Carry     Kind = iota // goes to the caller
	UsageOnly             // OpenAI's extra chunk that carries nothing but usage
	End                   // the stream's end marker
	Failed                // the provider's own error event
	Garbage               // not what the dialect sends
)

// Stream meters one streamed answer.
type Stream struct {
	d            dialect.Dialect
	usage        Usage
	requestBytes int64
	textBytes    int64  // of output seen so far
	deltas       int64  // pieces of output seen so far that hold text
	choices      int64  // answers that were asked for
	ended        int64  // of them that have come to their end
	seen, done   uint64 // Google's candidates that have begun and ended, a bit each
	complete     bool   // the answer is whole
	begun        bool   // some of it has come
}

// NewStream returns the meter of a stream that answers a request of so many bytes.
func NewStream(d dialect.Dialect, requestBytes int64) Stream {
	return Stream{d: d, requestBytes: requestBytes}
}

// Expect says how many answers were asked for, where it is more than one.
func (s *Stream) Expect(choices int64) { s.choices = choices }

// Complete says whether the provider has ended its answer properly.
func (s *Stream) Complete() bool { return s.complete }

// Usage returns what is known so far: the provider's counts, and estimates for those that it has not reported.
func (s *Stream) Usage() Usage {
	u := s.usage
	if u.Reported {
		return u
	}
	if u.Input+u.CachedInput+u.CacheWrite == 0 {
		u.Input = Tokens(s.requestBytes)
	}
	u.Output = max(u.Output, Tokens(s.textBytes))
	return u
}

// Seen returns what is proven so far, never more than the provider will count: its own counts, and one token for each piece of output
// that has come.
func (s *Stream) Seen() Usage {
	u := s.usage
	if !u.Reported {
		u.Output = max(u.Output, s.deltas)
	}
	return u
}

// text notes the output of one event.
func (s *Stream) text(r *scan.Result) {
	if n := textBytes(r); n > 0 {
		s.textBytes += n
		s.deltas++
	}
}

// Event takes one event. r is scratch; afterwards it holds the scan of the event's data when that is a JSON object.
func (s *Stream) Event(event sse.Event, r *scan.Result) Kind {
	r.Texts = r.Texts[:0]
	if len(event.Data) == 0 {
		return Carry
	}
	if (s.d == dialect.OpenAIChat || s.d == dialect.MistralChat) && bytes.Equal(bytes.TrimSpace(event.Data), []byte("[DONE]")) {
		s.complete = true
		return End
	}
	if r.ScanAnswer(event.Data) != nil {
		return Garbage
	}
	if r.Has(event.Data, scan.Failure) || string(event.Name) == "error" {
		return Failed
	}
	s.begun = s.begun || begins(s.d, event.Data, r)
	switch s.d {
	case dialect.AnthropicMessages:
		return s.anthropic(event.Data, r)
	case dialect.OpenAIResponses:
		return s.responses(event.Data, r)
	case dialect.GeminiGenerate:
		return s.gemini(event.Data, r)
	case dialect.BedrockConverse:
		return s.converse(event, r)
	case dialect.CohereChat:
		return s.cohere(event.Data, r)
	default:
		return s.chat(event.Data, r)
	}
}

func (s *Stream) chat(data []byte, r *scan.Result) Kind {
	s.text(r)
	choices := r.Bytes(data, scan.Choices)
	if !s.complete && bytes.Contains(choices, []byte(`"finish_reason":"`)) {
		s.ended += int64(bytes.Count(choices, []byte(`"finish_reason":"`)))
		s.complete = s.ended >= s.choices // some servers send no [DONE]
	}
	if !r.Has(data, scan.Usage) {
		return Carry
	}
	if u, ok := Read(s.d, r.Bytes(data, scan.Usage)); ok {
		u.served(r.Bytes(data, scan.ServiceTier))
		s.usage = u
	}
	if len(choices) > 0 && len(bytes.TrimSpace(choices[1:len(choices)-1])) == 0 {
		return UsageOnly
	}
	return Carry
}

func (s *Stream) responses(data []byte, r *scan.Result) Kind {
	kind, _ := r.Text(data, scan.Type)
	switch {
	case bytes.HasSuffix(kind, []byte(".delta")):
		s.text(r)
	case string(kind) == "response.completed", string(kind) == "response.incomplete", string(kind) == "response.failed":
		s.complete = string(kind) != "response.failed"
		response := r.Bytes(data, scan.Response)
		if u, ok := Read(s.d, scan.Lookup(response, "usage")); ok {
			u.served(scan.Lookup(response, "service_tier"))
			s.usage = u
		}
		if !s.complete {
			return Failed
		}
	}
	return Carry
}

func (s *Stream) anthropic(data []byte, r *scan.Result) Kind {
	kind, _ := r.Text(data, scan.Type)
	switch string(kind) {
	case "message_start":
		s.merge(scan.Lookup(r.Bytes(data, scan.Message), "usage"), false)
	case "content_block_delta", "content_block_start":
		s.text(r)
	case "message_delta":
		s.merge(r.Bytes(data, scan.Usage), true)
	case "message_stop":
		s.complete = true
	}
	return Carry
}

// merge takes a part of Anthropic's usage. Only the final counts make it a report.
func (s *Stream) merge(raw []byte, final bool) {
	next := s.usage
	if len(raw) == 0 || raw[0] != '{' || !next.merge(s.d, raw) || !next.plausible() {
		return
	}
	next.Reported = final
	s.usage = next
}
