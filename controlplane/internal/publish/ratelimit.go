package publish

import (
	"tollgate.dev/controlplane/internal/ratelimit"
	"tollgate.dev/dataplane/wire"
)

func rateLimitBody(in ratelimit.RateLimit) *wire.ItemBody {
	return &wire.ItemBody{Body: &wire.ItemBody_RateLimit{RateLimit: &wire.RateLimit{
		Id: in.ID.Bytes(), Name: in.Name, Scope: scopeKind(in.Scope), ScopeId: in.ScopeID.Bytes(), ScopeValue: in.ScopeValue,
		What: rateLimitWhat(in.What), Amount: in.Amount, Per: rateLimitPer(in.Per),
	}}}
}

func rateLimitWhat(what ratelimit.What) wire.RateLimitWhat {
	switch what {
	case ratelimit.Requests:
		return wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS
	case ratelimit.InputTokens:
		return wire.RateLimitWhat_RATE_LIMIT_WHAT_INPUT_TOKENS
	case ratelimit.OutputTokens:
		return wire.RateLimitWhat_RATE_LIMIT_WHAT_OUTPUT_TOKENS
	case ratelimit.TotalTokens:
		return wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS
	case ratelimit.Concurrent:
		return wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT
	default:
		return wire.RateLimitWhat_RATE_LIMIT_WHAT_UNSPECIFIED
	}
}

func rateLimitPer(per ratelimit.Per) wire.RateLimitPer {
	switch per {
	case ratelimit.Second:
		return wire.RateLimitPer_RATE_LIMIT_PER_SECOND
	case ratelimit.Minute:
		return wire.RateLimitPer_RATE_LIMIT_PER_MINUTE
	case ratelimit.Hour:
		return wire.RateLimitPer_RATE_LIMIT_PER_HOUR
	case ratelimit.Day:
		return wire.RateLimitPer_RATE_LIMIT_PER_DAY
	default:
		return wire.RateLimitPer_RATE_LIMIT_PER_UNSPECIFIED
	}
}

func (s *source) lintRateLimits() error {
	for _, each := range s.rateLimits {
		id := each.ID.String()
		switch {
		case rateLimitWhat(each.What) == wire.RateLimitWhat_RATE_LIMIT_WHAT_UNSPECIFIED:
			return wrong("rate_limit", id, "what", "a limit of %q is not known", each.What)
		case each.Amount < 1:
			return wrong("rate_limit", id, "amount", "a limit must be at least 1")
		case (each.What == ratelimit.Concurrent) != (rateLimitPer(each.Per) == wire.RateLimitPer_RATE_LIMIT_PER_UNSPECIFIED):
			return wrong("rate_limit", id, "per", "the window %q does not fit", each.Per)
		case scopeKind(each.Scope) == wire.Scope_SCOPE_UNSPECIFIED:
			return wrong("rate_limit", id, "scope", "the scope %q is not known", each.Scope)
		}
	}
	return nil
}
