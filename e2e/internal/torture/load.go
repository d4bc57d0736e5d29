package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/e2e/internal/rig"
)

// clients is how many calls are in flight at most.
const clients = 16

// Of a hundred calls so many are streamed, meet a first target that fails, are given up in the middle of their stream, and are made with the
// tight key.
const (
	perCentStreamed = 25 // those that are given up included
	perCentAborted  = 5
	perCentFailover = 10
	perCentTight    = 20
)

// load keeps calling the edges in both dialects.
type load struct {
	rig     *rig.Rig
	keys    keys
	pace    time.Duration
	seed    uint64
	client  *http.Client
	running sync.WaitGroup
	deaths  map[*rig.Process]*atomic.Int64 // of an edge: odd while it is down

	answered, failed, failedAlive, refused, starved, aborted, struck atomic.Int64

	odd atomic.Pointer[string] // the first answer that is neither success nor a budget's refusal
}

func newLoad(house *rig.Rig, keys keys, pace time.Duration, seed uint64) *load {
	l := &load{
		rig: house, keys: keys, pace: pace, seed: seed, deaths: map[*rig.Process]*atomic.Int64{},
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: clients}},
	}
	for _, edge := range house.Edges {
		l.deaths[edge.Process] = new(atomic.Int64)
	}
	return l
}

// down notes that a process is about to be killed; what it returns notes that it is back.
func (l *load) down(process *rig.Process) (back func()) {
	deaths := l.deaths[process]
	if deaths == nil { // not an edge: no call may notice
		return func() {}
	}
	deaths.Add(1)
	return func() { deaths.Add(1) }
}

// start begins to call until ctx ends. What is in flight then is finished.
func (l *load) start(ctx context.Context) {
	for i := range clients {
		random := rand.New(rand.NewPCG(l.seed, uint64(i)+2))
		l.running.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				l.one(context.WithoutCancel(ctx), l.choose(random, n))
				rest(ctx, l.pace)
			}
		})
	}
}

func (l *load) wait() { l.running.Wait() }

func (l *load) report(r *Report) {
	r.Requests, r.Failed, r.FailedAlive, r.Refused = l.answered.Load(), l.failed.Load(), l.failedAlive.Load(), l.refused.Load()
	r.Starved, r.Aborted, r.Struck = l.starved.Load(), l.aborted.Load(), l.struck.Load()
}

// String tells how the load goes.
func (l *load) String() string {
	return fmt.Sprintf("%d answered, %d failed, %d refused, %d given up", l.answered.Load(), l.failed.Load()+l.failedAlive.Load(), l.refused.Load()+l.starved.Load(), l.aborted.Load())
}

// request is one call to make.
type request struct {
	edge       *rig.Edge
	kind       string
	route      string
	tight      bool
	streamed   bool
	abortAfter int // bytes of the answer; 0: never
	number     int
}

func (l *load) choose(random *rand.Rand, n int) request {
	r := request{edge: l.rig.Edges[n%len(l.rig.Edges)], kind: "openai", route: "torture-", tight: random.IntN(100) < perCentTight, number: n}
	if random.IntN(3) == 0 {
		r.kind = "anthropic"
	}
	if random.IntN(100) < perCentFailover {
		r.route = "failover-"
	}
	dice := random.IntN(100)
	r.streamed = dice < perCentStreamed
	if dice < perCentAborted {
		r.abortAfter = 1 + random.IntN(2000)
	}
	return r
}

var (
	errExhausted = errors.New("the budget is exhausted")
	errCut       = errors.New("the stream was cut")
	errAborted   = errors.New("the client gave up")
)

func (l *load) one(ctx context.Context, r request) {
	deaths := l.deaths[r.edge.Process]
	before := deaths.Load()
	err := l.call(ctx, r)
	met := before%2 == 1 || deaths.Load() != before
	if met {
		l.struck.Add(1)
	}
	switch {
	case err == nil:
		l.answered.Add(1)
	case errors.Is(err, errAborted):
		l.aborted.Add(1)
	case errors.Is(err, errExhausted) && r.tight:
		l.refused.Add(1)
	case errors.Is(err, errExhausted):
		l.starved.Add(1)
	case met:
		l.failed.Add(1)
		rest(ctx, 10*time.Millisecond) // a dead edge answers at once
	default:
		l.failedAlive.Add(1)
		odd := fmt.Sprintf("%s (%+v)", err, r)
		l.odd.CompareAndSwap(nil, &odd)
	}
}

func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// call makes one request and reads its answer.
func (l *load) call(ctx context.Context, r request) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	path, end, key := "/v1/chat/completions", []byte("data: [DONE]"), l.keys.wide
	if r.kind == "anthropic" {
		path, end = "/v1/messages", []byte("message_stop")
	}
	if r.tight {
		key = l.keys.tight
	}
	body := fmt.Sprintf(`{"model":"%s%s","max_tokens":64,"stream":%t,"messages":[{"role":"user","content":"request number %d of many"}]}`, r.route, r.kind, r.streamed, r.number)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.edge.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("X-Tollgate-User", fmt.Sprintf("user-%d", r.number%9))
	request.Header.Set("X-Tollgate-Label-Team", fmt.Sprintf("team-%d", r.number%3))
	if r.number%2 == 0 {
		request.Header.Set("X-Tollgate-Run-Id", fmt.Sprintf("run-%d", r.number/20))
	}
	answer, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if r.abortAfter > 0 && answer.StatusCode == http.StatusOK {
		switch _, err := io.CopyN(io.Discard, answer.Body, int64(r.abortAfter)); {
		case err == nil:
			return errAborted
		case errors.Is(err, io.EOF): // it ended before
			return nil
		default:
			return err
		}
	}
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusPaymentRequired, bytes.Contains(text, []byte(wire.CodeBudgetUnavailable)):
		return errExhausted
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d: %s", answer.StatusCode, text)
	case r.streamed && !bytes.Contains(text, end):
		return errCut
	}
	return nil
}
