package pipeline

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/queue"
	"tollgate.dev/dataplane/wire"
)

// waiting returns how many calls wait for a place at their provider.
func waiting(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() == "tollgate_queue_waiting" {
			return family.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return 0
}

func TestNothingIsReservedAndNoIntentIsOpenWhileACallWaitsForItsProvider(t *testing.T) {
	t.Parallel()
	carried, release := make(chan struct{}), make(chan struct{})
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		carried <- struct{}{}
		<-release
		answering("application/json", chatAnswer)(w, r)
	}))
	registry := prometheus.NewRegistry()
	g.pipeline.Gates = queue.New(func(n int64) int64 { return n }, registry)
	provider := g.key.Routes["fast"].Targets[0].Provider
	provider.MaxConcurrency, provider.QueueLength, provider.QueueWait = 1, 1, time.Minute
	var group sync.WaitGroup
	answers := make([]said, 2)
	for i := range answers {
		group.Go(func() { answers[i] = g.ask("/v1/chat/completions", chatAsk) })
	}
	<-carried
	for deadline := time.Now().Add(time.Minute); waiting(t, registry) < 1 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if n := g.spool.intents(); n != 1 {
		t.Errorf("%d intents are open", n)
	}
	third := g.ask("/v1/chat/completions", chatAsk) // the queue is full
	if third.status != http.StatusTooManyRequests || third.header.Get("Retry-After") == "" || !strings.Contains(third.body, `"rule":"prov"`) || !strings.Contains(third.body, wire.CodeRateLimited) {
		t.Errorf("%+v", third)
	}
	close(release)
	<-carried
	group.Wait()
	queued := 0
	for _, a := range answers {
		if a.status != http.StatusOK {
			t.Errorf("%+v", a)
		}
		if a.header.Get("X-Tollgate-Queued-Ms") != "" {
			queued++
		}
	}
	if queued != 1 {
		t.Errorf("%d answers say that they waited", queued)
	}
	g.wait(3)
	g.balanced()
}

func TestAFullProviderIsLeftForTheNextTarget(t *testing.T) {
	t.Parallel()
	release, carried := make(chan struct{}), make(chan struct{}, 1)
	full := openAI(t, func(w http.ResponseWriter, r *http.Request) {
		carried <- struct{}{}
		<-release
		answering("application/json", chatAnswer)(w, r)
	})
	full.Provider.MaxConcurrency = 1
	other := openAI(t, answering("application/json", chatAnswer))
	other.Provider.Name, other.Provider.ID = "other", wire.ID{7}
	g := newRig(t, full, other)
	var group sync.WaitGroup
	group.Go(func() { _ = g.ask("/v1/chat/completions", chatAsk) })
	<-carried
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusOK || s.header.Get("X-Tollgate-Provider") != "other" {
		t.Errorf("%+v", s)
	}
	close(release)
	group.Wait()
	g.wait(2)
	g.balanced()
}
