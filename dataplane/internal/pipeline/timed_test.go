package pipeline

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type nameKey struct{}

func TestTimedContextEndsWhetherOrNotItIsAwaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent := context.WithValue(context.Background(), nameKey{}, "a")
		silent := &timed{Context: parent, until: time.Now().Add(time.Minute)}
		awaited := &timed{Context: parent, until: time.Now().Add(time.Minute)}
		derived, cancel := context.WithCancel(awaited)
		defer cancel()
		ended := make(chan struct{})
		context.AfterFunc(awaited, func() { close(ended) })
		for _, ctx := range []context.Context{silent, awaited, derived} {
			if by, ok := ctx.Deadline(); !ok || time.Until(by) != time.Minute || ctx.Err() != nil || ctx.Value(nameKey{}) != "a" {
				t.Errorf("%T: before its end: %v %v %v", ctx, by, ctx.Err(), ctx.Value(nameKey{}))
			}
		}
		time.Sleep(time.Minute)
		<-ended
		<-awaited.Done()
		<-derived.Done()
		for _, ctx := range []context.Context{silent, awaited, derived} {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("%T: at its end: %v", ctx, ctx.Err())
			}
		}
		early := &timed{Context: parent, until: time.Now().Add(time.Minute)}
		early.end()
		context.AfterFunc(early, func() {})
		early.end()
		if <-early.Done(); !errors.Is(early.Err(), context.Canceled) {
			t.Errorf("ended by hand: %v", early.Err())
		}
	})
}

func TestAClockThatIsSetBackDuringACallMakesNoNegativeFigures(t *testing.T) {
	t.Parallel()
	var back atomic.Bool
	g := newRig(t, openAI(t, func(w http.ResponseWriter, r *http.Request) {
		back.Store(true)
		answering("application/json", chatAnswer)(w, r)
	}))
	g.pipeline.Now = func() time.Time {
		if back.Load() {
			return time.Now().Add(-time.Hour)
		}
		return time.Now()
	}
	if s := g.ask("/v1/chat/completions", chatAsk); s.status != http.StatusOK {
		t.Fatalf("%+v", s)
	}
	if e := g.event(); e.GetCostPico() == 0 || e.GetDurationUs() < 0 || e.GetFirstByteUs() < 0 {
		t.Errorf("event %v", e)
	}
	g.balanced()
}
