package breaker

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	barredFirst  = 30 * time.Second // for which a credential that is refused stands behind the others of its pool; it doubles each time
	barredMost   = 10 * time.Minute
	limitedFirst = time.Second // of one that has used up its rate limit, where the provider names no time
	refusedKept  = time.Hour   // after which a refusal that was not seen again is forgotten
)

// Pools is what providers said lately of the credentials that they are called with. Make it with NewPools.
type Pools struct {
	now   func() time.Time
	all   sync.Map // credential id → *barred
	count atomic.Int64
}

// barred is a credential that its provider did not let through. It never changes.
type barred struct {
	org, provider wire.ID
	name          string // of the provider
	status, times int
	since, last   time.Time
	until         time.Time // until then it is asked with last
}

// NewPools returns a Pools that knows nothing.
func NewPools(now func() time.Time) *Pools { return &Pools{now: now} }

// Order appends n places of a pool, from start on (beyond its end it begins anew), those of credentials that are not let through at the end.
func (p *Pools) Order(dst []uint64, provider *state.Provider, start uint64, n int) []uint64 {
	all, known := provider.Credentials, p.count.Load() > 0 && len(provider.Credentials) > 0
	if known {
		p.forget(provider)
	}
	var room [8]uint64
	late := room[:0]
	for i := range uint64(n) {
		at := start + i
		if known && n > 1 && p.isBarred(all[at%uint64(len(all))].ID) {
			late = append(late, at)
		} else {
			dst = append(dst, at)
		}
	}
	return append(dst, late...)
}

func (p *Pools) isBarred(credential wire.ID) bool {
	found, ok := p.all.Load(credential)
	return ok && p.now().Before(found.(*barred).until) //nolint:forcetypeassert // only these are stored
}

// forget drops what is known of credentials that the provider has no more.
func (p *Pools) forget(provider *state.Provider) {
	p.all.Range(func(id, found any) bool {
		gone := found.(*barred).provider == provider.ID && !slices.ContainsFunc(provider.Credentials, func(one state.Credential) bool { return one.ID == id }) //nolint:forcetypeassert // as above
		if gone {
			p.drop(id)
		}
		return true
	})
}

func (p *Pools) drop(id any) {
	if _, was := p.all.LoadAndDelete(id); was {
		p.count.Add(-1)
	}
}

// Bar notes that a provider did not let a credential through, and for how long it wants to be left alone by it; 0: it does not say.
func (p *Pools) Bar(org wire.ID, provider *state.Provider, credential wire.ID, status int, after time.Duration) {
	now := p.now()
	next := &barred{org: org, provider: provider.ID, name: provider.Name, status: status, times: 1, since: now, last: now}
	found, known := p.all.Load(credential)
	if before, ok := found.(*barred); ok && (before.status == http.StatusTooManyRequests) == (status == http.StatusTooManyRequests) {
		next.times, next.since = before.times+1, before.since
	}
	wait := limitedFirst
	if status != http.StatusTooManyRequests {
		wait = min(barredFirst<<min(next.times-1, 10), barredMost)
	}
	next.until = now.Add(max(wait, min(after, limitedMost)))
	p.all.Store(credential, next)
	if !known { // two at once may both count: then the map is looked at in vain, which does no harm
		p.count.Add(1)
	}
}

// Passed notes that a credential was let through.
func (p *Pools) Passed(credential wire.ID) {
	if p.count.Load() > 0 {
		p.drop(credential)
	}
}

// Refused returns the credentials that are refused, by their ids. Rate limits are no refusals.
func (p *Pools) Refused() []*wire.RefusedCredential {
	var all []*wire.RefusedCredential
	p.all.Range(func(id, found any) bool {
		one, credential := found.(*barred), id.(wire.ID) //nolint:forcetypeassert // as above
		switch {
		case p.now().Sub(one.last) > refusedKept:
			p.drop(id)
		case one.status != http.StatusTooManyRequests:
			all = append(all, &wire.RefusedCredential{
				OrgId: one.org[:], ProviderId: one.provider[:], CredentialId: credential[:], Provider: one.name,
				Status: uint32(max(one.status, 0)), Times: uint32(max(one.times, 0)), SinceUnixMs: one.since.UnixMilli(),
			})
		}
		return true
	})
	slices.SortFunc(all, func(a, b *wire.RefusedCredential) int { return bytes.Compare(a.GetCredentialId(), b.GetCredentialId()) })
	return all
}
