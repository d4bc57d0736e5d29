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
		r.behind(closed)
	}
	return nil
}

// ask returns the epochs of which the books have less than they acked, and how much they have.
func (r *Reporter) ask(ctx context.Context) (behind map[uint64]uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	acked := r.spool.Positions()
	request := &wire.PositionsRequest{EdgeId: r.edge.Bytes()}
	for epoch := range acked {
		request.Epochs = append(request.Epochs, epoch)
	}
	answer, err := r.client.Positions(ctx, connect.NewRequest(request))
	if connect.CodeOf(err) == connect.CodeUnimplemented { // an older control plane
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask how far the books are: %w", err)
	}
	behind = map[uint64]uint64{}
	for _, position := range answer.Msg.GetPositions() {
		if position.GetSeq() < acked[position.GetEpoch()] {
			behind[position.GetEpoch()] = position.GetSeq()
		}
	}
	return behind, nil
}

// watch ends the stream when the books fall behind what they acked. An edge without usage to send would not notice otherwise.
func (r *Reporter) watch(ctx context.Context) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
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
