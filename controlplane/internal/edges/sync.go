package edges

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// Sync carries one edge's stream from its Hello to its end.
func (s *Service) Sync(ctx context.Context, stream *connect.BidiStream[wire.SyncRequest, wire.SyncResponse]) error {
	limits := deadlinesOf(ctx)
	limits.read(silenceMax)
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	hello, err := readHello(first.GetHello())
	if err != nil {
		return connect.NewError(connect.CodeInvalidArgument, err)
	}
	connected := s.now().Truncate(time.Microsecond) // as Postgres keeps it
	if err := admit(ctx, s.pool, hello, connected); err != nil {
		return refusal(err)
	}
	defer s.depart(ctx, hello.edge, connected)
	s.logger.InfoContext(ctx, "an edge has connected", "edge_id", hello.edge, "name", hello.name, "version", hello.version)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session := newSession(s, hello, func(message *wire.SyncResponse) error {
		limits.write(sendMax)
		defer limits.writeFreely()
		return stream.Send(message)
	}, cancel)
	s.countLive(ctx)
	if err := session.welcome(); err != nil {
		return err
	}
	s.join(session)
	defer s.leave(session)
	s.offerAll(ctx, session)

	var running sync.WaitGroup
	running.Go(func() { session.record(ctx) })
	running.Go(func() {
		err := session.write(ctx)
		cancel(err)
		limits.read(-time.Second) // wakes the receiver below
	})
	running.Go(func() {
		select {
		case <-s.ended:
			cancel(errStopping)
		case <-ctx.Done():
		}
	})
	err = s.receive(ctx, stream, session, limits)
	cancel(err)
	running.Wait()
	return ending(context.Cause(ctx))
}

func (s *session) welcome() error {
	return s.send(&wire.SyncResponse{Message: &wire.SyncResponse_Welcome{Welcome: &wire.Welcome{
		NowUnixMs: s.service.now().UnixMilli(), HeartbeatMs: uint32(heartbeat.Milliseconds()), LiveEdges: s.service.live.Load(),
	}}})
}

// offerAll notes every organization as changed: the edge may hold less than there is.
func (s *Service) offerAll(ctx context.Context, session *session) {
	heads, err := s.publish.Heads(ctx)
	if err != nil {
		session.end(err)
		return
	}
	for _, head := range heads {
		session.changed(head.Org)
	}
}

// receive takes the edge's messages until the stream ends.
func (s *Service) receive(ctx context.Context, stream *connect.BidiStream[wire.SyncRequest, wire.SyncResponse], session *session, limits deadlines) error {
	for {
		limits.read(silenceMax)
		if ctx.Err() != nil { // asked after the deadline is set: who ends ctx sets a deadline in the past after that
			return context.Cause(ctx)
		}
		message, err := stream.Receive()
		if err != nil {
			return err
		}
		switch in := message.GetMessage().(type) {
		case *wire.SyncRequest_Ack:
			session.acked(in.Ack)
		case *wire.SyncRequest_Nack:
			session.nacked(in.Nack)
			s.logger.WarnContext(ctx, "an edge refuses a fragment", "edge_id", session.hello.edge, "generation", in.Nack.GetGeneration(), "path", in.Nack.GetPath(), "reason", in.Nack.GetReason())
		case *wire.SyncRequest_Status:
			if err := checkEpoch(ctx, s.pool, session.hello.edge, session.hello.epoch); errors.Is(err, errFenced) {
				return err
			}
			if err := saveStatus(ctx, s.pool, session.hello.edge, in.Status, s.now()); err != nil && ctx.Err() == nil {
				s.logger.ErrorContext(ctx, "an edge's status is not written down", "edge_id", session.hello.edge, "error", err)
			}
			s.noteGaps(ctx, session, in.Status.GetUnrecorded())
		}
	}
}

func (s *Service) depart(ctx context.Context, edge ident.Edge, connected time.Time) {
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeMax)
	defer cancel()
	if err := disconnect(leaving, s.pool, edge, connected); err != nil {
		s.logger.ErrorContext(ctx, "an edge's departure is not written down", "edge_id", edge, "error", err)
	}
}

func readHello(in *wire.Hello) (greeting, error) {
	if in == nil {
		return greeting{}, errors.New("the first message must be a hello")
	}
	edge, err := ident.FromBytes[ident.Edge](in.GetEdgeId())
	if err != nil || edge.IsZero() {
		return greeting{}, errors.New("edge_id must have 16 bytes")
	}
	if in.GetEpoch() == 0 {
		return greeting{}, errors.New("epoch must not be 0")
	}
	if len(in.GetEarlierEpochs()) > earlierMax {
		return greeting{}, fmt.Errorf("at most %d earlier epochs", earlierMax)
	}
	out := greeting{
		edge: edge, epoch: in.GetEpoch(), earlier: append(in.GetEarlierEpochs(), in.GetPreviousEpoch()), name: in.GetName(), region: in.GetRegion(), version: in.GetVersion(),
		held: map[ident.Org]held{},
	}
	for _, each := range in.GetHeld() {
		org, err := ident.FromBytes[ident.Org](each.GetOrgId())
		if err != nil {
			return greeting{}, errors.New("held.org_id must have 16 bytes")
		}
		out.held[org] = held{generation: each.GetGeneration(), hash: string(each.GetContentHash())}
	}
	return out, nil
}

func refusal(err error) error {
	if errors.Is(err, errFenced) {
		return connect.NewError(connect.CodeFailedPrecondition, errors.New(wire.CodeEdgeFenced+": "+err.Error()))
	}
	return connect.NewError(connect.CodeUnavailable, errors.New("the edge cannot be registered now"))
}

// ending is what the edge is told: nothing when it hung up itself.
func ending(cause error) error {
	switch {
	case cause == nil, errors.Is(cause, io.EOF), errors.Is(cause, context.Canceled):
		return nil
	case errors.Is(cause, errFenced):
		return refusal(errFenced)
	case errors.Is(cause, errReplaced):
		return connect.NewError(connect.CodeAborted, errReplaced)
	case errors.Is(cause, errSlow):
		return connect.NewError(connect.CodeDeadlineExceeded, errSlow)
	case errors.Is(cause, errStopping):
		return connect.NewError(connect.CodeUnavailable, errStopping)
	default:
		return cause
	}
}
