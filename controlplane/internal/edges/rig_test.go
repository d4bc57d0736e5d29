package edges_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/edges"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/notice"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

const (
	token    = "edge-token-of-the-test"
	patience = 10 * time.Second
)

// plane is the rooms of a control plane that edges see, behind a real HTTP/2 listener and over a real Postgres.
type plane struct {
	db        *pgtest.DB
	url       string
	fleet     wire.FleetKey
	verify    ed25519.PublicKey
	sign      ed25519.PrivateKey
	box       *seal.Box
	publish   *publish.Service
	edges     *edges.Service
	shown     *edge.Service
	keys      *virtualkey.Service
	providers *provider.Service
	lags      chan time.Duration // of acks
}

func newPlane(t testing.TB) *plane {
	t.Helper()
	p := &plane{db: pgtest.New(t), fleet: make(wire.FleetKey, 32)}
	_, _ = rand.Read(p.fleet)
	verify, sign, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.verify, p.sign = verify, sign
	master := make([]byte, seal.KeyBytes)
	_, _ = rand.Read(master)
	if p.box, err = seal.New(master); err != nil {
		t.Fatal(err)
	}
	p.wire(t)
	return p
}

// replica starts another control plane over the same database.
func (p *plane) replica(t testing.TB) *plane {
	t.Helper()
	again := &plane{db: p.db, fleet: p.fleet, verify: p.verify, sign: p.sign, box: p.box}
	again.wire(t)
	return again
}

func (p *plane) wire(t testing.TB) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	p.providers = provider.New(p.db.Tenant, p.box)
	p.keys = virtualkey.New(p.db.Tenant, seal.NewSecret("pepper of the test, 32 bytes long"), time.Now)
	p.publish = publish.New(publish.Config{SigningKey: p.sign, FleetKey: p.fleet}, p.db.Pool, p.providers, time.Now, logger)
	p.edges = edges.New(p.db.Pool, p.publish, ledger.New(p.db.Pool, time.Now, logger), ingest.New(p.db.Pool, time.Now, logger), time.Now, logger)
	p.lags = make(chan time.Duration, 10_000)
	p.edges.OnAck(func(lag time.Duration) {
		select {
		case p.lags <- lag:
		default:
		}
	})
	p.shown = edge.New(p.db.Tenant, time.Now)
	p.serve(t, logger)
}

func (p *plane) serve(t testing.TB, logger *slog.Logger) {
	t.Helper()
	notifications := notice.New(p.db.AppURL, logger)
	p.edges.Listen(notifications)
	listening := make(chan struct{})
	var once sync.Once
	notifications.Fresh(func() { once.Do(func() { close(listening) }) })
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = notifications.Run(ctx) })
	running.Go(func() {
		if err := p.edges.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	mux := http.NewServeMux()
	mux.Handle(p.edges.Handler(token))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols.SetHTTP1(true)
	server.Start()
	p.url = server.URL
	t.Cleanup(func() {
		stop()
		server.CloseClientConnections()
		server.Close()
		running.Wait()
	})
	select {
	case <-listening:
	case <-time.After(patience):
		t.Fatal("nobody listens")
	}
}

func (p *plane) client() wireconnect.EdgeServiceClient {
	return wireconnect.NewEdgeServiceClient(h2c(), p.url, connect.WithInterceptors(bearer(token)))
}

func (p *plane) workspace(t testing.TB, actor authz.Actor) ident.Workspace {
	t.Helper()
	made, err := workspace.New(p.db.Tenant).Create(t.Context(), actor, workspace.Input{Name: "Main"})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func (p *plane) key(t testing.TB, actor authz.Actor, where ident.Workspace, name string) virtualkey.VirtualKey {
	t.Helper()
	made, _, err := p.keys.Create(t.Context(), actor, virtualkey.Input{Name: name, WorkspaceID: where})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// bearer sends the token with every call.
type bearer string

func (b bearer) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		request.Header().Set("Authorization", "Bearer "+string(b))
		return next(ctx, request)
	}
}

func (b bearer) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return func(ctx context.Context, spec connect.Spec) connect.StreamingClientConn {
		conn := next(ctx, spec)
		conn.RequestHeader().Set("Authorization", "Bearer "+string(b))
		return conn
	}
}

func (bearer) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// fakeEdge speaks the protocol as the contract says, with its own bookkeeping.
type fakeEdge struct {
	t       testing.TB
	plane   *plane
	client  wireconnect.EdgeServiceClient
	id      wire.ID
	epoch   uint64
	stream  *connect.BidiStreamForClient[wire.SyncRequest, wire.SyncResponse]
	sending sync.Mutex

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced on every message
	items    map[ident.Org]map[string][]byte
	at       map[ident.Org]uint64
	hashes   map[ident.Org][32]byte
	deltas   int
	fulls    int
	revoked  map[[32]byte]uint64
	recalls  []*wire.LeaseRecall
	whole    []int // organizations held at each Whole
	lags     []time.Duration
	refusing string // nack with this reason
	nacks    int
	ended    error
}

// connect starts an edge that carries on with what another one held.
func (p *plane) connect(t testing.TB, before *fakeEdge) *fakeEdge {
	t.Helper()
	e := &fakeEdge{
		t: t, plane: p, client: p.client(), id: wire.NewID(time.Now()), changed: make(chan struct{}),
		items: map[ident.Org]map[string][]byte{}, at: map[ident.Org]uint64{}, hashes: map[ident.Org][32]byte{}, revoked: map[[32]byte]uint64{},
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	e.epoch = binary.BigEndian.Uint64(random[:]) | 1<<63 // the upper half must survive the database
	hello := &wire.Hello{Version: "test", Region: "here", Name: "fake"}
	if before != nil {
		e.id, e.items, e.at, e.hashes = before.id, before.items, before.at, before.hashes
		hello.PreviousEpoch = before.epoch
		for org, generation := range e.at {
			hash := e.hashes[org]
			hello.Held = append(hello.Held, &wire.Held{OrgId: org.UUID[:], Generation: generation, ContentHash: hash[:]})
		}
	}
	hello.EdgeId, hello.Epoch = e.id[:], e.epoch
	e.stream = e.client.Sync(t.Context())
	e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Hello{Hello: hello}})
	first, err := e.stream.Receive()
	if err != nil || first.GetWelcome() == nil {
		t.Fatalf("welcome: %v %v", first, err)
	}
	go e.run()
	t.Cleanup(func() { _ = e.stream.CloseRequest() })
	return e
}

func (e *fakeEdge) transmit(message *wire.SyncRequest) {
	e.sending.Lock()
	defer e.sending.Unlock()
	_ = e.stream.Send(message) // what is lost shows in what does not come back
}

func (e *fakeEdge) run() {
	var chunks []*wire.Fragment
	for {
		message, err := e.stream.Receive()
		e.mu.Lock()
		if err != nil {
			e.ended = err
			e.signal()
			e.mu.Unlock()
			return
		}
		switch in := message.GetMessage().(type) {
		case *wire.SyncResponse_Fragment:
			chunks = append(chunks, in.Fragment)
			if in.Fragment.GetLast() {
				e.apply(chunks)
				chunks = nil
			}
		case *wire.SyncResponse_Revocation:
			e.revoked[[32]byte(in.Revocation.GetKeyHash())] = in.Revocation.GetGeneration()
		case *wire.SyncResponse_LeaseRecall:
			e.recalls = append(e.recalls, in.LeaseRecall)
		case *wire.SyncResponse_Whole:
			e.whole = append(e.whole, len(e.at))
		}
		e.signal()
		e.mu.Unlock()
	}
}

func (e *fakeEdge) signal() {
	close(e.changed)
	e.changed = make(chan struct{})
}

// apply checks signature, base and hash, and answers.
func (e *fakeEdge) apply(chunks []*wire.Fragment) {
	manifest, err := wire.VerifyManifest(e.plane.verify, chunks[0].GetManifest(), chunks[0].GetSignature())
	if err != nil {
		e.t.Errorf("manifest: %v", err)
		return
	}
	org := ident.Org{UUID: [16]byte(manifest.GetOrgId())}
	if e.refusing != "" {
		e.nacks++
		e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Nack{Nack: &wire.Nack{OrgId: manifest.GetOrgId(), Generation: manifest.GetGeneration(), Path: "route/x: targets", Reason: e.refusing}}})
		return
	}
	items := map[string][]byte{}
	if base := chunks[0].GetBaseGeneration(); base != 0 {
		if base != e.at[org] {
			e.t.Errorf("a delta against %d reaches an edge at %d", base, e.at[org])
		}
		for key, body := range e.items[org] {
			items[key] = body
		}
		e.deltas++
	} else {
		e.fulls++
	}
	for _, chunk := range chunks {
		for _, item := range chunk.GetUpserts() {
			items[item.GetKey()] = item.GetBody()
		}
		for _, key := range chunk.GetDeletes() {
			delete(items, key)
		}
	}
	hash := wire.HashItems(items)
	if string(hash[:]) != string(manifest.GetContentHash()) || len(items) != int(manifest.GetItemCount()) {
		e.t.Errorf("generation %d does not have the manifest's content", manifest.GetGeneration())
		return
	}
	e.items[org], e.at[org], e.hashes[org] = items, manifest.GetGeneration(), hash
	e.lags = append(e.lags, time.Since(time.UnixMicro(manifest.GetCommittedUnixUs())))
	e.transmit(&wire.SyncRequest{Message: &wire.SyncRequest_Ack{Ack: &wire.Ack{OrgId: manifest.GetOrgId(), Generation: manifest.GetGeneration(), ContentHash: hash[:]}}})
}

// until waits for a state of the edge, checked under its lock.
func (e *fakeEdge) until(what string, holds func() bool) {
	e.t.Helper()
	over := time.After(patience)
	for {
		e.mu.Lock()
		ok, changed, ended := holds(), e.changed, e.ended
		e.mu.Unlock()
		if ok {
			return
		}
		if ended != nil {
			e.t.Fatalf("%s: the stream ended: %v", what, ended)
		}
		select {
		case <-changed:
		case <-over:
			e.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func h2c() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols}}
}

func decode(t testing.TB, raw []byte, into *wire.ItemBody) bool {
	t.Helper()
	if err := proto.Unmarshal(raw, into); err != nil {
		t.Error(err)
		return false
	}
	return true
}

func encode(t testing.TB, event *wire.UsageEvent) []byte {
	t.Helper()
	raw, err := proto.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func id() []byte {
	fresh := wire.NewID(time.Now())
	return fresh[:]
}
