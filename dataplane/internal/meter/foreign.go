package meter

import (
	"bytes"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
)

// mergeConverse reads the usage of Bedrock's Converse, whose classes of input are disjoint
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html).
func (u *Usage) mergeConverse(raw []byte) bool {
	ok, seen := true, false
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "inputTokens":
			ok, seen = count(&u.Input, value, ok), true
		case "outputTokens":
			ok, seen = count(&u.Output, value, ok), true
		case "cacheReadInputTokens":
			ok = count(&u.CachedInput, value, ok)
		case "cacheWriteInputTokens":
			ok = count(&u.CacheWrite, value, ok)
		case "cacheDetails":
			scan.Elements(value, func(written []byte) {
				if string(scan.Lookup(written, "ttl")) == `"1h"` {
					ok = count(&u.CacheWriteHour, scan.Lookup(written, "inputTokens"), ok)
				}
			})
		}
	})
	u.CacheWrite = max(u.CacheWrite, u.CacheWriteHour)
	return ok && seen
}

// converse takes an event of ConverseStream, which its name tells apart.
func (s *Stream) converse(event sse.Event, r *scan.Result) Kind {
	switch string(event.Name) {
	case "contentBlockDelta":
		s.text(r)
	case "messageStop":
		s.complete = true
	case "metadata":
		if u, ok := Read(s.d, r.Bytes(event.Data, scan.Usage)); ok {
			u.served(scan.Lookup(scan.Lookup(event.Data, "serviceTier"), "type"))
			s.usage = u
		}
	}
	return Carry
}

// mergeCohere reads what Cohere bills, or else the tokens that it counted: it does not bill those that it adds to a request itself
// (https://docs.cohere.com/reference/chat).
func (u *Usage) mergeCohere(raw []byte) bool {
	units := scan.Lookup(raw, "billed_units")
	if scan.Lookup(units, "input_tokens") == nil {
		units = scan.Lookup(raw, "tokens")
	}
	var input, cached, output decimal
	ok := input.read(scan.Lookup(units, "input_tokens")) && cached.read(scan.Lookup(raw, "cached_tokens")) && output.read(scan.Lookup(units, "output_tokens"))
	u.CachedInput = min(int64(cached), int64(input))
	u.Input, u.Output = int64(input)-u.CachedInput, int64(output)
	return ok && scan.Lookup(units, "input_tokens") != nil
}

// cohere takes an event of Cohere's Chat.
func (s *Stream) cohere(data []byte, r *scan.Result) Kind {
	kind, _ := r.Text(data, scan.Type)
	switch string(kind) {
	case "content-start", "content-delta", "tool-plan-delta", "tool-call-start", "tool-call-delta":
		s.text(r)
	case "message-end":
		last := scan.Lookup(data, "delta")
		if u, ok := Read(s.d, scan.Lookup(last, "usage")); ok {
			s.usage = u
		}
		reason := string(scan.Lookup(last, "finish_reason"))
		if reason == `"ERROR"` || reason == `"TIMEOUT"` {
			return Failed
		}
		s.complete = true
	}
	return Carry
}

// decimal is a count that is written as a whole number, with or without a fraction of zero.
type decimal int64

func (n *decimal) read(raw []byte) bool {
	whole, zeros, _ := bytes.Cut(raw, []byte("."))
	if len(bytes.Trim(zeros, "0")) > 0 {
		return false
	}
	return count((*int64)(n), whole, true)
}
