package api

import (
	"context"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ratelimit"
)

func rateLimitTable(s Services) []endpoint {
	return []endpoint{
		listing("/rate-limits", authz.RateLimitRead, "All rate limits", s.RateLimits.List),
		creating("/rate-limits", authz.RateLimitWrite, "Create a rate limit of requests, tokens or concurrency, which all edges keep together", s.RateLimits.Create),
		getting("/rate-limits/:id", authz.RateLimitRead, "One rate limit", s.RateLimits.Get),
		changing("/rate-limits/:id", authz.RateLimitWrite, "Change a rate limit's name, amount and window; its scope and what it counts stay",
			func(context.Context, authz.Actor, ident.RateLimit) (ratelimit.Change, error) {
				return ratelimit.Change{}, nil
			}, s.RateLimits.Update),
		archiving("/rate-limits/:id", authz.RateLimitWrite, "Archive a rate limit", s.RateLimits.Archive),
	}
}
