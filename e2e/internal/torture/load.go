package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// load keeps calling the edges in both dialects, whole and streamed, with a key of its own and now and then with the tight one.
type load struct {
	rig      *rig.Rig
	key      string
	tight    string
	client   *http.Client
	running  sync.WaitGroup
	answered atomic.Int64
	failed   atomic.Int64
	refused  atomic.Int64
	odd      atomic.Pointer[string] // the first answer that is neither success, failure of a killed edge, nor a budget's refusal
}

func newLoad(house *rig.Rig, key, tight string) *load {
	return &load{rig: house, key: key, tight: tight, client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: Clients},
	}}
}

// start begins to call until ctx ends. What is in flight then is finished.
func (l *load) start(ctx context.Context) {
	for i := range Clients {
		l.running.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				l.one(context.WithoutCancel(ctx), n, i >= unaryClients)
			}
		})
	}
}

func (l *load) wait() { l.running.Wait() }

func (l *load) one(ctx context.Context, n int, streamed bool) {
	edge := l.rig.Edges[n%len(l.rig.Edges)]
	kind := "openai"
	if n%3 == 0 {
		kind = "anthropic"
	}
	key := l.key
	if n%5 == 0 {
		key = l.tight
	}
	switch err := l.call(ctx, edge.URL, kind, key, n, streamed); {
	case err == nil:
		l.answered.Add(1)
	case errors.Is(err, errExhausted):
		l.refused.Add(1)
	default:
		l.failed.Add(1)
		l.rest(ctx)
	}
}

// rest keeps clients of a dead edge from spinning.
func (l *load) rest(ctx context.Context) {
	timer := time.NewTimer(10 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

var (
	errExhausted = errors.New("the budget is exhausted")
	errCut       = errors.New("the stream was cut")
)

// call makes one request and reads its whole answer.
func (l *load) call(ctx context.Context, edge, kind, key string, n int, streamed bool) error {
	path, end := "/v1/chat/completions", []byte("data: [DONE]")
	if kind == "anthropic" {
		path, end = "/v1/messages", []byte("message_stop")
	}
	body := fmt.Sprintf(`{"model":"torture-%s","max_tokens":64,"stream":%t,"messages":[{"role":"user","content":"request number %d of many"}]}`, kind, streamed, n)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, edge+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := l.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode == http.StatusPaymentRequired:
		return errExhausted
	case answer.StatusCode != http.StatusOK:
		odd := fmt.Sprintf("status %d: %s", answer.StatusCode, text)
		l.odd.CompareAndSwap(nil, &odd)
		return errors.New(odd)
	case streamed && !bytes.Contains(text, end):
		return errCut
	}
	return nil
}
