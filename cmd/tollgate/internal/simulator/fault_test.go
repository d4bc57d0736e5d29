package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAStatusFaultBillsNothingAndCountsDown(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{Faults: []Fault{{Model: "gpt-4o", Kind: FaultStatus, Status: 429, Count: 1}}})
	const body = `{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}`
	if status, answer := p.post(chatPath, body); status != 429 || !strings.Contains(answer, "rate_limit_exceeded") {
		t.Errorf("%d %s", status, answer)
	}
	if status, _ := p.post(chatPath, body); status != 200 {
		t.Errorf("the fault did not end: %d", status)
	}
	if bills := p.bill(); bills[0].InputTokens != 0 || bills[0].Status != 429 || bills[1].InputTokens == 0 {
		t.Errorf("billed %+v", bills)
	}
}

func TestACutStreamIsBilledUpToTheCut(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	p.fault(`{"kind":"cut","after_events":4,"count":1}`)
	response := p.send(http.MethodPost, chatPath, `{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	raw, err := io.ReadAll(response.Body)
	if err == nil {
		t.Error("a cut stream ended as if it were whole")
	}
	if got := len(events(t, string(raw))); got != 4 {
		t.Errorf("%d events before the cut, want 4", got)
	}
	if entry := p.bill()[0]; entry.Completed || entry.OutputTokens != 3 {
		t.Errorf("billed %+v, want 3 tokens and not completed", entry)
	}
	p.fault(`{"kind":"cut","count":1}`)
	response = p.send(http.MethodPost, chatPath, `{"model":"m","messages":[{"role":"user","content":"hi"}]}`)
	if _, err := io.ReadAll(response.Body); err == nil {
		t.Error("a cut body arrived whole")
	}
}

func TestGarbageAndMissingUsageAreServedOnRequest(t *testing.T) {
	t.Parallel()
	p := newProvider(t, Config{})
	const body = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	p.fault(`{"model":"m","kind":"garbage","count":1}`)
	if _, answer := p.post(chatPath, body); json.Valid([]byte(answer)) {
		t.Errorf("garbage is valid: %s", answer)
	}
	p.fault(`{"model":"*","kind":"no_usage","count":1}`)
	if _, answer := p.post(chatPath, body); !json.Valid([]byte(answer)) || strings.Contains(answer, "usage") {
		t.Errorf("usage was not left out: %s", answer)
	}
	if status, answer := p.post("/faults", `{"kind":"flood"}`); status != 400 || !strings.Contains(answer, "flood") {
		t.Errorf("an unknown fault: %d %s", status, answer)
	}
}

func TestLatencyPassesBeforeTheFirstByteAndBetweenEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := New(Config{Latency: Latency{FirstByte: time.Second, Between: 100 * time.Millisecond}, Now: time.Now, Faults: []Fault{{Kind: FaultLatency, LatencyMS: 2000}}})
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, chatPath, strings.NewReader(`{"model":"m","stream":true,"messages":[{"role":"user","content":"sim:tokens=7"}]}`))
		request.Header.Set("Authorization", "Bearer k")
		began := time.Now()
		sim.Handler().ServeHTTP(httptest.NewRecorder(), request)
		if took := time.Since(began); took != 3900*time.Millisecond { // 3 s, then 9 gaps between 10 events
			t.Errorf("took %s", took)
		}
	})
}

func TestAScriptWithAMistakeNamesTheLine(t *testing.T) {
	t.Parallel()
	if _, err := ReadScript(strings.NewReader("{\"kind\":\"stall\"}\n{\"kind\":\"status\",\"status\":200}\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}
