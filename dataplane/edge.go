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
}

// build wires the rooms and reads what the data directory holds: afterwards the edge can serve, with the control plane or without.
func build(config Config, version string, observed *telemetry.Telemetry, logger *slog.Logger) (*edge, error) {
	e := &edge{logger: logger}
	now := clock.New(time.Now)
	id, err := subscription.EdgeID(config.DataDir, time.Now())
	if err != nil {
		return nil, err
	}
	epoch := newEpoch()
	records, recovery, err := spool.Open(spool.Config{Dir: filepath.Join(config.DataDir, "spool"), Epoch: epoch, Now: now.Now, KeepFor: config.SpoolKeep, Strict: config.Strict, Logger: logger})
	if err != nil {
		return nil, err
	}
	logRecovery(logger, recovery.PreviousEpoch, recovery.Indeterminate, recovery.Skipped)
	e.spool = records
	observed.Registry().MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tollgate_spool_corrupt_records_total", Help: "Places of the spool that were damaged or could not be read, since the edge started.",
	}, func() float64 { return float64(records.Corrupt()) }))

	credentials, err := config.FleetKey.Cipher("credential")
	if err != nil {
		return nil, err
	}
	store := state.NewStore(credentials)
	client := controlPlane(config)
	book := budget.New(budget.Config{
		EdgeID: id, Epoch: epoch, Ledger: client, Recovered: recovery.Leases, Now: now.Now, Logger: logger,
		Record: func(lease *wire.LeaseState) error {
			_, err := records.Append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Lease{Lease: lease}})
			return err
		},
		Connected: func() bool { return e.subscription.Connected() },
		LimitPico: func(org, budget wire.ID) (int64, bool) { return store.Current().LimitPico(org, budget) },
	})
	book.Restored(recovery.Closed)
	dialer := egress.New(config.EgressAllow)
	sender, plain := upstream.New(dialer, nil), upstream.NewPlain(dialer, nil)
	exchange := pipeline.Exchange(dialer.Client(false, exchangeWithin), dialer.Client(true, exchangeWithin)) //nolint:bodyclose // it only calls; who calls it closes
	limiter, err := e.limiter(config, id, now.Now)
	if err != nil {
		return nil, err
	}
	observed.Registry().MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tollgate_rate_limit_own_share_total", Help: "Calls that were counted against this edge's own share of a limit, because Redis did not answer.",
	}, func() float64 { return float64(limiter.Alones()) }))
	handles, err := handle.New(config.FleetKey)
	if err != nil {
		return nil, err
	}
	secrets, err := authenticate.NewSecrets(config.FleetKey)
	if err != nil {
		return nil, err
	}
	breakers := breaker.New(time.Now, observed.Registry())
	answers, err := e.answers(config, now.Now, observed.Registry())
	if err != nil {
		return nil, err
	}
	seen := route.NewSeen(canaryStopped(observed.Registry(), logger))
	disk, err := uploads(config, observed.Registry())
	if err != nil {
		return nil, err
	}
	requests := pipeline.New(pipeline.Config{
		Authenticator: authenticate.New([]byte(config.KeyPepper.Reveal()), func(hash [32]byte) *state.Key { return store.Current().Key(hash) }),
		Limiter:       limiter, Gates: queue.New(limiter.Share, observed.Registry()), Breakers: breakers, Book: pipeline.Leases(book), Spool: records, Sender: pipeline.Providers(sender),
		Plain: plain, Handles: handles, Secrets: secrets, Cache: answers,
		Prices: func(org wire.ID, catalog, model string) wire.Schedule {
			return store.Current().Prices(org, catalog, model)
		},
		Kept: func(ctx context.Context, in *wire.ListKeptRequest) (*wire.ListKeptResponse, error) {
			out, err := client.ListKept(ctx, connect.NewRequest(in))
			if err != nil {
				return nil, err
			}
			return out.Msg, nil
		},
		Provider: func(org, id wire.ID) (*state.Provider, *state.Org) { return store.Current().Provider(org, id) },
		Roles:    aws.NewRoles(exchange, now.Now), Apps: azure.NewApps(exchange, now.Now), Accounts: google.NewAccounts(exchange, now.Now),
		Registry: observed.Registry(), Observe: observed.Attempt, Logger: logger, Now: now.Now, BodyBytesMax: config.BodyMaxBytes,
		UploadBytesMax: config.UploadMaxBytes, Disk: disk,
		Seen: seen,
	})
	e.requests = requests
	e.subscription, err = subscription.New(subscription.Config{
		Client: client, DataDir: config.DataDir, EdgeID: id, Epoch: epoch, PreviousEpoch: recovery.PreviousEpoch,
		Version: version, Region: config.Region, Name: config.EdgeName, Store: store, PublicKey: config.SnapshotPublicKey, FleetKey: config.FleetKey,
		Clock: now, Status: func() *wire.Status { return status(records, requests, limiter, breakers, seen) }, Recall: book.Recall, Edges: limiter.Expect, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	if err := e.subscription.Boot(); err != nil {
		return nil, err
	}
	e.handler = observed.Trace(ingress.New(ingress.Config{
		Pipeline: requests, Metrics: observed.Handler(), Now: now.Now,
		Ready: func() error { return readiness(e.subscription, records) },
	}))
	e.runs = append(e.runs, records.Run, requests.Run, book.Run, sender.Run, plain.Run, breakers.Run, e.subscription.Run, report.New(records, client, id, book, logger).Run,
		await.New(await.Config{Client: client, Edge: id, Learn: requests.Learn, Logger: logger}).Run)
	return e, nil
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

func status(records *spool.Spool, requests *pipeline.Pipeline, limiter *limit.Limiter, breakers *breaker.Breakers, seen *route.Seen) *wire.Status {
	counting, since, edges := limiter.Counting()
	return &wire.Status{
		RateCounting: counting, RateCountingUnixMs: max(since.UnixMilli(), 0), LiveEdges: uint32(max(edges, 0)), RateUses: limiter.Uses(),
		SpoolBytes: records.Bytes(), SpoolPending: records.Pending(), Accepting: records.HasRoom(),
		SpoolCorrupt: records.Corrupt(), SpoolKeptBytes: records.KeptBytes(), Unrecorded: requests.Unrecorded(),
		OpenTargets: breakers.Open(), StoppedCanaries: stoppedCanaries(seen), InFlight: uint64(requests.InFlight()), RequestsTotal: uint64(requests.Total()),
	}
}

// limiter counts in Redis where there is one.
func (e *edge) limiter(config Config, id wire.ID, now func() time.Time) (*limit.Limiter, error) {
	if config.RedisURL.Reveal() == "" {
		return limit.New(now), nil
	}
	shared, err := limit.NewRedis(config.RedisURL.Reveal(), id)
	if err != nil {
		return nil, fmt.Errorf("TOLLGATE_REDIS_URL: %w", err)
	}
	shared.Warm(context.Background())
	limiter := limit.NewShared(shared, now)
	e.runs = append(e.runs, shared.Run, limiter.Run)
	return limiter, nil
}

// answers keeps answers in Redis where there is one; nil: none is kept.
func (e *edge) answers(config Config, now func() time.Time, registry prometheus.Registerer) (answers *cache.Cache, err error) {
	if config.RedisURL.Reveal() == "" {
		return answers, nil
	}
	store, err := cache.NewRedis(config.RedisURL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("TOLLGATE_REDIS_URL: %w", err)
	}
	answers = cache.New(store, config.FleetKey, cache.Patience, now)
	answers.Register(registry)
	e.runs = append(e.runs, answers.Run)
	return answers, nil
}

// readiness never asks whether the control plane is there: an edge serves without it.
func readiness(snapshot *subscription.Subscription, records *spool.Spool) error {
	switch {
	case !snapshot.Whole():
		return errors.New("not ready: the control plane has not sent every organization yet")
	case !records.HasRoom():
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
