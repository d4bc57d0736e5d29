// Package meter counts the tokens of an answer, from what the provider reports or else from what was seen, and prices them in
// whole pico-USD.
// It refuses to price at zero what it does not know, and to believe negative or absurd counts.
package meter

import (
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Usage is the tokens of one attempt, being counted.
type Usage wire.Tokens

// tokensMax is the largest count that is believed: a hundred times the longest context known.
const tokensMax = 100_000_000

// bytesPerToken is the mean of common tokenizers over English text and code; used only where a provider reports nothing.
const bytesPerToken = 4

// Tokens estimates how many tokens so many bytes of text are, rounded up.
func Tokens(textBytes int64) int64 { return (textBytes + bytesPerToken - 1) / bytesPerToken }

// Read reads a usage object as the dialect defines it. It reports false when the object is missing, incomplete or not believed.
// OpenAI: https://platform.openai.com/docs/api-reference/chat/object and …/responses/object; Anthropic: https://docs.anthropic.com/en/api/messages;
// Google: https://ai.google.dev/api/generate-content#UsageMetadata.
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
	switch d {
	case dialect.AnthropicMessages:
		return u.mergeAnthropic(raw)
	case dialect.GeminiGenerate, dialect.GeminiEmbed, dialect.GeminiBatchEmbed:
		return u.mergeGemini(raw)
	case dialect.BedrockConverse:
		return u.mergeConverse(raw)
	case dialect.CohereChat, dialect.CohereEmbed:
		return u.mergeCohere(raw)
	default:
		return u.mergeOpenAI(raw)
	}
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
		case "output_tokens_details":
			ok = count(&u.Reasoning, scan.Lookup(value, "thinking_tokens"), ok)
		case "service_tier":
			u.served(value)
		}
	})
	u.Reasoning = min(u.Reasoning, u.Output)
	u.CacheWrite = max(u.CacheWrite, minutes+u.CacheWriteHour) // the lifetimes are the parts of the whole
	return ok && seen
}

func (u *Usage) mergeOpenAI(raw []byte) bool {
	ok, seen := true, false
	var input, cached, cachedAudio, cachedImage, audioIn, imageIn, audioOut, imageOut int64
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "prompt_tokens", "input_tokens":
			ok, seen = count(&input, value, ok), true
		case "completion_tokens", "output_tokens":
			ok = count(&u.Output, value, ok)
		case "prompt_tokens_details", "input_tokens_details", "input_token_details":
			ok = count(&cached, scan.Lookup(value, "cached_tokens"), ok)
			ok = count(&audioIn, scan.Lookup(value, "audio_tokens"), ok)
			ok = count(&imageIn, scan.Lookup(value, "image_tokens"), ok)
			ofCached := scan.Lookup(value, "cached_tokens_details")
			ok = count(&cachedAudio, scan.Lookup(ofCached, "audio_tokens"), ok)
			ok = count(&cachedImage, scan.Lookup(ofCached, "image_tokens"), ok)
		case "completion_tokens_details", "output_tokens_details", "output_token_details":
			ok = count(&u.Reasoning, scan.Lookup(value, "reasoning_tokens"), ok)
			ok = count(&audioOut, scan.Lookup(value, "audio_tokens"), ok)
			ok = count(&imageOut, scan.Lookup(value, "image_tokens"), ok)
		}
	})
	u.CachedInput = min(cached, input)
	u.Input = input - u.CachedInput
	u.AudioInput = min(max(audioIn-cachedAudio, 0), u.Input) // where those read from a cache are told apart, they are in both
	u.ImageInput = min(max(imageIn-cachedImage, 0), u.Input-u.AudioInput)
	u.Reasoning = min(u.Reasoning, u.Output)
	u.AudioOutput = min(audioOut, u.Output-u.Reasoning)
	u.ImageOutput = min(imageOut, u.Output-u.Reasoning-u.AudioOutput)
	return ok && seen
}

// served notes which service of the provider answered. OpenAI: https://platform.openai.com/docs/guides/flex-processing and
// …/priority-processing; Anthropic: https://docs.anthropic.com/en/api/service-tiers.
func (u *Usage) served(raw []byte) {
	switch string(raw) {
	case `"batch"`:
		u.Service = "batch"
	case `"flex"`, `"on_demand_flex"`:
		u.Service = "flex"
	case `"priority"`, `"on_demand_priority"`:
		u.Service = "priority"
	}
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

// Cost returns what the usage costs at a price. It saturates instead of overflowing.
func Cost(p *state.Price, u Usage) int64 {
	used := wire.Tokens(u)
	return p.Cost(&used)
}

// Saved returns how much more the tokens read from a cache would have cost as plain input, in pico-USD.
func Saved(p *state.Price, u Usage) int64 {
	used := wire.Tokens(u)
	return p.Saved(&used)
}

// Row returns the row of a price that the usage is billed at.
func Row(p *state.Price, u Usage) *state.Price {
	used := wire.Tokens(u)
	return p.Row(&used)
}

// Estimated says whether what a usage costs is not surely what the provider bills: it counted nothing, or served in a way without a known price.
func Estimated(p *state.Price, u Usage) bool {
	used := wire.Tokens(u)
	return !u.Reported || p.Guesses(&used)
}

// Fill writes the usage into an event.
func Fill(event *wire.UsageEvent, u Usage) {
	event.InputTokens, event.AudioInputTokens, event.ImageInputTokens = u.Input, u.AudioInput, u.ImageInput
	event.CachedInputTokens, event.CacheWriteTokens, event.CacheWriteHourTokens = u.CachedInput, u.CacheWrite, u.CacheWriteHour
	event.OutputTokens, event.ReasoningTokens = u.Output, u.Reasoning
	event.AudioOutputTokens, event.ImageOutputTokens = u.AudioOutput, u.ImageOutput
	event.ServiceTier, event.Reported = u.Service, u.Reported
	event.Images, event.Characters, event.AudioMs, event.Searches = u.Images, u.Characters, u.AudioMs, u.Searches
}
