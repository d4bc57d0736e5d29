// Package report carries settled events from the spool to the control plane and lets go of them when they are committed there.
// It refuses to decide what an event says, and it never gives up: a control plane that is away is tried again until it is back.
package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/sync/errgroup"

	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

const (
	batchRecords  = 4000                  // each batch costs the books a part that does not depend on its size
	batchesFlying = 4                     // sent and not acked
	gatherFor     = 20 * time.Millisecond // how long events collect before a batch goes out
	sendEvery     = time.Second           // from one batch that is not full to the next: each writes to the budgets of its events
	retryFirst    = 500 * time.Millisecond
	retryMost     = 30 * time.Second
	settled       = time.Minute // a stream that lived this long ends the series of retries
	askEvery      = 5 * time.Second
	askSoon       = 500 * time.Millisecond // until the books have been told all
	askWithin     = 5 * time.Second
)

// Reporter sends what is in the spool. Make one with New.
type Reporter struct {
	spool  *spool.Spool
	client wireconnect.EdgeServiceClient
	edge   wire.ID
	purse  purse
	logger *slog.Logger

	books uint64            // that answered last
	owed  map[uint64]uint64 // by epoch, the seq up to which they must have everything before others may be lent what is left in them
	whole bool              // they have said that they do
	said  uint64            // what they were last told
}

// purse is who holds the edge's leases.
type purse interface {
	Restored(closed []*wire.LeaseState) // the books may have lost what they had acked; these leases were closed meanwhile
	Told() bool                         // all leases since then
}

// New returns a Reporter for the edge's spool. The client adds the edge's token by itself. The purse is told when the books may have been
// restored to an older state.
func New(spool *spool.Spool, client wireconnect.EdgeServiceClient, edge wire.ID, purse purse, logger *slog.Logger) *Reporter {
	return &Reporter{spool: spool, client: client, edge: edge, purse: purse, logger: logger}
}

// Run sends until ctx is done. Between streams it waits 0.5 s to 30 s, with full jitter.
func (r *Reporter) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		began := time.Now()
		err := r.stream(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is how it stops
		}
		if time.Since(began) > settled {
			attempt = 0
		}
		wait := time.Duration(rand.Int64N(int64(min(retryMost, retryFirst<<min(attempt, 6)))))
		r.logger.Warn("usage stream ended", "error", err, "retry_in", wait, "pending", r.spool.Pending())
		r.rest(ctx, wait, errors.Is(err, errAsk))
	}
}

// rest waits between two streams. Meanwhile it goes on asking the books, which is little to ask: other edges may be lent nothing before this
// one has told them all. Where it has to send what they lost for that, or they were away and are back, it waits no longer.
func (r *Reporter) rest(ctx context.Context, wait time.Duration, away bool) {
	for until := time.Now().Add(wait); ; {
		left := time.Until(until)
		if left <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(left, askSoon+time.Duration(rand.Int64N(int64(askSoon))))):
		}
		behind, err := r.ask(ctx)
		if err == nil && (away || len(behind) > 0 || !r.whole) {
			return
		}
		away = err != nil
	}
}

// flying is a batch that is sent and not acked.
type flying struct {
	epoch, seq uint64
	count      int
}

// stream opens one stream, sends from the oldest event that is not acked, and takes acks, until something fails.
func (r *Reporter) stream(ctx context.Context) error {
	if err := r.rewind(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := r.client.ReportUsage(ctx)
	defer func() { _ = stream.CloseResponse() }()
	window := make(chan flying, batchesFlying)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer func() { _ = stream.CloseRequest() }()
		return r.send(ctx, stream, window)
	})
	group.Go(func() error {
		defer cancel()
		return r.receive(ctx, stream, window)
	})
	group.Go(func() error { return r.watch(ctx) })
	return group.Wait()
}

type usageStream = connect.BidiStreamForClient[wire.UsageBatch, wire.UsageAck]

func (r *Reporter) send(ctx context.Context, stream *usageStream, window chan<- flying) error {
	// The request's headers travel with the first message; none at all sends them alone and opens the stream at once.
	if err := stream.Send(nil); err != nil {
		return fmt.Errorf("open usage stream: %w", err)
	}
	var sent time.Time
	for reader := r.spool.NewReader(); ; {
		batch, err := reader.Next(batchRecords)
		if err != nil {
			return fmt.Errorf("read spool: %w", err)
		}
		if n := len(batch.Records); n > 0 {
			select {
			case window <- flying{batch.Epoch, batch.Records[n-1].GetSeq(), n}:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := stream.Send(&wire.UsageBatch{EdgeId: r.edge.Bytes(), Epoch: batch.Epoch, AfterSeq: batch.After, Records: batch.Records}); err != nil {
				return fmt.Errorf("send usage: %w", err)
			}
			if sent = time.Now(); batch.Epoch != r.spool.Epoch() {
				continue // it is whole, and others follow
			}
		} else if err := r.waitForEvents(ctx); err != nil {
			return err
		}
		if err := r.gather(ctx, max(gatherFor, sendEvery-time.Since(sent)), window); err != nil {
			return err
		}
	}
}

func (r *Reporter) waitForEvents(ctx context.Context) error {
	select {
	case <-r.spool.Wake():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gather lets events collect for a time, or until they fill a batch besides those that fly.
func (r *Reporter) gather(ctx context.Context, wait time.Duration, window chan<- flying) error {
	tick := time.NewTicker(gatherFor)
	defer tick.Stop()
	for until := time.Now().Add(wait); time.Now().Before(until) && r.spool.Pending() < uint64(batchRecords*(1+len(window))); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *Reporter) receive(ctx context.Context, stream *usageStream, window <-chan flying) error {
	for {
		ack, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			return errors.New("the control plane ended the usage stream")
		}
		if err != nil {
			return fmt.Errorf("receive usage ack: %w", err)
		}
		select {
		case sent := <-window:
			if ack.GetEpoch() != sent.epoch || ack.GetSeq() != sent.seq {
				return fmt.Errorf("ack of epoch %d seq %d, want epoch %d seq %d", ack.GetEpoch(), ack.GetSeq(), sent.epoch, sent.seq)
			}
			if err := r.spool.Ack(sent.epoch, sent.seq, sent.count); err != nil {
				return fmt.Errorf("ack spool: %w", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		default:
			return fmt.Errorf("ack of epoch %d seq %d without a batch", ack.GetEpoch(), ack.GetSeq())
		}
	}
}
