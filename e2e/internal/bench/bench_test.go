package bench

import (
	"context"
	"testing"
	"time"
)

func TestTheUpstreamAnswersWholeAndStreamed(t *testing.T) {
	t.Parallel()
	upstream, err := NewUpstream()
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	target := Target{Name: "direct", Addr: upstream.Addr, PIDs: func() []int { return nil }}
	c := &client{addr: upstream.Addr}
	defer c.close()
	for _, kind := range cases() { // on one connection: an answer that is not read to its end would spoil the next
		if err := c.exchange(kind.Body.request(target)); err != nil {
			t.Errorf("%s: %v", kind.Name, err)
		}
	}
}

func TestABodyHasTheSizeThatItIsMeasuredBy(t *testing.T) {
	t.Parallel()
	for _, kind := range cases() {
		got := len(kind.Body.request(Target{}))
		if got < kind.Body.Size || got > kind.Body.Size+kind.Body.Size/10+400 {
			t.Errorf("%s: the request has %d bytes, want %d and a head", kind.Name, got, kind.Body.Size)
		}
	}
}

func TestABurstFailsWhenAnExchangeDoes(t *testing.T) {
	t.Parallel()
	upstream, err := NewUpstream()
	if err != nil {
		t.Fatal(err)
	}
	upstream.Close()
	target := Target{Name: "gone", Addr: upstream.Addr, PIDs: func() []int { return nil }}
	if found, err := burst(context.Background(), target, []Body{{Size: 1000}}, 2, time.Second); err == nil {
		t.Errorf("a burst at nobody found %+v", found)
	}
}

func TestQuantile(t *testing.T) {
	t.Parallel()
	values := make([]int64, 100)
	for i := range values {
		values[i] = int64(100 - i)
	}
	for share, want := range map[float64]int64{0: 1, 0.5: 51, 0.99: 100, 1: 100} {
		if got := quantile(values, share); got != want {
			t.Errorf("quantile %v is %d, want %d", share, got, want)
		}
	}
	if got := quantile([]int64(nil), 0.5); got != 0 {
		t.Errorf("the quantile of nothing is %d", got)
	}
}
