// Package meter counts the tokens of an answer, from what the provider reports or else from what was seen, and prices them in
// whole pico-USD.
// It refuses to price at zero what it does not know, and to believe negative or absurd counts.
package meter

import (
	"math"
	"math/bits"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
)

// Usage is the tokens of one attempt. Input, CachedInput and CacheWrite are disjoint; AudioInput is contained in Input, CacheWriteHour in
// CacheWrite, Reasoning and AudioOutput are disjoint and contained in Output.
type Usage struct {
	Input          int64
	AudioInput     int64
	CachedInput    int64
	CacheWrite     int64
	CacheWriteHour int64 // kept for an hour; the others for five minutes
	Output         int64
	Reasoning      int64
	AudioOutput    int64
	Reported       bool // the provider said so
}

// all returns the tokens of input of every class, which choose the tier of a price.
func (u *Usage) all() int64 { return plus(plus(u.Input, u.CachedInput), u.CacheWrite) }

// tokensMax is the largest count that is believed: a hundred times the longest context known.
const tokensMax = 100_000_000

// bytesPerToken is the mean of common tokenizers over English text and code; used only where a provider reports nothing.
const bytesPerToken = 4

// Tokens estimates how many tokens so many bytes of text are, rounded up.
func Tokens(textBytes int64) int64 { return (textBytes + bytesPerToken - 1) / bytesPerToken }

// Read reads a usage object as the dialect defines it. It reports false when the object is missing, incomplete or not believed.
// OpenAI: https://platform.openai.com/docs/api-reference/chat/object and …/responses/object; Anthropic: https://docs.anthropic.com/en/api/messages.
func Read(d dialect.Dialect, raw []byte) (Usage, bool) {
	var u Usage
	if len(raw) == 0 || raw[0] != '{' {
		return u, false
	}
	ok := u.merge(d, raw)
	u.Reported = true
	return u, ok && u.plausible()
}

// merge takes the counts that the object names and keeps the others: a stream's later events name only some.
func (u *Usage) merge(d dialect.Dialect, raw []byte) bool {
	if d == dialect.AnthropicMessages {
		return u.mergeAnthropic(raw)
	}
	return u.mergeOpenAI(raw)
}

func (u *Usage) mergeAnthropic(raw []byte) bool {
	ok, seen := true, false
	var minutes int64
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "input_tokens":
			ok, seen = count(&u.Input, value, ok), true
		case "cache_read_input_tokens":
			ok = count(&u.CachedInput, value, ok)
		case "cache_creation_input_tokens":
			ok = count(&u.CacheWrite, value, ok)
		case "cache_creation":
			ok = count(&minutes, scan.Lookup(value, "ephemeral_5m_input_tokens"), ok)
			ok = count(&u.CacheWriteHour, scan.Lookup(value, "ephemeral_1h_input_tokens"), ok)
		case "output_tokens":
			ok, seen = count(&u.Output, value, ok), true
		}
	})
	u.CacheWrite = max(u.CacheWrite, minutes+u.CacheWriteHour) // the lifetimes are the parts of the whole
	return ok && seen
}

func (u *Usage) mergeOpenAI(raw []byte) bool {
	ok, seen := true, false
	var input, cached, audioInput, audioOutput int64
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "prompt_tokens", "input_tokens":
			ok, seen = count(&input, value, ok), true
		case "completion_tokens", "output_tokens":
			ok = count(&u.Output, value, ok)
		case "prompt_tokens_details", "input_tokens_details":
			ok = count(&cached, scan.Lookup(value, "cached_tokens"), ok)
			ok = count(&audioInput, scan.Lookup(value, "audio_tokens"), ok)
		case "completion_tokens_details", "output_tokens_details":
			ok = count(&u.Reasoning, scan.Lookup(value, "reasoning_tokens"), ok)
			ok = count(&audioOutput, scan.Lookup(value, "audio_tokens"), ok)
		}
	})
	u.CachedInput = min(cached, input)
	u.Input = input - u.CachedInput
	u.AudioInput = min(audioInput, u.Input)
	u.Reasoning = min(u.Reasoning, u.Output)
	u.AudioOutput = min(audioOutput, u.Output-u.Reasoning)
	return ok && seen
}

// count reads one number; null and absent leave what is there.
func count(into *int64, raw []byte, ok bool) bool {
	if len(raw) == 0 || raw[0] == 'n' {
		return ok
	}
	n, valid := scan.Int(raw)
	if !valid || n > tokensMax {
		return false
	}
	*into = n
	return ok
}

func (u *Usage) plausible() bool {
	return u.Input >= 0 && u.CachedInput >= 0 && u.CacheWrite >= 0 && u.Output >= 0
}

// Cost returns what the tokens cost at the tier that their input reaches. It saturates instead of overflowing. Where nothing was used and
// nothing reported, nothing is billed, not even the request.
func Cost(p *state.Price, u Usage) int64 {
	row := Row(p, u)
	input, minutes, output, reasoning := u.Input, u.CacheWrite, u.Output, int64(0)
	audioInput, hour := min(u.AudioInput, input), min(u.CacheWriteHour, minutes)
	input, minutes = input-audioInput, minutes-hour
	if row.ReasoningPico > 0 {
		reasoning = min(u.Reasoning, output)
		output -= reasoning
	}
	audioOutput := min(u.AudioOutput, output)
	output -= audioOutput
	total := plus(times(input, row.InputPico), times(audioInput, row.AudioInputPico))
	total = plus(total, times(u.CachedInput, row.CachedInputPico))
	total = plus(total, times(minutes, row.CacheWritePico))
	total = plus(total, times(hour, row.CacheWriteHourPico))
	total = plus(total, times(output, row.OutputPico))
	total = plus(total, times(audioOutput, row.AudioOutputPico))
	total = plus(total, times(reasoning, row.ReasoningPico))
	if u.Reported || u.all() > 0 || u.Output > 0 {
		total = plus(total, row.RequestPico)
	}
	return total
}

// Row returns the row of a price that the usage is billed at: the tier that its input reaches.
func Row(p *state.Price, u Usage) *state.Price {
	if len(p.Tiers) == 0 {
		return p
	}
	return p.Tier(u.all())
}

// Worst returns the most that so many tokens can cost, whatever class the provider puts them in and whichever tier their input reaches.
func Worst(p *state.Price, input, output int64) int64 {
	worst := worstRow(p, below(p, 0, input), output)
	for i, tier := range p.Tiers {
		if input <= int64(tier.AboveTokens) {
			break
		}
		worst = max(worst, worstRow(tier, below(p, i+1, input), output))
	}
	return worst
}

// below returns the most input that tiers before the one with this number hold for.
func below(p *state.Price, tier int, input int64) int64 {
	if tier == len(p.Tiers) {
		return input
	}
	return min(input, int64(p.Tiers[tier].AboveTokens))
}

func worstRow(p *state.Price, input, output int64) int64 {
	in := max(p.InputPico, p.AudioInputPico, p.CachedInputPico, p.CacheWritePico, p.CacheWriteHourPico)
	return plus(plus(times(input, in), times(output, max(p.OutputPico, p.ReasoningPico, p.AudioOutputPico))), p.RequestPico)
}

func times(n, pico int64) int64 {
	if n <= 0 || pico <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(n), uint64(pico))
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}

func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
