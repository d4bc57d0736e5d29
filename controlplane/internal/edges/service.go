package edges

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire"
)

// publisher gives fragments and the way from one to the next.
type publisher interface {
	Heads(ctx context.Context) ([]publish.Head, error)
	Compile(ctx context.Context, org ident.Org) (fragment *publish.Fragment, newest uint64, err error)
	Current(org ident.Org) *publish.Fragment
	MoveAhead(ctx context.Context, org ident.Org, known uint64) error
	Push(fragment *publish.Fragment, generation uint64, hash []byte) []*wire.Fragment
}

// lender answers the claims of an edge, and hears whether the books know all that the edge does.
type lender interface {
	Claim(ctx context.Context, edge ident.Edge, claims []ledger.Claim) ([]ledger.Grant, error)
	Told(ctx context.Context, edge ident.Edge, told uint64) (books uint64, err error)
}

// reporter takes usage.
type reporter interface {
	ReportUsage(ctx context.Context, stream *connect.BidiStream[wire.UsageBatch, wire.UsageAck]) error
	Positions(ctx context.Context, in *wire.PositionsRequest) (*wire.PositionsResponse, error)
	Await(ctx context.Context, in *wire.AwaitRequest) (*wire.AwaitResponse, error)
	ListKept(ctx context.Context, in *wire.ListKeptRequest) (*wire.ListKeptResponse, error)
}

// Service is the control plane's side of the contract with edges.
type Service struct {
	pool     *pgxpool.Pool
	db       *tenant.DB
	publish  publisher
	lender   lender
	reporter reporter
	now      func() time.Time
	logger   *slog.Logger

	mu       sync.Mutex
	sessions map[ident.Edge]*session
	work     map[ident.Org]*compilation // what is being compiled
	tried    map[ident.Org]uint64       // the newest generation that was compiled or withheld
	wake     chan struct{}              // work has begun
	look     chan struct{}              // notifications may have been missed
	turns    chan struct{}              // one for each full state on its way
	ended    chan struct{}              // closed when Run ends
	counted  counters
	live     atomic.Uint32       // edges that are connected somewhere; 0: not known
	lagged   func(time.Duration) // never nil
}

// counters are what Counts shows.
type counters struct{ full, delta, nacks atomic.Uint64 }

// Counts are what an operator watches, of this replica since its start.
type Counts struct {
	Connected uint64 // edges, now
	Full      uint64 // pushes of full states
	Delta     uint64 // pushes of deltas
	Nacks     uint64
}

// Counts returns the replica's figures, for metrics.
func (s *Service) Counts() Counts {
	s.mu.Lock()
	connected := len(s.sessions)
	s.mu.Unlock()
	return Counts{Connected: uint64(connected), Full: s.counted.full.Load(), Delta: s.counted.delta.Load(), Nacks: s.counted.nacks.Load()}
}

// OnAck calls do with the time from a change's commit to its ack, for changes that were made while the edge was connected; what an edge
// catches up with when it connects says nothing about the way to it. Call it before any edge connects; do must not block.
func (s *Service) OnAck(do func(lag time.Duration)) { s.lagged = do }

// compilation is an organization whose fragment is due or being compiled. It ends when it is done and has rested for compileApart.
type compilation struct{ running, done, rested, again bool }

// New returns a Service. Register it with Listen and run it with Run.
func New(pool *pgxpool.Pool, publisher publisher, lender lender, reporter reporter, now func() time.Time, logger *slog.Logger) *Service {
	return &Service{
		pool: pool, db: tenant.New(pool), publish: publisher, lender: lender, reporter: reporter, now: now, logger: logger,
		sessions: map[ident.Edge]*session{}, work: map[ident.Org]*compilation{}, tried: map[ident.Org]uint64{},
		wake: make(chan struct{}, 1), look: make(chan struct{}, 1), turns: make(chan struct{}, fullAtOnce), ended: make(chan struct{}),
		lagged: func(time.Duration) {},
	}
}

// record writes answers of an edge down, one organization after the other.
func (s *Service) record(ctx context.Context, edge ident.Edge, answers []ack) {
	for _, answer := range answers {
		if answer.org.IsZero() {
			continue // the platform fragment belongs to no organization's page
		}
		storing, cancel := context.WithTimeout(ctx, storeMax)
		err := s.db.Write(storing, answer.org, func(tx pgx.Tx) error { return saveAck(storing, tx, edge, answer) })
		cancel()
		if err != nil {
			s.logger.ErrorContext(ctx, "an edge's answer is not written down", "edge_id", edge, "org_id", answer.org, "generation", answer.generation, "error", err)
		}
	}
}

// noteGaps writes down how many calls of which organization the edge has served without a record, where that has changed since the last time.
// What fails is written with the next status.
func (s *Service) noteGaps(ctx context.Context, session *session, all []*wire.Unrecorded) {
	for _, each := range all {
		org, err := ident.FromBytes[ident.Org](each.GetOrgId())
		known, had := session.gaps[org]
		if err != nil || org.IsZero() || known == each.GetCalls() && (had || known == 0) {
			continue
		}
		storing, cancel := context.WithTimeout(ctx, storeMax)
		err = s.db.Write(storing, org, func(tx pgx.Tx) error {
			return saveGap(storing, tx, session.hello.edge, session.hello.epoch, org, each.GetCalls(), s.now())
		})
		cancel()
		if err != nil {
			s.logger.ErrorContext(ctx, "calls without a record are not written down", "edge_id", session.hello.edge, "org_id", org, "calls", each.GetCalls(), "error", err)
			continue
		}
		session.gaps[org] = each.GetCalls()
	}
}
