package pipeline

import (
	"net/http"
	"strings"
	"testing"

	"tollgate.dev/dataplane/wire"
)

const countAsk = `{"model":"fast","messages":[{"role":"user","content":"twenty bytes of text"}]}`

func TestTokensAreCountedByTheirProviderForNothing(t *testing.T) {
	t.Parallel()
	var path string
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_ANTHROPIC, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		answering("application/json", `{"input_tokens":17}`)(w, r)
	}))
	g.purse.limit = 0 // nothing is left
	g.key.Routes["fast"].Targets[0].Prices[0].Tariff.RequestPico = 5
	s := g.ask("/v1/messages/count_tokens", countAsk)
	if s.status != http.StatusOK || s.body != `{"input_tokens":17}` || path != "/v1/messages/count_tokens" || s.header.Get("X-Tollgate-Cost-Usd") != "0" || s.header.Get("X-Tollgate-Token-Count") != "" {
		t.Errorf("%s: %+v", path, s)
	}
	e := g.event()
	if e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetCostPico() != 0 || e.GetBoundPico() != 0 || e.GetInputTokens() != 0 || e.GetDialect() != "anthropic_count_tokens" {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

func TestTokensOfAModelWhoseProviderDoesNotCountAreEstimatedAndSaidSo(t *testing.T) {
	t.Parallel()
	g := newRig(t, openAI(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider is called") }))
	s := g.ask("/v1/messages/count_tokens", countAsk)
	if s.status != http.StatusOK || s.body != `{"input_tokens":5}` || s.header.Get("X-Tollgate-Token-Count") != "estimated" {
		t.Errorf("%+v", s)
	}
	e := g.event()
	if e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetCostPico() != 0 || !e.GetEstimated() || len(e.GetProviderId()) != 0 || e.GetModel() != "fast" {
		t.Errorf("event %v", e)
	}
	g.balanced()
}

const googleCountAsk = `{"contents":[{"role":"user","parts":[{"text":"twenty bytes of text"}]}]}`

func TestGooglesCallersCountTokensAsOthersDo(t *testing.T) {
	t.Parallel()
	var path string
	g := newRig(t, provider(t, wire.ProviderKind_PROVIDER_KIND_GEMINI, func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		answering("application/json", `{"totalTokens":17}`)(w, r)
	}))
	g.purse.limit = 0
	s := g.ask("/v1beta/models/fast:countTokens", googleCountAsk)
	if s.status != http.StatusOK || s.body != `{"totalTokens":17}` || path != "/v1beta/models/fast-2:countTokens" || s.header.Get("X-Tollgate-Cost-Usd") != "0" {
		t.Errorf("%s: %+v", path, s)
	}
	if e := g.event(); e.GetOutcome() != wire.Outcome_OUTCOME_OK || e.GetCostPico() != 0 || e.GetInputTokens() != 0 || e.GetDialect() != "gemini_count_tokens" {
		t.Errorf("event %v", e)
	}
	other := newRig(t, openAI(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider is called") }))
	if s := other.ask("/v1beta/models/fast:countTokens", googleCountAsk); s.status != http.StatusOK || s.body != `{"totalTokens":5}` || s.header.Get("X-Tollgate-Token-Count") != "estimated" {
		t.Errorf("%+v", s)
	}
	if s := other.ask("/v1beta/models/fast:countTokens", `{"generateContentRequest":{"model":"models/x","contents":[]}}`); s.status != http.StatusBadRequest || !strings.Contains(s.body, "generateContentRequest") || !strings.Contains(s.body, "INVALID_ARGUMENT") {
		t.Errorf("%+v", s)
	}
}
