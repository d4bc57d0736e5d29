package edges

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/edges/internal/edgesdb"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// errFenced says that an edge of this id goes on under another epoch, or that the epoch is refused for ever.
var errFenced = errors.New("another process carries on with this edge's leases")

// admit accepts a process as the edge, or returns errFenced. Books that were restored to an older state know one of its earlier epochs. Two processes with copies of one data directory cannot both be accepted.
func admit(ctx context.Context, pool *pgxpool.Pool, hello greeting, at time.Time) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		queries := edgesdb.New(tx)
		added, err := queries.InsertEdge(ctx, edgesdb.InsertEdgeParams{
			EdgeID: hello.edge, Name: hello.name, Region: hello.region, Version: hello.version, Epoch: hello.epoch, At: at,
		})
		if err != nil {
			return fmt.Errorf("insert edge: %w", err)
		}
		if added == 0 {
			current, err := queries.LockEdge(ctx, hello.edge)
			if err != nil {
				return fmt.Errorf("lock edge %s: %w", hello.edge, err)
			}
			if current.Fenced || current.Epoch != hello.epoch && !slices.Contains(hello.earlier, current.Epoch) {
				return errFenced
			}
			err = queries.ConnectEdge(ctx, edgesdb.ConnectEdgeParams{
				EdgeID: hello.edge, Name: hello.name, Region: hello.region, Version: hello.version, Epoch: hello.epoch, At: at,
			})
			if err != nil {
				return fmt.Errorf("connect edge %s: %w", hello.edge, err)
			}
		}
		fenced, err := queries.EnsureEpoch(ctx, edgesdb.EnsureEpochParams{EdgeID: hello.edge, Epoch: hello.epoch})
		if err != nil {
			return fmt.Errorf("note epoch of edge %s: %w", hello.edge, err)
		}
		if fenced != nil {
			return errFenced
		}
		return nil
	})
}

// checkEpoch returns errFenced unless the epoch is the edge's current one and the edge is not declared lost.
func checkEpoch(ctx context.Context, pool *pgxpool.Pool, edge ident.Edge, epoch uint64) error {
	current, err := edgesdb.New(pool).GetEpoch(ctx, edge)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && (current.Fenced || current.Epoch != epoch) {
		return errFenced
	}
	if err != nil {
		return fmt.Errorf("read epoch of edge %s: %w", edge, err)
	}
	return nil
}

// Fence refuses the edge's current and earlier epochs for ever, and with them every process that carries on from them. Usage that such a
// process has left behind is still taken in. It returns the edge's name, or a NotFound.
func Fence(ctx context.Context, pool *pgxpool.Pool, edge ident.Edge, at time.Time) (name string, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		queries := edgesdb.New(tx)
		if name, err = queries.GetEdgeName(ctx, edge); errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no edge %s", edge)
		}
		if err != nil {
			return fmt.Errorf("lock edge %s: %w", edge, err)
		}
		if err := queries.FenceEpochs(ctx, edgesdb.FenceEpochsParams{EdgeID: edge, At: at}); err != nil {
			return fmt.Errorf("fence edge %s: %w", edge, err)
		}
		return nil
	})
	return name, err
}

func disconnect(ctx context.Context, pool *pgxpool.Pool, edge ident.Edge, at time.Time) error {
	if err := edgesdb.New(pool).DisconnectEdge(ctx, edgesdb.DisconnectEdgeParams{EdgeID: edge, ConnectedAt: &at}); err != nil {
		return fmt.Errorf("disconnect edge %s: %w", edge, err)
	}
	return nil
}

// countLive counts the edges that are connected somewhere.
func countLive(ctx context.Context, pool *pgxpool.Pool, now time.Time) (uint32, error) {
	count, err := edgesdb.New(pool).CountLive(ctx, now.Add(-liveFor))
	if err != nil {
		return 0, fmt.Errorf("count connected edges: %w", err)
	}
	return uint32(min(count, 1<<30)), nil
}

func saveStatus(ctx context.Context, pool *pgxpool.Pool, edge ident.Edge, status *wire.Status, now time.Time) error {
	err := edgesdb.New(pool).SaveStatus(ctx, edgesdb.SaveStatusParams{
		EdgeID: edge, LastSeenAt: now, SpoolPending: signed(status.GetSpoolPending()), SpoolBytes: signed(status.GetSpoolBytes()),
		InFlight: signed(status.GetInFlight()), Requests: signed(status.GetRequestsTotal()),
		ClockSkewMs: status.GetNowUnixMs() - now.UnixMilli(), Accepting: status.GetAccepting(),
		RateCounting: rateCounting(status.GetRateCounting()), RateCountingSince: since(status.GetRateCountingUnixMs()), LiveEdges: int32(min(status.GetLiveEdges(), 1<<30)),
		SpoolCorrupt: signed(status.GetSpoolCorrupt()), SpoolKeptBytes: signed(status.GetSpoolKeptBytes()),
		RateUses: rateUses(status.GetRateUses()), OpenTargets: openTargets(status.GetOpenTargets()), StoppedCanaries: stoppedCanaries(status.GetStoppedCanaries()),
		RefusedCredentials: refusedCredentials(status.GetRefusedCredentials()),
	})
	if err != nil {
		return fmt.Errorf("save status of edge %s: %w", edge, err)
	}
	return nil
}

// saveAck writes an ack or nack down inside a transaction that has entered its organization.
func saveAck(ctx context.Context, tx pgx.Tx, edge ident.Edge, a ack) error {
	queries := edgesdb.New(tx)
	var err error
	if a.refused {
		generation := signed(a.generation)
		err = queries.SaveNack(ctx, edgesdb.SaveNackParams{OrgID: a.org, EdgeID: edge, NackGeneration: &generation, NackPath: a.path, NackReason: a.reason, At: a.at})
	} else {
		err = queries.SaveAck(ctx, edgesdb.SaveAckParams{OrgID: a.org, EdgeID: edge, Generation: signed(a.generation), AckedAt: a.at, LagMs: a.lag().Milliseconds()})
	}
	if err != nil {
		return fmt.Errorf("save answer of edge %s: %w", edge, err)
	}
	return nil
}

// saveGap writes down how many calls of an organization a process has served without a record, inside a transaction that has entered org.
func saveGap(ctx context.Context, tx pgx.Tx, edge ident.Edge, epoch uint64, org ident.Org, calls uint64, at time.Time) error {
	err := edgesdb.New(tx).SaveGap(ctx, edgesdb.SaveGapParams{OrgID: org, EdgeID: edge, Epoch: epoch, Calls: signed(calls), At: at})
	if err != nil {
		return fmt.Errorf("save a gap of edge %s: %w", edge, err)
	}
	return nil
}

func currentGeneration(ctx context.Context, pool *pgxpool.Pool, org ident.Org) (uint64, error) {
	number, err := edgesdb.New(pool).CurrentGeneration(ctx, org)
	if err != nil {
		return 0, fmt.Errorf("read generation of %s: %w", org, err)
	}
	return uint64(max(number, 0)), nil
}

func signed(n uint64) int64 { return int64(min(n, 1<<63-1)) }

// rateUse is what an edge says of one limit, as it is kept.
type rateUse struct {
	Limit   string `json:"limit"`
	Subject string `json:"subject,omitempty"`
	Taken   int64  `json:"taken"`
	Known   int64  `json:"known,omitempty"`
	KnownAt int64  `json:"known_at,omitempty"` // in milliseconds
}

// rateUses writes what an edge says of limits by organization; nil: it says nothing.
func rateUses(said *wire.RateUses) []byte {
	if said == nil {
		return nil
	}
	byOrg := map[string][]rateUse{}
	for _, one := range said.GetAll() {
		org, errOrg := wire.IDFromBytes(one.GetOrgId())
		limit, errLimit := wire.IDFromBytes(one.GetLimitId())
		if errOrg == nil && errLimit == nil {
			use := rateUse{Limit: limit.String(), Subject: strings.ReplaceAll(strings.ToValidUTF8(one.GetSubject(), ""), "\x00", ""), Taken: one.GetTaken(), Known: one.GetKnown(), KnownAt: one.GetKnownUnixMs()}
			byOrg[org.String()] = append(byOrg[org.String()], use)
		}
	}
	raw, err := json.Marshal(byOrg)
	if err != nil { // texts and numbers
		return nil
	}
	return raw
}

func rateCounting(how wire.RateCounting) string {
	switch how {
	case wire.RateCounting_RATE_COUNTING_ALONE:
		return "alone"
	case wire.RateCounting_RATE_COUNTING_TOGETHER:
		return "together"
	case wire.RateCounting_RATE_COUNTING_SHARE:
		return "share"
	default:
		return ""
	}
}

func since(unixMS int64) *time.Time {
	if unixMS <= 0 {
		return nil
	}
	at := time.UnixMilli(unixMS)
	return &at
}
