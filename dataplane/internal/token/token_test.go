package token

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneFetchServesEverybodyUntilShortlyBeforeItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache, fetched := New[int, int64](time.Now), atomic.Int64{}
		fetch := func(context.Context) (int64, time.Time, error) {
			time.Sleep(time.Second)
			return fetched.Add(1), time.Now().Add(time.Hour), nil
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if value, err := cache.Get(t.Context(), 7, fetch); value != 1 || err != nil {
					t.Error(value, err)
				}
			})
		}
		all.Wait()
		time.Sleep(56 * time.Minute)
		if value, err := cache.Get(t.Context(), 7, fetch); value != 1 || err != nil { // the old one, while the next is fetched
			t.Error(value, err)
		}
		time.Sleep(2 * time.Second)
		if value, err := cache.Get(t.Context(), 7, fetch); value != 2 || err != nil || fetched.Load() != 2 {
			t.Error(value, err, fetched.Load())
		}
		time.Sleep(2 * time.Hour)
		if value, err := cache.Get(t.Context(), 7, fetch); value != 3 || err != nil { // nothing that has ended is served
			t.Error(value, err)
		}
	})
}

func TestAFailureIsEverybodysForASecondAndNoLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache, fetched, broken := New[int, int64](time.Now), 0, errors.New("no")
		fetch := func(context.Context) (int64, time.Time, error) {
			if fetched++; fetched == 1 {
				return 0, time.Time{}, broken
			}
			return 5, time.Now().Add(time.Hour), nil
		}
		for range 3 {
			if _, err := cache.Get(t.Context(), 1, fetch); !errors.Is(err, broken) || fetched != 1 {
				t.Error(err, fetched)
			}
		}
		time.Sleep(sulk)
		if value, err := cache.Get(t.Context(), 1, fetch); value != 5 || err != nil {
			t.Error(value, err)
		}
	})
}

func TestACallerMayLeaveWhileOthersWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := New[int, int64](time.Now)
		fetch := func(ctx context.Context) (int64, time.Time, error) {
			time.Sleep(5 * time.Second)
			return 5, time.Now().Add(time.Hour), ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := cache.Get(ctx, 1, fetch); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if value, err := cache.Get(t.Context(), 1, fetch); value != 5 || err != nil {
			t.Error(value, err)
		}
	})
}

func TestWhatEndsSoonServesThoseWhoWaitedForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache, fetched := New[int, int64](time.Now), atomic.Int64{}
		fetch := func(context.Context) (int64, time.Time, error) {
			time.Sleep(time.Second)
			return fetched.Add(1), time.Now().Add(margin / 2), nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if value, err := cache.Get(ctx, 7, fetch); value != 1 || err != nil {
					t.Error(value, err)
				}
			})
		}
		all.Wait()
		if value, err := cache.Get(ctx, 7, fetch); value != 2 || err != nil || fetched.Load() != 2 { // the next one has it anew
			t.Error(value, err, fetched.Load())
		}
	})
}
