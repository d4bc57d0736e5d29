package pipeline

import (
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
)

func limitOf(what wire.RateLimitWhat, amount int64, per wire.RateLimitPer) *state.RateLimit {
	return &state.RateLimit{ID: wire.ID{byte(what), 1}, OrgID: wire.ID{4}, Name: "team", What: what, Amount: amount, Per: per}
}

// requestsADay returns a limit of one model's requests, and one of the organization's.
func requestsADay(t *testing.T, model string, ofModel, ofAll int64) []*state.RateLimit {
	t.Helper()
	store, org := statetest.NewStore(t), statetest.ID(2)
	limit := func(n byte, scope wire.Scope, value string, amount int64) *wire.RateLimit {
		return &wire.RateLimit{Id: statetest.ID(n).Bytes(), Name: "of " + value, Scope: scope, ScopeValue: value, What: wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, Amount: amount, Per: wire.RateLimitPer_RATE_LIMIT_PER_DAY}
	}
	statetest.Apply(t, store, org, 1, &wire.Organization{Id: org.Bytes(), Name: "a", Slug: "a"}, &wire.Workspace{Id: statetest.ID(3).Bytes(), Name: "main", Slug: "main"},
		&wire.VirtualKey{Id: statetest.ID(4).Bytes(), Name: "k", WorkspaceId: statetest.ID(3).Bytes(), Hash: make([]byte, 32)},
		limit(10, wire.Scope_SCOPE_MODEL, model, ofModel), limit(11, wire.Scope_SCOPE_ORG, "", ofAll))
	return store.Current().Key([32]byte{}).RateLimits
}

func TestAnswersTellTheLimitsInTheDialectsOwnFields(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	g.key.RateLimits = []*state.RateLimit{
		limitOf(wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, 100, wire.RateLimitPer_RATE_LIMIT_PER_MINUTE),
		limitOf(wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS, 5000, wire.RateLimitPer_RATE_LIMIT_PER_HOUR),
	}
	header := g.ask("/v1/chat/completions", chatAsk).header
	for name, want := range map[string]string{
		"X-Ratelimit-Limit-Requests": "100", "X-Ratelimit-Remaining-Requests": "99", "X-Ratelimit-Reset-Requests": "1m0s",
		"X-Ratelimit-Limit-Tokens": "5000", "X-Ratelimit-Reset-Tokens": "1h0m0s",
	} {
		if header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, header.Get(name), want)
		}
	}
}

func TestTokenLimitsCountWhatTheProviderReports(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	g.key.RateLimits = []*state.RateLimit{limitOf(wire.RateLimitWhat_RATE_LIMIT_WHAT_TOTAL_TOKENS, 150, wire.RateLimitPer_RATE_LIMIT_PER_DAY)}
	for i := range 2 { // each is estimated at 119 or so, and costs 15
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusOK {
			t.Fatalf("%+v", s)
		}
		g.wait(i + 1)
	}
	s := g.ask("/v1/chat/completions", chatAsk)
	if s.status != http.StatusOK {
		t.Fatalf("%+v", s)
	}
	g.wait(3)
	s = g.ask("/v1/chat/completions", strings.Replace(chatAsk, "100", "110", 1))
	if s.status != http.StatusTooManyRequests || !strings.Contains(s.body, `"rule":"team"`) || !strings.Contains(s.body, `"remaining_tokens":105`) || !strings.Contains(s.body, `"resets_at":"`) {
		t.Errorf("%+v", s)
	}
}

func TestAPlaceAmongConcurrentCallsIsFreeAfterEveryEnd(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"answered": answering("application/json", chatAnswer),
		"failed":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"cut":      func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, openAI(t, serve))
			g.key.RateLimits = []*state.RateLimit{limitOf(wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT, 1, 0)}
			for i := range 3 {
				if s := g.ask("/v1/chat/completions", chatAsk); s.status == http.StatusTooManyRequests {
					t.Fatalf("call %d: %+v", i, s)
				}
				g.wait(i + 1)
			}
			g.purse.mutex.Lock()
			g.purse.limit = 0 // from now on the budget refuses
			g.purse.mutex.Unlock()
			for range 3 {
				if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusPaymentRequired {
					t.Fatalf("%+v", s)
				}
				g.wait(4)
			}
		})
	}
}

func TestRequestsPerMinuteAreLimited(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, answering("application/json", chatAnswer)))
	g.key.RateLimits = []*state.RateLimit{{
		ID: g.key.ID, OrgID: g.key.Org.ID, Name: "requests_per_minute", What: wire.RateLimitWhat_RATE_LIMIT_WHAT_REQUESTS, Amount: 2,
		Per: wire.RateLimitPer_RATE_LIMIT_PER_MINUTE, OfKey: true,
	}}
	for range 2 {
		if s := g.ask("/v1/chat/completions", chatAsk); s.status != 200 {
			t.Fatalf("%+v", s)
		}
	}
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != 429 || s.header.Get("Retry-After") == "" || !strings.Contains(s.body, wire.CodeRateLimited) {
		t.Errorf("%+v", s)
	}
}
