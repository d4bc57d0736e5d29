package limit

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const startUnix = 1_800_000_000

func TestAloneNeverAdmitsMoreThanTheLimitInAnyMinute(t *testing.T) {
	t.Parallel()
	start := time.Unix(startUnix, 0)
	l := New()
	key := &state.Key{ID: wire.ID{1}, RequestsPerMinute: 100}
	var admitted []time.Time
	for now := start; now.Before(start.Add(5 * time.Minute)); now = now.Add(173 * time.Millisecond) {
		if l.Admit(context.Background(), key, now) == nil {
			admitted = append(admitted, now)
		}
	}
	for i := range admitted {
		n := 0
		for _, other := range admitted[i:] {
			if other.Sub(admitted[i]) < time.Minute {
				n++
			}
		}
		if n > 100 {
			t.Fatalf("%d requests within a minute", n)
		}
	}
	if len(admitted) < 490 {
		t.Errorf("only %d of 500 admitted", len(admitted))
	}
}

func TestTheRefusalSaysWhenToComeBackAndThenAdmits(t *testing.T) {
	t.Parallel()
	start := time.Unix(startUnix, 0)
	l := New()
	key := &state.Key{ID: wire.ID{1}, RequestsPerMinute: 2}
	now := start
	for range 2 {
		if problem := l.Admit(context.Background(), key, now); problem != nil {
			t.Fatal(problem)
		}
		now = now.Add(time.Second)
	}
	problem := l.Admit(context.Background(), key, now)
	if problem == nil || problem.Status != http.StatusTooManyRequests || problem.Code != wire.CodeRateLimited || problem.Rule != Rule {
		t.Fatalf("%+v", problem)
	}
	if l.Admit(context.Background(), key, now.Add(problem.RetryAfter-time.Second)) == nil {
		t.Error("admitted too early")
	}
	if again := l.Admit(context.Background(), key, now.Add(problem.RetryAfter)); again != nil {
		t.Errorf("refused after %s", problem.RetryAfter)
	}
}

func TestNoLimitMeansNone(t *testing.T) {
	t.Parallel()
	start := time.Unix(startUnix, 0)
	l := New()
	for range 1000 {
		if l.Admit(context.Background(), &state.Key{}, start) != nil {
			t.Fatal("refused")
		}
	}
}

// broken is a Redis that does not answer.
type broken struct {
	asked atomic.Int64
	fail  atomic.Bool
}

func (b *broken) take(context.Context, wire.ID, int, int) (int, time.Duration, error) {
	b.asked.Add(1)
	if b.fail.Load() {
		return 0, 0, errors.New("no answer")
	}
	return 1, 0, nil
}

func (b *broken) edges() int { return 4 }

func TestWithoutRedisTheEdgeTakesItsShareAndAsksRarely(t *testing.T) {
	t.Parallel()
	start := time.Unix(startUnix, 0)
	b := &broken{}
	b.fail.Store(true)
	l := New()
	l.shared = b
	key := &state.Key{ID: wire.ID{1}, RequestsPerMinute: 100}
	admitted := 0
	for i := range 1000 { // one second
		if l.Admit(context.Background(), key, start.Add(time.Duration(i)*time.Millisecond)) == nil {
			admitted++
		}
	}
	if admitted != 25 {
		t.Errorf("%d admitted, want a fourth of 100", admitted)
	}
	if asked := b.asked.Load(); asked > 11 {
		t.Errorf("asked %d times in a second", asked)
	}
	b.fail.Store(false)
	if l.Admit(context.Background(), key, start.Add(1200*time.Millisecond)) != nil {
		t.Error("refused although Redis is back")
	}
}

func TestManyGoroutinesShareOneLimit(t *testing.T) {
	t.Parallel()
	start := time.Unix(startUnix, 0)
	l := New()
	key := &state.Key{ID: wire.ID{1}, RequestsPerMinute: 500}
	var admitted atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				if l.Admit(context.Background(), key, start) == nil {
					admitted.Add(1)
				}
			}
		})
	}
	group.Wait()
	if admitted.Load() != 500 {
		t.Errorf("%d admitted", admitted.Load())
	}
}

func BenchmarkAdmitAlone(b *testing.B) {
	start := time.Unix(startUnix, 0)
	l := New()
	key := &state.Key{ID: wire.ID{1}, RequestsPerMinute: 1 << 40}
	b.ReportAllocs()
	for b.Loop() {
		if l.Admit(context.Background(), key, start) != nil {
			b.Fatal("refused")
		}
	}
}
