package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/egress"
	"tollgate.dev/dataplane/internal/authenticate"
	"tollgate.dev/dataplane/internal/await"
	"tollgate.dev/dataplane/internal/aws"
	"tollgate.dev/dataplane/internal/azure"
	"tollgate.dev/dataplane/internal/breaker"
	"tollgate.dev/dataplane/internal/budget"
	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/cache"
	"tollgate.dev/dataplane/internal/clock"
	"tollgate.dev/dataplane/internal/google"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/ingress"
	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/pipeline"
	"tollgate.dev/dataplane/internal/queue"
	"tollgate.dev/dataplane/internal/report"
	"tollgate.dev/dataplane/internal/route"
	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/subscription"
	"tollgate.dev/dataplane/internal/telemetry"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

// edge is the rooms of one edge, wired.
type edge struct {
	handler      http.Handler
	spool        *spool.Spool
	requests     *pipeline.Pipeline
	subscription *subscription.Subscription
	runs         []func(context.Context) error
	logger       *slog.Logger

	config   Config
	registry prometheus.Registerer
	now      *clock.Clock
	id       wire.ID
	epoch    uint64
	client   wireconnect.EdgeServiceClient
	store    *state.Store
	limiter  *limit.Limiter
	breakers *breaker.Breakers
	pools    *breaker.Pools
	seen     *route.Seen
}

// build wires the rooms and reads what the data directory holds: afterwards the edge can serve, with the control plane or without.
func build(config Config, version string, observed *telemetry.Telemetry, logger *slog.Logger) (*edge, error) {
	e := &edge{
		logger: logger, config: config, registry: observed.Registry(), now: clock.New(time.Now), epoch: newEpoch(), client: controlPlane(config),
		breakers: breaker.New(time.Now, observed.Registry()), pools: breaker.NewPools(time.Now), seen: route.NewSeen(canaryStopped(observed.Registry(), logger)),
	}
	var err error
	if e.id, err = subscription.EdgeID(config.DataDir, time.Now()); err != nil {
		return nil, err
	}
	recovery, err := e.openSpool()
	if err != nil {
		return nil, err
	}
	credentials, err := config.FleetKey.Cipher("credential")
	if err != nil {
		return nil, err
	}
	e.store = state.NewStore(credentials)
	book := e.book(recovery)
	if err := e.limit(); err != nil {
		return nil, err
	}
	if err := e.carry(book, observed.Attempt); err != nil {
		return nil, err
	}
	e.subscription, err = subscription.New(subscription.Config{
		Client: e.client, DataDir: config.DataDir, EdgeID: e.id, Epoch: e.epoch, PreviousEpoch: recovery.PreviousEpoch,
		Version: version, Region: config.Region, Name: config.EdgeName, Store: e.store, PublicKey: config.SnapshotPublicKey, FleetKey: config.FleetKey,
		Clock: e.now, Status: e.status, Recall: book.Recall, Edges: e.limiter.Expect, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	if err := e.subscription.Boot(); err != nil {
		return nil, err
	}
	e.handler = observed.Trace(ingress.New(ingress.Config{Pipeline: e.requests, Metrics: observed.Handler(), Now: e.now.Now, Ready: e.readiness}))
	e.runs = append(e.runs, e.spool.Run, e.requests.Run, book.Run, e.breakers.Run, e.subscription.Run, report.New(e.spool, e.client, e.id, book, logger).Run,
		await.New(await.Config{Client: e.client, Edge: e.id, Learn: e.requests.Learn, Logger: logger}).Run)
	return e, nil
}

// openSpool opens the spool and returns what the last process left there.
func (e *edge) openSpool() (*spool.Recovery, error) {
	records, recovery, err := spool.Open(spool.Config{
		Dir: filepath.Join(e.config.DataDir, "spool"), Epoch: e.epoch, Now: e.now.Now, KeepFor: e.config.SpoolKeep, Strict: e.config.Strict, Logger: e.logger,
	})
	if err != nil {
		return nil, err
	}
	if recovery.Indeterminate > 0 || recovery.Skipped > 0 {
		e.logger.Warn("the last process left open attempts or damaged records", "previous_epoch", recovery.PreviousEpoch, "indeterminate", recovery.Indeterminate, "damaged_places", recovery.Skipped)
	}
	e.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tollgate_spool_corrupt_records_total", Help: "Places of the spool that were damaged or could not be read, since the edge started.",
	}, func() float64 { return float64(records.Corrupt()) }))
	e.spool = records
	return recovery, nil
}

// book has the leases of the edge, those that the last process had first.
func (e *edge) book(recovery *spool.Recovery) *budget.Book {
	book := budget.New(budget.Config{
		EdgeID: e.id, Epoch: e.epoch, Ledger: e.client, Recovered: recovery.Leases, Now: e.now.Now, Logger: e.logger,
		Record: func(lease *wire.LeaseState) error {
			_, err := e.spool.Append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Lease{Lease: lease}})
			return err
		},
		Connected: func() bool { return e.subscription.Connected() },
		LimitPico: func(org, budget wire.ID) (int64, bool) { return e.store.Current().LimitPico(org, budget) },
	})
	book.Restored(recovery.Closed)
	return book
}

// carry makes the pipeline and what it calls with.
func (e *edge) carry(book *budget.Book, observe func(context.Context, *wire.UsageEvent)) error {
	dialer := egress.New(e.config.EgressAllow)
	sender, plain := upstream.New(dialer, nil), upstream.NewPlain(dialer, nil)
	exchange := pipeline.Exchange(dialer.Client(false, exchangeWithin), dialer.Client(true, exchangeWithin)) //nolint:bodyclose // it only calls; who calls it closes
	handles, err := handle.New(e.config.FleetKey)
	if err != nil {
		return err
	}
	secrets, err := authenticate.NewSecrets(e.config.FleetKey)
	if err != nil {
		return err
	}
	answers, err := e.answers()
	if err != nil {
		return err
	}
	disk, err := uploads(e.config, e.registry)
	if err != nil {
		return err
	}
	e.requests = pipeline.New(pipeline.Config{
		Authenticator: authenticate.New([]byte(e.config.KeyPepper.Reveal()), func(hash [32]byte) *state.Key { return e.store.Current().Key(hash) }),
		Limiter:       e.limiter, Gates: queue.New(e.limiter.Share, e.registry), Breakers: e.breakers, Pools: e.pools, Book: pipeline.Leases(book), Spool: e.spool, Sender: pipeline.Providers(sender),
		Plain: plain, Handles: handles, Secrets: secrets, Cache: answers, Seen: e.seen, Disk: disk, Kept: e.kept,
		Prices: func(org wire.ID, catalog, model string) wire.Schedule {
			return e.store.Current().Prices(org, catalog, model)
		},
		Provider: func(org, id wire.ID) (*state.Provider, *state.Org) { return e.store.Current().Provider(org, id) },
		Roles:    aws.NewRoles(exchange, e.now.Now), Apps: azure.NewApps(exchange, e.now.Now), Accounts: google.NewAccounts(exchange, e.now.Now),
		Registry: e.registry, Observe: observe, Logger: e.logger, Now: e.now.Now, BodyBytesMax: e.config.BodyMaxBytes, UploadBytesMax: e.config.UploadMaxBytes,
	})
	e.runs = append(e.runs, sender.Run, plain.Run)
	return nil
}

// kept asks the control plane what a provider keeps for a workspace.
func (e *edge) kept(ctx context.Context, in *wire.ListKeptRequest) (*wire.ListKeptResponse, error) {
	out, err := e.client.ListKept(ctx, connect.NewRequest(in))
	if err != nil {
		return nil, err
	}
	return out.Msg, nil
}

// uploads returns where bodies lie that are too large for memory.
func uploads(config Config, registry prometheus.Registerer) (*buffer.Disk, error) {
	dir := config.UploadDir
	if dir == "" {
		dir = filepath.Join(config.DataDir, "uploads")
	}
	disk, err := buffer.NewDisk(dir, int64(config.UploadDiskBytes))
	if err != nil {
		return nil, fmt.Errorf("TOLLGATE_UPLOAD_DIR: %w", err)
	}
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tollgate_upload_disk_bytes", Help: "What request bodies that are too large for memory take of the disk.",
	}, func() float64 { return float64(disk.Used()) }))
	return disk, nil
}

// exchangeWithin bounds a call that exchanges a credential for a token.
const exchangeWithin = 15 * time.Second

func (e *edge) status() *wire.Status {
	counting, since, edges := e.limiter.Counting()
	return &wire.Status{
		RateCounting: counting, RateCountingUnixMs: max(since.UnixMilli(), 0), LiveEdges: uint32(max(edges, 0)), RateUses: e.limiter.Uses(),
		SpoolBytes: e.spool.Bytes(), SpoolPending: e.spool.Pending(), Accepting: e.spool.HasRoom(),
		SpoolCorrupt: e.spool.Corrupt(), SpoolKeptBytes: e.spool.KeptBytes(), Unrecorded: e.requests.Unrecorded(),
		OpenTargets: e.breakers.Open(), RefusedCredentials: e.pools.Refused(), StoppedCanaries: stoppedCanaries(e.seen), InFlight: uint64(e.requests.InFlight()), RequestsTotal: uint64(e.requests.Total()),
	}
}

// limit makes the limiter, which counts in Redis where there is one.
func (e *edge) limit() error {
	e.limiter = limit.New(e.now.Now)
	if e.config.RedisURL.Reveal() != "" {
		shared, err := limit.NewRedis(e.config.RedisURL.Reveal(), e.id)
		if err != nil {
			return fmt.Errorf("TOLLGATE_REDIS_URL: %w", err)
		}
		shared.Warm(context.Background())
		e.limiter = limit.NewShared(shared, e.now.Now)
		e.runs = append(e.runs, shared.Run, e.limiter.Run)
	}
	e.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tollgate_rate_limit_own_share_total", Help: "Calls that were counted against this edge's own share of a limit, because Redis did not answer.",
	}, func() float64 { return float64(e.limiter.Alones()) }))
	return nil
}

// answers keeps answers in Redis where there is one; nil: none is kept.
func (e *edge) answers() (answers *cache.Cache, err error) {
	if e.config.RedisURL.Reveal() == "" {
		return answers, nil
	}
	store, err := cache.NewRedis(e.config.RedisURL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("TOLLGATE_REDIS_URL: %w", err)
	}
	answers = cache.New(store, e.config.FleetKey, cache.Patience, e.now.Now)
	answers.Register(e.registry)
	e.runs = append(e.runs, answers.Run)
	return answers, nil
}

// readiness never asks whether the control plane is there: an edge serves without it.
func (e *edge) readiness() error {
	switch {
	case !e.subscription.Whole():
		return errors.New("not ready: the control plane has not sent every organization yet")
	case !e.spool.HasRoom():
		return errors.New("not ready: the spool's disk is full")
	default:
		return nil
	}
}

const dialWithin = 5 * time.Second

// controlPlane returns the client of the contract: one HTTP/2 connection, without TLS where the address says http.
func controlPlane(config Config) wireconnect.EdgeServiceClient {
	protocols := new(http.Protocols)
	if config.ControlPlaneURL.Scheme == "http" {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP2(true)
	}
	transport := &http.Transport{
		Protocols:   protocols,
		DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext,
		HTTP2:       &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}
	bearer := "Bearer " + config.EdgeToken.Reveal()
	return wireconnect.NewEdgeServiceClient(&http.Client{Transport: transport}, config.ControlPlaneURL.String(), connect.WithInterceptors(token{bearer}))
}

// token adds the edge's token to each call.
type token struct{ bearer string }

// WrapUnary implements connect.Interceptor.
func (t token) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		request.Header().Set("Authorization", t.bearer)
		return next(ctx, request)
	}
}

// WrapStreamingClient implements connect.Interceptor.
func (t token) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set("Authorization", t.bearer)
		return conn
	}
}

// WrapStreamingHandler implements connect.Interceptor; an edge handles none.
func (token) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

func isClosed(err error) bool { return err == nil || errors.Is(err, http.ErrServerClosed) }
