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
	mu   sync.Mutex
	seqs []uint64 // that are in the books
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
	out := &wire.PositionsResponse{}
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
		if batch.GetAfterSeq() > f.at() {
			f.mu.Unlock()
			return connect.NewError(connect.CodeOutOfRange, errors.New("there is a gap"))
		}
		for _, record := range batch.GetRecords() {
			if record.GetSeq() > f.at() {
				f.seqs = append(f.seqs, record.GetSeq())
			}
		}
		ack := &wire.UsageAck{Epoch: batch.GetEpoch(), Seq: f.at()}
		f.mu.Unlock()
		if err := stream.Send(ack); err != nil {
			return nil
		}
	}
}

func TestBooksThatArePutBackGetEverythingAgain(t *testing.T) {
	t.Parallel()
	plane := &forgetful{}
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
		_ = report.New(s, serve(t, plane), wire.ID{1}, func([]*wire.LeaseState) { told <- struct{}{} }, slog.New(slog.DiscardHandler)).Run(ctx)
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
		plane.mu.Unlock()
	}
	appendEvent(t, s)
	waitUntil(t, func() bool {
		plane.mu.Lock()
		defer plane.mu.Unlock()
		return len(plane.seqs) == 3*each+1
	})
	if len(told) != 3 {
		t.Errorf("the ledger's side heard %d times that the books were put back", len(told))
	}
}
