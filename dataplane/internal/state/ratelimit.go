package state

import "tollgate.dev/dataplane/wire"

// RateLimit is a limit on requests, tokens or concurrency, over all edges together.
type RateLimit struct {
	ID       wire.ID
	OrgID    wire.ID
	Name     string
	What     wire.RateLimitWhat
	Amount   int64             // requests, tokens, or requests at a time; at least 1
	Per      wire.RateLimitPer // unspecified for what is concurrent
	Selector Selector          // which calls of a key it holds, and by which subject it counts them
	OfKey    bool              // it is the field requests_per_minute of a virtual key, and has the key's id
}

// requestsPerMinute is the name of a virtual key's own limit.
const requestsPerMinute = "requests_per_minute"

// rateLimitMax is the largest amount of a limit; sums of it stay exact in the doubles of Redis' scripts.
const rateLimitMax = 1_000_000_000_000

func (c *compiler) rateLimit(in *wire.RateLimit) {
	out := &RateLimit{
		ID: c.id("id", in.GetId()), OrgID: c.orgID, Name: c.text("name", in.GetName()), What: in.GetWhat(), Amount: in.GetAmount(), Per: in.GetPer(),
	}
	if out.What < wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS || out.What > wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT {
		c.fail("what", "a limit of %d is not known here", in.GetWhat())
	}
	if out.Amount < 1 || out.Amount > rateLimitMax {
		c.fail("amount", "a limit must be from 1 to %d", int64(rateLimitMax))
	}
	concurrent := out.What == wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT
	if known := out.Per >= wire.RateLimitPer_RATE_LIMIT_PER_SECOND && out.Per <= wire.RateLimitPer_RATE_LIMIT_PER_DAY; known == concurrent {
		c.fail("per", "the window %d does not fit", in.GetPer())
	}
	var where scope
	where, out.Selector = c.selector(in.GetScope(), in.GetScopeId(), in.GetScopeValue())
	c.unique("id", "rate limit "+string(out.ID[:]))
	c.base.rateLimits[where] = append(c.base.rateLimits[where], out)
}

// rateLimitsFor returns what limits the key: the rules, and the field of the key itself.
func (b *base) rateLimitsFor(key *Key, perMinute uint32) []*RateLimit {
	rules := gather(b.rateLimits, b.sharedRateLimits, key, func(x *RateLimit) wire.ID { return x.ID })
	if perMinute == 0 {
		return rules
	}
	own := &RateLimit{
		ID: key.ID, OrgID: key.Org.ID, Name: requestsPerMinute, What: wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, Amount: int64(perMinute),
		Per: wire.RateLimitPer_RATE_LIMIT_PER_MINUTE, OfKey: true,
	}
	return append([]*RateLimit{own}, rules...)
}
