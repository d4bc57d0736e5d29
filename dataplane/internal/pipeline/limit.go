package pipeline

import (
	"strconv"
	"time"

	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// limit takes what the call is expected to use from every rate limit that holds it. finish settles it.
func (p *Pipeline) limit(c *call) *refusal.Error {
	if len(c.key.RateLimits) == 0 {
		return nil
	}
	c.grant.Release(p.Now()) // of what was taken before the body was there
	facts := c.facts()
	estimate := limit.Estimate{InputTokens: meter.Tokens(int64(len(c.body.B))), OutputTokens: c.ask.MaxOutput * c.ask.Choices, NoOutput: !c.dialect.HasOutput()}
	if c.ask.Task != nil { // files are no text
		estimate.InputTokens = meter.Tokens(c.ask.Task.TextBytes)
	}
	if c.dialect.IsFree() || c.dialect.IsKept() { // what is read of a file, and what is to come of a batch, is no call
		estimate.InputTokens = 0
	}
	problem := p.Limiter.Admit(&c.grant, c.key, &facts, estimate, c.started)
	if c.grant.Alone() {
		c.set("X-Tollgate-Rate-Counting", "share")
	}
	if problem == nil && len(c.asks()) > 1 {
		return p.limitShares(c, estimate)
	}
	return problem
}

// limitedAlso returns a key with the rate limits that hold these facts and have not counted the call.
func (c *call) limitedAlso(facts *state.Facts) *state.Key {
	own, callers := &state.Key{}, c.facts()
	for _, each := range c.key.RateLimits {
		subject, holds := each.Selector.Subject(facts)
		counted, did := each.Selector.Subject(&callers)
		if holds && (!did || counted != subject) {
			own.RateLimits = append(own.RateLimits, each)
		}
	}
	return own
}

// fields are the names of three header fields: of the limit, of what remains, and of when it is whole again.
type fields struct{ limit, remaining, reset string }

// limited are the kinds of limit that header fields tell of, under the names that the dialects' own SDKs know:
// https://platform.openai.com/docs/guides/rate-limits ("Rate limits in headers") and https://docs.anthropic.com/en/api/rate-limits ("Response
// headers"). Concurrency has no name there.
var limited = [...]struct {
	what              wire.RateLimitWhat
	openAI, anthropic fields
}{
	{
		wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS,
		fields{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
		fields{"Anthropic-Ratelimit-Requests-Limit", "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset"},
	},
	{
		wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS,
		fields{"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
		fields{"Anthropic-Ratelimit-Tokens-Limit", "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset"},
	},
	{
		wire.RateLimitWhat_RATE_LIMIT_WHAT_INPUT_TOKENS,
		fields{"X-Ratelimit-Limit-Input-Tokens", "X-Ratelimit-Remaining-Input-Tokens", "X-Ratelimit-Reset-Input-Tokens"},
		fields{"Anthropic-Ratelimit-Input-Tokens-Limit", "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset"},
	},
	{
		wire.RateLimitWhat_RATE_LIMIT_WHAT_OUTPUT_TOKENS,
		fields{"X-Ratelimit-Limit-Output-Tokens", "X-Ratelimit-Remaining-Output-Tokens", "X-Ratelimit-Reset-Output-Tokens"},
		fields{"Anthropic-Ratelimit-Output-Tokens-Limit", "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset"},
	},
}

// describeLimits sets the header fields of the tightest limit of each kind. A window is whole again when its length has passed without
// another call.
func (p *Pipeline) describeLimits(c *call) {
	for _, kind := range limited {
		rule, found := c.grant.Tightest(kind.what)
		if !found {
			continue
		}
		window := limit.Window(rule.Limit.Per)
		names, reset := kind.openAI, window.String()
		if c.dialect.IsAnthropic() {
			names, reset = kind.anthropic, p.Now().Add(window).UTC().Format(time.RFC3339)
		}
		c.set(names.limit, strconv.FormatInt(rule.Limit.Amount, 10))
		c.set(names.remaining, strconv.FormatInt(rule.Left, 10))
		c.set(names.reset, reset)
	}
}
