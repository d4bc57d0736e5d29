package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

// errBehind says that the books have less than they acked.
var errBehind = errors.New("the books have lost usage that they had acked; it is sent again")

// errAsk says that the books could not be asked how far they are.
var errAsk = errors.New("ask how far the books are")

// rewind takes acks back that the books no longer stand by, because they were restored to an older state.
func (r *Reporter) rewind(ctx context.Context) error {
	behind, err := r.ask(ctx)
	if err != nil {
		return err
	}
	for epoch, seq := range behind {
		again, closed, err := r.spool.Rewind(epoch, seq)
		if err != nil {
			return fmt.Errorf("take acks back: %w", err)
		}
		r.logger.Warn("the books have lost usage that they had acked, and get it again", "epoch", epoch, "after_seq", seq, "events", again)
		r.purse.Restored(closed)
	}
	if len(behind) > 0 {
		r.owed = r.spool.Unacked()
	}
	return nil
}

// ask returns the epochs of which the books have less than they acked, and how much they have.
func (r *Reporter) ask(ctx context.Context) (behind map[uint64]uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	unacked, acked := r.spool.Unacked(), r.spool.Positions() // in this order: an ack may come in between
	request := &wire.PositionsRequest{EdgeId: r.edge.Bytes(), ToldBooks: r.told()}
	r.said = request.GetToldBooks()
	for epoch := range acked {
		request.Epochs = append(request.Epochs, epoch)
	}
	answer, err := r.client.Positions(ctx, connect.NewRequest(request))
	if connect.CodeOf(err) == connect.CodeUnimplemented { // an older control plane
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAsk, err)
	}
	behind = map[uint64]uint64{}
	for _, position := range answer.Msg.GetPositions() {
		if position.GetSeq() < acked[position.GetEpoch()] {
			behind[position.GetEpoch()] = position.GetSeq()
		}
	}
	if books := answer.Msg.GetBooks(); books != r.books { // Postgres began anew, perhaps as an older copy
		r.books, r.owed = books, r.spool.Unacked()
		r.purse.Restored(nil)
	}
	r.whole = len(behind) == 0
	for epoch, seq := range r.owed {
		_, open := unacked[epoch]
		r.whole = r.whole && (!open || acked[epoch] >= seq) // as the answer has confirmed
	}
	return behind, nil
}

// nothingTold is what an edge says before it has told all its leases to any books.
const nothingTold = 1

// told returns the books that know all leases and all usage of before they began.
func (r *Reporter) told() uint64 {
	if r.books == 0 || !r.whole || !r.purse.Told() {
		return nothingTold
	}
	return r.books
}

// watch ends the stream when the books fall behind what they acked. An edge without usage to send would not notice otherwise.
func (r *Reporter) watch(ctx context.Context) error {
	for {
		wait := askEvery
		if said, told := r.said, r.told(); said != told || told == nothingTold {
			wait = askSoon
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		behind, err := r.ask(ctx)
		if err != nil {
			return err
		}
		if len(behind) > 0 {
			return errBehind
		}
	}
}
