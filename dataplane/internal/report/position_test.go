package report_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/internal/report"
	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

// forgetful is a control plane whose books can be put back to an older state.
type forgetful struct {
	wireconnect.UnimplementedEdgeServiceHandler
	mu          sync.Mutex
	seqs        []uint64 // that are in the books
	high        uint64   // what they ever acked
	books, told uint64   // which they are, and the last of them that were told all
	early       bool     // they were told so while something was missing
	asked       int
	shut        bool // no usage is taken
}

func (f *forgetful) at() uint64 {
	if len(f.seqs) == 0 {
		return 0
	}
	return f.seqs[len(f.seqs)-1]
}

func (f *forgetful) Positions(_ context.Context, in *connect.Request[wire.PositionsRequest]) (*connect.Response[wire.PositionsResponse], error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	out := &wire.PositionsResponse{Books: f.books}
	if in.Msg.GetToldBooks() == f.books {
		f.told, f.early = f.books, f.early || f.at() < f.high
	}
	for _, epoch := range in.Msg.GetEpochs() {
		out.Positions = append(out.Positions, &wire.Position{Epoch: epoch, Seq: f.at()})
	}
	return connect.NewResponse(out), nil
}

func (f *forgetful) ReportUsage(_ context.Context, stream *connect.BidiStream[wire.UsageBatch, wire.UsageAck]) error {
	for {
		batch, err := stream.Receive()
		if err != nil {
			return nil
		}
		f.mu.Lock()
		if f.shut {
			f.mu.Unlock()
			return connect.NewError(connect.CodeUnavailable, errors.New("no usage is taken"))
		}
		if batch.GetAfterSeq() > f.at() {
			f.mu.Unlock()
			return connect.NewError(connect.CodeOutOfRange, errors.New("there is a gap"))
		}
		for _, record := range batch.GetRecords() {
			if record.GetSeq() > f.at() {
				f.seqs = append(f.seqs, record.GetSeq())
			}
		}
		f.high = max(f.high, f.at())
		ack := &wire.UsageAck{Epoch: batch.GetEpoch(), Seq: f.at()}
		f.mu.Unlock()
		if err := stream.Send(ack); err != nil {
			return nil
		}
	}
}

func TestBooksThatArePutBackGetEverythingAgain(t *testing.T) {
	t.Parallel()
	plane := &forgetful{books: 100}
	s, _, err := spool.Open(spool.Config{Dir: t.TempDir(), SegmentBytes: 1 << 16, Epoch: 3, Now: time.Now, KeepFor: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	told := make(chan struct{}, 100)
	running.Go(func() {
		_ = report.New(s, serve(t, plane), wire.ID{1}, purse(func() { told <- struct{}{} }), slog.New(slog.DiscardHandler)).Run(ctx)
	})
	const each = 3000
	for round := 1; round <= 3; round++ {
		for range each {
			appendEvent(t, s)
		}
		waitUntil(t, func() bool { return s.Pending() == 0 })
		plane.mu.Lock()
		if len(plane.seqs) != round*each {
			t.Errorf("round %d: %d events are in the books", round, len(plane.seqs))
		}
		plane.seqs = plane.seqs[:len(plane.seqs)-2000] // the next batch finds the gap
		plane.books++
		plane.mu.Unlock()
	}
	appendEvent(t, s)
	waitUntil(t, func() bool {
		plane.mu.Lock()
		defer plane.mu.Unlock()
		return len(plane.seqs) == 3*each+1
	})
	waitUntil(t, func() bool {
		plane.mu.Lock()
		defer plane.mu.Unlock()
		return plane.told == plane.books
	})
	if plane.early {
		t.Error("the books were told that they have everything while they had not")
	}
	if len(told) < 3 {
		t.Errorf("the ledger's side heard %d times that the books were put back", len(told))
	}
}

// purse is told and has told everything at once.
type purse func()

func (p purse) Restored([]*wire.LeaseState) { p() }
func (purse) Told() bool                    { return true }

// What an earlier process left behind, of which nothing was ever acked, is spent too.
func TestNewBooksAreNotToldToHaveEverythingBeforeTheyDo(t *testing.T) {
	t.Parallel()
	plane := &forgetful{books: 100, shut: true}
	dir := t.TempDir()
	for epoch := uint64(3); epoch <= 4; epoch++ {
		s, _, err := spool.Open(spool.Config{Dir: dir, SegmentBytes: 1 << 16, Epoch: epoch, Now: time.Now, KeepFor: time.Hour, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if epoch == 3 {
			appendEvent(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer func() { _ = s.Close() }()
		defer running.Wait()
		defer cancel()
		running.Go(func() {
			_ = report.New(s, serve(t, plane), wire.ID{1}, purse(func() {}), slog.New(slog.DiscardHandler)).Run(ctx)
		})
		told := func() (books uint64, asked int) {
			plane.mu.Lock()
			defer plane.mu.Unlock()
			return plane.told, plane.asked
		}
		waitUntil(t, func() bool { _, asked := told(); return asked > 3 })
		if books, _ := told(); books != 0 {
			t.Error("the books were told that they have everything while they have nothing")
		}
		plane.mu.Lock()
		plane.shut = false
		plane.mu.Unlock()
		waitUntil(t, func() bool { books, _ := told(); return books == 100 })
	}
}
