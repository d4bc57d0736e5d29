package buffer

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const each = 1 << 20 // bytes of a body in these tests

// source is a caller's body that says when it is first read.
type source struct {
	io.Reader
	read func()
}

func (s *source) Read(into []byte) (int, error) {
	s.read()
	return s.Reader.Read(into)
}

func large(read func()) io.Reader {
	return &source{bytes.NewReader(make([]byte, each)), sync.OnceFunc(read)}
}

// TestLargeBodiesAreReadByTurns has more callers than there is room for, all of whom get an answer at once.
func TestLargeBodiesAreReadByTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool := Pool{turns: turns{most: 4 * each}}
		var held, most, done atomic.Int64
		var callers sync.WaitGroup
		for range 100 {
			callers.Go(func() {
				b, err := pool.ReadInTurn(large(func() { most.Store(max(most.Load(), held.Add(1))) }), each, each)
				if err != nil || len(b.B) != each {
					t.Errorf("%v", err)
					return
				}
				time.Sleep(turnLasts / 4)
				held.Add(-1)
				b.Free()
				done.Add(1)
			})
		}
		began := time.Now()
		callers.Wait()
		if most.Load() > 4 || done.Load() != 100 {
			t.Errorf("%d were held at a time, %d ended", most.Load(), done.Load())
		}
		if took := time.Since(began); took > 25*turnLasts/4 {
			t.Errorf("they took %s: some room was not given on", took)
		}
		if pool.turns.taken != 0 || len(pool.turns.waiting) != 0 {
			t.Errorf("%d bytes stay taken, %d wait", pool.turns.taken, len(pool.turns.waiting))
		}
	})
}

// TestNobodyWaitsForAProvider has bodies that are held for minutes: those behind them wait for the turns to last, and not for the answers.
func TestNobodyWaitsForAProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool := Pool{turns: turns{most: 4 * each}}
		began := time.Now()
		var callers sync.WaitGroup
		for i := range 100 {
			callers.Go(func() {
				b, err := pool.ReadInTurn(large(func() {}), each, each)
				waited := time.Since(began)
				if err != nil || waited > turnWaits {
					t.Errorf("caller %d waited %s, %v", i, waited, err)
				}
				time.Sleep(time.Hour)
				b.Free()
			})
		}
		callers.Wait()
		began = time.Now()
		b, err := pool.ReadInTurn(large(func() {}), each, each)
		if waited := time.Since(began); err != nil || waited > 0 {
			t.Errorf("behind them one waited %s, %v", waited, err)
		}
		b.Free()
	})
}

// TestThoseWhoComeFirstAreReadFirst has one body that takes all of the room, which must not wait until everybody else is done.
func TestThoseWhoComeFirstAreReadFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pool := Pool{turns: turns{most: 4 * each}}
		first := pool.turns.take(each)
		var order []int
		var callers sync.WaitGroup
		for i, size := range []int{40 * each, each, each} {
			callers.Go(func() {
				own := pool.turns.take(size)
				order = append(order, i)
				time.Sleep(turnLasts / 10)
				own.end()
			})
			synctest.Wait()
		}
		first.end()
		callers.Wait()
		if len(order) != 3 || order[0] != 0 || pool.turns.taken != 0 {
			t.Errorf("%v, %d bytes stay taken", order, pool.turns.taken)
		}
	})
}

func TestSmallBodiesWaitForNobody(t *testing.T) {
	t.Parallel()
	pool := Pool{turns: turns{most: each}}
	defer pool.turns.take(each).end()
	for _, length := range []int64{0, 1, groundLeast / 2, -1} {
		b, err := pool.ReadInTurn(bytes.NewReader(make([]byte, max(length, 0))), length, each)
		if err != nil || b.turn != nil {
			t.Errorf("%d bytes: %v", length, err)
		}
		b.Free()
	}
}

func TestABodyThatDoesNotComeEndsItsTurn(t *testing.T) {
	t.Parallel()
	var pool Pool
	if _, err := pool.ReadInTurn(bytes.NewReader(make([]byte, each/2)), each, each); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a caller who hangs up: %v", err)
	}
	if _, err := pool.ReadInTurn(bytes.NewReader(nil), each, each/2); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	b, err := pool.ReadInTurn(bytes.NewReader(make([]byte, each)), each, each)
	if err != nil || pool.turns.taken != each {
		t.Errorf("%v, %d bytes are taken", err, pool.turns.taken)
	}
	b.Free()
	b.Free()
	if pool.turns.taken != 0 {
		t.Errorf("%d bytes stay taken", pool.turns.taken)
	}
}
