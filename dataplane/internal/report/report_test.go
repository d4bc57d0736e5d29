package report_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/internal/report"
	"tollgate.dev/dataplane/internal/spool"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/wireconnect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// committer is a control plane that commits batches, and drops the stream on every third one, half of the time after the commit.
type committer struct {
	wireconnect.UnimplementedEdgeServiceHandler
	mu        sync.Mutex
	batches   int
	committed map[wire.ID]int
	resent    int
	failing   bool
	done      chan struct{}
	want      int
}

func (c *committer) ReportUsage(_ context.Context, stream *connect.BidiStream[wire.UsageBatch, wire.UsageAck]) error {
	for {
		batch, err := stream.Receive()
		if err != nil {
			return nil
		}
		if len(batch.GetRecords()) == 0 {
			continue
		}
		ack, err := c.commit(batch)
		if err != nil {
			return err
		}
		if err := stream.Send(ack); err != nil {
			return nil
		}
	}
}

func (c *committer) commit(batch *wire.UsageBatch) (*wire.UsageAck, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches++
	if c.failing && c.batches%6 == 3 {
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("lost before the commit"))
	}
	for _, record := range batch.GetRecords() {
		event := new(wire.UsageEvent)
		if err := proto.Unmarshal(record.GetEvent(), event); err != nil {
			return nil, err
		}
		id, _ := wire.IDFromBytes(event.GetEventId())
		if c.committed[id]++; c.committed[id] > 1 {
			c.resent++
		}
	}
	if len(c.committed) == c.want {
		close(c.done)
		c.want = -1
	}
	if c.failing && c.batches%6 == 0 {
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("lost after the commit"))
	}
	return &wire.UsageAck{Epoch: batch.GetEpoch(), Seq: batch.GetRecords()[len(batch.GetRecords())-1].GetSeq()}, nil
}

func TestEveryEventArrivesWhateverTheStreamDoes(t *testing.T) {
	t.Parallel()
	const events = 32_000 // eight batches at least, so that the sixth is lost after its commit
	plane := &committer{committed: map[wire.ID]int{}, failing: true, done: make(chan struct{}), want: events}
	client := serve(t, plane)
	s := openSpool(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		_ = report.New(s, client, wire.ID{1}, nothingLeased{}, slog.New(slog.DiscardHandler)).Run(ctx)
	})
	for range events {
		appendEvent(t, s)
	}
	select {
	case <-plane.done:
	case <-time.After(50 * time.Second):
		t.Fatalf("%d of %d events arrived", len(plane.committed), events)
	}
	if plane.resent == 0 {
		t.Error("no batch was lost after its commit; the test proves nothing")
	}
	waitUntil(t, func() bool { return s.Pending() == 0 })
	cancel()
	running.Wait()
}

func TestEventsThatTrickleAreSentOnceASecond(t *testing.T) {
	t.Parallel()
	plane := &committer{committed: map[wire.ID]int{}}
	client := serve(t, plane)
	s := openSpool(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		_ = report.New(s, client, wire.ID{1}, nothingLeased{}, slog.New(slog.DiscardHandler)).Run(ctx)
	})
	appendEvent(t, s)
	waitUntil(t, func() bool { return s.Pending() == 0 }) // the first is not kept waiting
	began, tick := time.Now(), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < 1500*time.Millisecond {
		<-tick.C
		appendEvent(t, s)
	}
	waitUntil(t, func() bool { return s.Pending() == 0 })
	most := 2 + int(time.Since(began)/time.Second)
	cancel()
	running.Wait()
	if plane.batches > most {
		t.Errorf("%d batches were sent, want at most %d", plane.batches, most)
	}
}

func TestEventsWaitForTheControlPlane(t *testing.T) {
	t.Parallel()
	s := openSpool(t)
	appendEvent(t, s)
	nobody := wireconnect.NewEdgeServiceClient(http.DefaultClient, "http://127.0.0.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := report.New(s, nobody, wire.ID{1}, nothingLeased{}, slog.New(slog.DiscardHandler)).Run(ctx); err != nil {
		t.Fatal(err)
	}
	if s.Pending() != 1 {
		t.Fatalf("%d events are pending", s.Pending())
	}
}

func serve(t *testing.T, plane wireconnect.EdgeServiceHandler) wireconnect.EdgeServiceClient {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(wireconnect.NewEdgeServiceHandler(plane))
	server := httptest.NewUnstartedServer(mux)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	transport := &http.Transport{Protocols: server.Config.Protocols}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.CloseClientConnections()
		server.Close()
	})
	return wireconnect.NewEdgeServiceClient(&http.Client{Transport: transport}, server.URL)
}

func openSpool(t *testing.T) *spool.Spool {
	t.Helper()
	s, _, err := spool.Open(spool.Config{Dir: t.TempDir(), Epoch: 3, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func appendEvent(t *testing.T, s *spool.Spool) {
	t.Helper()
	event := &wire.UsageEvent{EventId: wire.NewID(time.Now()).Bytes(), Model: "gpt-4o-mini"}
	if _, err := s.Append(&wire.SpoolRecord{Record: &wire.SpoolRecord_Event{Event: event}}); err != nil {
		t.Fatal(err)
	}
}

func waitUntil(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("it does not come")
		}
		<-time.After(5 * time.Millisecond)
	}
}

// nothingLeased is a purse without leases.
type nothingLeased struct{}

func (nothingLeased) Restored([]*wire.LeaseState) {}
func (nothingLeased) Told() bool                  { return true }
