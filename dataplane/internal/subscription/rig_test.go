package subscription

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/state/statetest"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	org       = statetest.ID(1)
	workspace = statetest.ID(3)
	hash      = [32]byte{7, 7}
)

// plane is a control plane that sends what the test says.
type plane struct {
	wireconnect.UnimplementedEdgeServiceHandler
	key    ed25519.PrivateKey
	fence  func(*wire.Hello) bool // nil: nobody is fenced
	hellos chan *wire.Hello
	out    chan *wire.SyncResponse
	in     chan *wire.SyncRequest
	drop   chan struct{}
}

func (p *plane) Sync(ctx context.Context, stream *connect.BidiStream[wire.SyncRequest, wire.SyncResponse]) error {
	first, err := stream.Receive()
	if err != nil {
		return err
	}
	p.hellos <- first.GetHello()
	if p.fence != nil && p.fence(first.GetHello()) {
		return connect.NewError(connect.CodeFailedPrecondition, errors.New(wire.CodeEdgeFenced))
	}
	welcome := &wire.Welcome{NowUnixMs: time.Now().Add(time.Hour).UnixMilli(), HeartbeatMs: 1000, LiveEdges: 4}
	if err := stream.Send(&wire.SyncResponse{Message: &wire.SyncResponse_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			message, err := stream.Receive()
			if err != nil {
				return
			}
			if message.GetStatus() == nil {
				p.in <- message
			}
		}
	}()
	for {
		select {
		case message := <-p.out:
			if err := stream.Send(message); err != nil {
				return err
			}
		case <-p.drop:
			return connect.NewError(connect.CodeUnavailable, errors.New("gone for a moment"))
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *plane) push(t *testing.T, full state.Push, base uint64, upserts []*wire.Item) {
	t.Helper()
	raw, signature, err := wire.SignManifest(p.key, &wire.Manifest{OrgId: full.Org[:], Generation: full.Generation, ContentHash: full.ContentHash, ItemCount: full.ItemCount})
	if err != nil {
		t.Fatal(err)
	}
	for i, item := range upserts { // a chunk each
		p.out <- &wire.SyncResponse{Message: &wire.SyncResponse_Fragment{Fragment: &wire.Fragment{
			Manifest: raw, Signature: signature, BaseGeneration: base, Upserts: []*wire.Item{item}, Last: i == len(upserts)-1,
		}}}
	}
}

type fixedClock struct{ learnt chan time.Time }

func (fixedClock) Now() time.Time { return time.Now() }

func (c fixedClock) Learn(there time.Time) {
	select {
	case c.learnt <- there:
	default:
	}
}

type rig struct {
	plane   *plane
	dir     string
	store   *state.Store
	sub     *Subscription
	clock   fixedClock
	url     string
	http    *http.Client
	recalls chan *wire.LeaseRecall
	edges   atomic.Int64 // that it heard to live
	counted atomic.Int64 // that its status says
}

func newRig(t *testing.T) *rig {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &plane{key: key, hellos: make(chan *wire.Hello, 9), out: make(chan *wire.SyncResponse, 99), in: make(chan *wire.SyncRequest, 99), drop: make(chan struct{})}
	mux := http.NewServeMux()
	mux.Handle(wireconnect.NewEdgeServiceHandler(p))
	server := httptest.NewUnstartedServer(mux)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	server.Config.Protocols = &protocols
	server.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	r := &rig{plane: p, dir: t.TempDir(), url: server.URL, http: &http.Client{Transport: transport}}
	r.restart(t)
	return r
}

// restart makes a new process over the same directory; run starts its stream.
func (r *rig) restart(t *testing.T) {
	t.Helper()
	edge, err := EdgeID(r.dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.store, r.clock, r.recalls = statetest.NewStore(t), fixedClock{make(chan time.Time, 1)}, make(chan *wire.LeaseRecall, 1)
	r.sub, err = New(Config{
		Client: wireconnect.NewEdgeServiceClient(r.http, r.url), DataDir: r.dir, EdgeID: edge, Epoch: 5, PreviousEpoch: 4, Name: "one",
		Store: r.store, PublicKey: r.plane.key.Public().(ed25519.PublicKey), FleetKey: statetest.FleetKey(), Clock: r.clock,
		Status: func() *wire.Status { return &wire.Status{Accepting: true, LiveEdges: uint32(r.counted.Load())} }, Recall: func(recall *wire.LeaseRecall) { r.recalls <- recall },
		Edges:  func(live int) { r.edges.Store(int64(live)) },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sub.Boot(); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) run(t *testing.T) (hello *wire.Hello, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = r.sub.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return receive(t, r.plane.hellos), stop
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for over := time.After(time.Minute); !holds(); {
		select {
		case <-over:
			t.Fatal("it does not come about")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(time.Minute):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func nouns(names ...string) []proto.Message {
	all := []proto.Message{
		&wire.Organization{Id: org.Bytes(), Name: "Acme", Slug: "acme"}, &wire.Workspace{Id: workspace.Bytes(), Name: "W", Slug: "w"},
		&wire.VirtualKey{Id: statetest.ID(10).Bytes(), Hash: hash[:], WorkspaceId: workspace.Bytes(), Name: "key"},
	}
	for i, name := range names {
		all = append(all, &wire.Agent{Id: statetest.ID(byte(20 + i)).Bytes(), Name: name})
	}
	return all
}

func (r *rig) pushFull(t *testing.T, generation uint64, nouns ...proto.Message) *wire.SyncRequest {
	t.Helper()
	full := statetest.Full(t, org, generation, nouns...)
	r.plane.push(t, full, 0, full.Upserts)
	return receive(t, r.plane.in)
}
