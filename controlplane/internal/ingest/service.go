package ingest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire"
)

const (
	recordsMax = 10_000 // in one batch
	commitMax  = 30 * time.Second
)

// Service takes usage in.
type Service struct {
	pool     *pgxpool.Pool
	now      func() time.Time
	logger   *slog.Logger
	tags     *tags
	backlog  *backlog
	events   atomic.Uint64
	rejected atomic.Uint64
	mended   atomic.Uint64
}

// New returns a Service over the pool.
func New(pool *pgxpool.Pool, now func() time.Time, logger *slog.Logger) *Service {
	return &Service{pool: pool, now: now, logger: logger, tags: newTags(), backlog: newBacklog(now())}
}

// Counts are how many records came since the start, for metrics.
type Counts struct {
	Events   uint64 // that were taken in
	Mended   uint64 // with a part that made no sense, and was not kept as it came
	Rejected uint64
}

// Counts returns how many records came since the start.
func (s *Service) Counts() Counts { return Counts{s.events.Load(), s.mended.Load(), s.rejected.Load()} }

// ReportUsage takes batches until the edge hangs up, and acks each one after its commit.
func (s *Service) ReportUsage(ctx context.Context, stream *connect.BidiStream[wire.UsageBatch, wire.UsageAck]) error {
	for {
		batch, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		ack, err := s.Take(ctx, batch)
		if err != nil {
			return s.refusal(ctx, err)
		}
		if err := stream.Send(ack); err != nil {
			return err
		}
	}
}

// errBatch says that a batch breaks the contract.
var errBatch = errors.New("a batch needs edge_id and epoch, and 1 to 10000 records in rising order of seq")

func (s *Service) refusal(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errBatch):
		return connect.NewError(connect.CodeInvalidArgument, errBatch)
	case errors.Is(err, errUnknownEdge):
		return connect.NewError(connect.CodeFailedPrecondition, errUnknownEdge)
	case errors.Is(err, errGap):
		return connect.NewError(connect.CodeOutOfRange, errGap)
	case ctx.Err() != nil:
		return connect.NewError(connect.CodeCanceled, context.Cause(ctx))
	default:
		s.logger.ErrorContext(ctx, "usage is not taken in; the edge sends it again", "error", err)
		return connect.NewError(connect.CodeUnavailable, errors.New("usage cannot be taken in now"))
	}
}

// Take commits a batch and returns its ack. A batch that was committed before is acked again and changes nothing. While too much is not folded, it
// waits up to a second before.
func (s *Service) Take(ctx context.Context, batch *wire.UsageBatch) (*wire.UsageAck, error) {
	edge, err := ident.FromBytes[ident.Edge](batch.GetEdgeId())
	records := batch.GetRecords()
	if err != nil || edge.IsZero() || batch.GetEpoch() == 0 || len(records) == 0 || len(records) > recordsMax {
		return nil, errBatch
	}
	if err := s.ease(ctx); err != nil {
		return nil, err
	}
	good, rooms := make([]*event, 0, len(records)), make([]room, len(records))
	var bad []rejected
	for i, each := range records {
		if each.GetSeq() > math.MaxInt64 || i > 0 && each.GetSeq() <= records[i-1].GetSeq() {
			return nil, errBatch
		}
		in := record{seq: each.GetSeq(), raw: each.GetEvent()}
		parsed, err := read(in, &rooms[i])
		if err != nil {
			bad = append(bad, rejected{record: in, org: rooms[i].org, reason: err.Error()})
			continue
		}
		good = append(good, parsed)
	}
	last := records[len(records)-1].GetSeq()
	at := span{edge, batch.GetEpoch(), batch.GetAfterSeq(), last}
	if err := s.commit(ctx, at, good, bad); err != nil {
		return nil, err
	}
	return &wire.UsageAck{Epoch: batch.GetEpoch(), Seq: last}, nil
}

// span is a part of what one process of an edge wrote.
type span struct {
	edge  ident.Edge
	epoch uint64
	after uint64 // the books must have everything up to here
	last  uint64 // and have everything up to here then; 0: that is for another part to say
}

// commit writes the events, halving the batch around a value that Postgres refuses until the one record is found that holds it.
// The position advances with the last part only, so that a part is sent again when the rest fails.
func (s *Service) commit(ctx context.Context, at span, good []*event, bad []rejected) error {
	err := s.commitOnce(ctx, at, good, bad)
	switch {
	case !blames(err):
		return err
	case len(good) == 1:
		return s.commitOnce(ctx, at, nil, append(bad, rejected{record: good[0].record, org: good[0].org, reason: "the database refuses a value: " + err.Error()}))
	case len(good) == 0:
		return err
	}
	half := len(good) / 2
	if err := s.commit(ctx, span{at.edge, at.epoch, at.after, 0}, good[:half], nil); err != nil {
		return err
	}
	return s.commit(ctx, at, good[half:], bad)
}

func (s *Service) commitOnce(ctx context.Context, at span, good []*event, bad []rejected) error {
	ctx, cancel := context.WithTimeout(ctx, commitMax)
	defer cancel()
	rejects := bad
	var left []*pending
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		quicken(tx.Conn())
		if err := begin(ctx, tx, at); err != nil {
			return err
		}
		waiting, refused, err := s.book(ctx, tx, at.edge, good)
		if err != nil {
			return err
		}
		left, rejects = waiting, append(rejects, refused...)
		if err := keepRejects(ctx, tx, at, rejects); err != nil {
			return err
		}
		return advance(ctx, tx, at.edge, at.epoch, at.last)
	})
	if err != nil {
		return err
	}
	s.booked(left)
	s.tell(ctx, at.edge, good, rejects)
	return nil
}

// book writes events that are not there yet, charges them and announces them. It returns what they leave pending, and those that it refuses.
func (s *Service) book(ctx context.Context, tx pgx.Tx, edge ident.Edge, good []*event) (left []*pending, refused []rejected, err error) {
	groups, left, refused, err := s.takeAll(ctx, tx, edge, byOrg(good))
	if err != nil {
		return nil, nil, err
	}
	var orgs []ident.Org
	for _, added := range groups {
		if len(added) == 0 {
			continue
		}
		orgs = append(orgs, added[0].org)
		if err := s.charge(ctx, tx, edge, added); err != nil {
			return nil, nil, err
		}
	}
	return left, refused, announce(ctx, tx, orgs...)
}

// booked notes what a transaction left pending that is committed.
func (s *Service) booked(left []*pending) {
	for _, one := range left {
		s.events.Add(uint64(len(one.lines)))
		s.backlog.add(one, time.Now())
	}
}

// tell says which records were not taken as they came.
func (s *Service) tell(ctx context.Context, edge ident.Edge, good []*event, rejects []rejected) {
	s.rejected.Add(uint64(len(rejects)))
	for _, each := range rejects {
		s.logger.ErrorContext(ctx, "a usage record is rejected and kept", "edge_id", edge, "seq", each.seq, "org_id", each.org, "reason", each.reason)
	}
	for _, each := range good {
		if len(each.mended) > 0 {
			s.mended.Add(1)
			s.logger.WarnContext(ctx, "a usage record is taken without what makes no sense", "edge_id", edge, "seq", each.seq, "org_id", each.org, "event_id", each.id, "parts", each.mended)
		}
	}
}

// takeAll writes events by organization and returns, in the same order, those that were not there yet, and what they left pending. Most batches are all new: they are written
// without a look at what is there, and once more with one if that fails.
func (s *Service) takeAll(ctx context.Context, tx pgx.Tx, edge ident.Edge, groups [][]*event) (added [][]*event, left []*pending, refused []rejected, err error) {
	if len(groups) == 0 {
		return nil, nil, nil, nil
	}
	for _, events := range groups {
		if err := s.tagAll(ctx, tx, events[0].org, events); err != nil {
			return nil, nil, nil, err
		}
	}
	if left, allNew, err := insertNew(ctx, tx, edge, groups); allNew || err != nil {
		return groups, left, nil, err
	}
	for _, events := range groups {
		some, one, bad, err := s.takeOrg(ctx, tx, edge, events)
		if err != nil {
			return nil, nil, nil, err
		}
		if one != nil {
			left = append(left, one)
		}
		added, refused = append(added, some), append(refused, bad...)
	}
	return added, left, refused, nil
}

// takeOrg writes one organization's events and returns those that were not there yet, and what they left pending.
func (s *Service) takeOrg(ctx context.Context, tx pgx.Tx, edge ident.Edge, events []*event) (added []*event, left *pending, refused []rejected, err error) {
	org := events[0].org
	if err := tenant.Enter(ctx, tx, org); err != nil {
		return nil, nil, nil, err
	}
	exists, err := orgExists(ctx, tx, org)
	if err != nil {
		return nil, nil, nil, err
	}
	if !exists {
		for _, each := range events {
			refused = append(refused, rejected{record: each.record, reason: "there is no organization " + org.String()})
		}
		return nil, nil, refused, nil
	}
	added, err = insert(ctx, tx, org, edge, events)
	if err != nil || len(added) == 0 {
		return nil, nil, nil, err
	}
	left, err = s.addPending(ctx, tx, org, added)
	return added, left, nil, err
}

// charge settles one organization's new events. Others wait for its accounts until the transaction ends, so it comes after all events are written.
func (s *Service) charge(ctx context.Context, tx pgx.Tx, edge ident.Edge, added []*event) error {
	org := added[0].org
	if err := tenant.Enter(ctx, tx, org); err != nil {
		return err
	}
	var charges []ledger.Charge
	for _, each := range added {
		charges = append(charges, each.charges...)
	}
	settled, err := s.settlements(ctx, tx, org, added)
	if err != nil {
		return err
	}
	others, err := accountsOf(ctx, tx, org, settled)
	if err != nil {
		return err
	}
	unknown, err := ledger.Settle(ctx, tx, org, edge, ledger.Sum(charges), s.now(), others...) // locks all, in one order
	if err != nil {
		return err
	}
	if err := ledger.NoteDoubts(ctx, tx, org, doubtsOf(added)); err != nil {
		return err
	}
	for _, each := range settled {
		if err := ledger.SettleDoubt(ctx, tx, org, each.event, each.cost, s.now()); err != nil {
			return err
		}
	}
	for _, each := range unknown {
		s.logger.WarnContext(ctx, "a charge names an unknown budget", "org_id", org, "budget_id", each.Budget, "spent_pico_usd", each.Spent, "doubt_pico_usd", each.InDoubt)
	}
	return nil
}

// byOrg groups events by organization, organizations and their events in order of id, each event once.
func byOrg(events []*event) [][]*event {
	sorted := slices.Clone(events)
	slices.SortStableFunc(sorted, func(a, b *event) int {
		if order := bytes.Compare(a.org.UUID[:], b.org.UUID[:]); order != 0 {
			return order
		}
		return bytes.Compare(a.id.UUID[:], b.id.UUID[:])
	})
	sorted = slices.CompactFunc(sorted, func(a, b *event) bool { return a.org == b.org && a.id == b.id })
	var groups [][]*event
	for len(sorted) > 0 {
		n := 1
		for n < len(sorted) && sorted[n].org == sorted[0].org {
			n++
		}
		groups, sorted = append(groups, sorted[:n]), sorted[n:]
	}
	return groups
}
