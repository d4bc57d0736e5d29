package pipeline

import (
	"context"
	"errors"
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
