// Package subscription keeps an edge's snapshot up to date: it receives signed fragments from the control plane, compiles them, keeps
// the last good ones on the disk, puts them in force and says so.
// It refuses what is not signed, what is older than what it holds, and what brought the process down twice.
package subscription

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// clock learns the control plane's time.
type clock interface {
	Now() time.Time
	Learn(there time.Time)
}

// syncer is the part of the contract that this room uses.
type syncer interface {
	Sync(context.Context) *connect.BidiStreamForClient[wire.SyncRequest, wire.SyncResponse]
}

// Config is what a Subscription needs.
type Config struct {
	Client        syncer
	DataDir       string // the last good snapshots lie in its folder "snapshot"
	EdgeID        wire.ID
	Epoch         uint64 // of this process
	PreviousEpoch uint64 // whose leases this process carries on with; 0: none
	Version       string
	Region        string
	Name          string
	Store         *state.Store
	PublicKey     ed25519.PublicKey // of the control plane's signatures
	FleetKey      wire.FleetKey
	Clock         clock
	Status        func() *wire.Status // without the time
	Recall        func(recall *wire.LeaseRecall)
	Edges         func(live int) // hears how many there are, from the last good snapshot and the control plane
	Logger        *slog.Logger
}

// Subscription is the edge's end of the sync stream.
type Subscription struct {
	config    Config
	vault     *vault
	lineage   *lineage
	connected atomic.Bool
	whole     atomic.Bool
	turn      sync.Mutex // of what writes to the store
	pushes    map[wire.ID]*gathering
}

// New returns a Subscription. Nothing is read before Boot and nothing is dialled before Run; Boot comes first.
func New(config Config) (*Subscription, error) {
	box, err := config.FleetKey.Cipher("last-good")
	if err != nil {
		return nil, err
	}
	kept := &vault{dir: filepath.Join(config.DataDir, "snapshot"), box: box, edge: config.EdgeID}
	return &Subscription{config: config, vault: kept, pushes: map[wire.ID]*gathering{}}, nil
}

// Connected says whether the control plane is there now.
func (s *Subscription) Connected() bool { return s.connected.Load() }

// Whole says whether every organization that there was at some time has been received; an edge that holds only some of them would refuse
// keys that are valid.
func (s *Subscription) Whole() bool { return s.whole.Load() }

// Boot puts the last good fragments from the disk in force. What does not load is left out and logged; the error says that the
// directory cannot be used at all.
func (s *Subscription) Boot() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.vault.open(); err != nil {
		return err
	}
	s.lineage = newLineage(s.config.DataDir, s.config.Epoch, s.config.PreviousEpoch)
	for _, revocation := range s.vault.tombstones() {
		s.config.Store.Revoke(revocation)
	}
	for _, org := range s.vault.orgs() {
		if err := s.boot(org); err != nil {
			s.config.Logger.Error("no kept fragment of the organization loads", "org_id", org.String(), "error", err)
		}
	}
	s.whole.Store(s.vault.whole())
	s.config.Edges(s.vault.edges())
	return nil
}

// boot loads the newest generation of an organization that is sound.
func (s *Subscription) boot(org wire.ID) error {
	var failures error
	for _, generation := range s.vault.generations(org) {
		err := s.load(org, generation)
		if err == nil {
			return nil
		}
		failures = errors.Join(failures, fmt.Errorf("generation %d: %w", generation, err))
	}
	return failures
}

func (s *Subscription) load(org wire.ID, generation uint64) error {
	if err := s.vault.begin(org, generation); err != nil {
		return err
	}
	defer s.vault.end(org, generation)
	kept, err := s.vault.load(org, generation)
	if err != nil {
		return err
	}
	push, err := pushOf(s.config.PublicKey, kept)
	if err != nil {
		return err
	}
	return s.config.Store.Apply(push)
}

const (
	retryFirst  = 500 * time.Millisecond
	retryMost   = 30 * time.Second
	statusEvery = 2 * time.Second
)

// Run keeps a stream open until ctx ends. Between streams it waits up to 0.5 s at first and up to 30 s later, with full jitter.
func (s *Subscription) Run(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		welcomed, err := s.stream(ctx)
		if stopped(ctx) {
			return nil
		}
		if welcomed {
			attempt = 0
		}
		if connect.CodeOf(err) == connect.CodeFailedPrecondition {
			s.lineage.refused()
		}
		wait := rand.N(min(retryMost, retryFirst<<min(attempt, 10)))
		s.config.Logger.Warn("the sync stream has ended", "error", err, "retry_in", wait.String())
		if !s.rest(ctx, wait) {
			return nil
		}
	}
}

func stopped(ctx context.Context) bool { return ctx.Err() != nil }

// rest waits. It reports whether ctx goes on.
func (*Subscription) rest(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// line is one open stream; its sender may be used by several goroutines.
type line struct {
	mu     sync.Mutex
	stream *connect.BidiStreamForClient[wire.SyncRequest, wire.SyncResponse]
}

func (l *line) send(message *wire.SyncRequest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stream.Send(message)
}

// silenceMax is how many heartbeats may fail to come before the stream counts as lost.
const (
	silenceMax  = 4
	helloWithin = 10 * time.Second
)

// stream holds one stream from hello to its end and says whether the control plane answered.
func (s *Subscription) stream(ctx context.Context) (welcomed bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	line := &line{stream: s.config.Client.Sync(ctx)}
	defer func() { _ = line.stream.CloseResponse() }()
	// HTTP/2 notices the end of ctx only once the request's body has ended.
	defer context.AfterFunc(ctx, func() { _ = line.stream.CloseRequest() })()
	clear(s.pushes)
	watchdog := time.AfterFunc(helloWithin, func() { cancel(errors.New("the control plane is silent")) })
	defer watchdog.Stop()
	previous, err := s.lineage.previous()
	if err != nil {
		return false, fmt.Errorf("write the epoch down: %w", err)
	}
	hello := &wire.Hello{
		EdgeId: s.config.EdgeID.Bytes(), Epoch: s.config.Epoch, PreviousEpoch: previous, EarlierEpochs: s.lineage.known,
		Version: s.config.Version, Region: s.config.Region, Name: s.config.Name, Held: s.config.Store.Held(),
	}
	if err := line.send(&wire.SyncRequest{Message: &wire.SyncRequest_Hello{Hello: hello}}); err != nil {
		return false, s.cause(ctx, line, err)
	}
	var reporting sync.WaitGroup
	defer reporting.Wait()
	defer s.connected.Store(false)
	defer cancel(nil)
	silence := helloWithin
	for {
		message, err := line.stream.Receive()
		if err != nil {
			return welcomed, s.cause(ctx, line, err)
		}
		if welcome := message.GetWelcome(); welcome != nil && !welcomed {
			welcomed = true
			silence = max(silenceMax*time.Duration(welcome.GetHeartbeatMs())*time.Millisecond, time.Second)
			s.config.Clock.Learn(time.UnixMilli(welcome.GetNowUnixMs()))
			s.config.Edges(int(welcome.GetLiveEdges()))
			s.connected.Store(true)
			reporting.Go(func() { s.reportStatus(ctx, line) })
			s.config.Logger.Info("the control plane has answered")
		}
		watchdog.Reset(silence)
		if err := s.take(line, message); err != nil {
			return welcomed, err
		}
	}
}

// cause prefers the reason for which the stream was given up, and else what the control plane said, to a failure to send.
func (*Subscription) cause(ctx context.Context, line *line, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	if connect.CodeOf(err) == connect.CodeUnknown {
		if _, answered := line.stream.Receive(); answered != nil {
			return answered
		}
	}
	return err
}

func (s *Subscription) reportStatus(ctx context.Context, line *line) {
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	for {
		status := s.config.Status()
		s.keepEdges(int(status.GetLiveEdges()))
		status.NowUnixMs = time.Now().UnixMilli() // uncorrected: the control plane shows the difference
		if line.send(&wire.SyncRequest{Message: &wire.SyncRequest_Status{Status: status}}) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// keepEdges keeps how many edges live, for a start without Redis.
func (s *Subscription) keepEdges(live int) {
	if live == 0 || live == s.vault.edges() {
		return
	}
	if err := s.vault.keepEdges(live); err != nil {
		s.config.Logger.Error("how many edges live is not kept on the disk", "error", err)
	}
}

// take handles one message. An error ends the stream.
func (s *Subscription) take(line *line, message *wire.SyncResponse) error {
	switch in := message.GetMessage().(type) {
	case *wire.SyncResponse_Fragment:
		return s.fragment(line, in.Fragment)
	case *wire.SyncResponse_Revocation:
		s.revoke(in.Revocation)
	case *wire.SyncResponse_LeaseRecall:
		s.config.Recall(in.LeaseRecall)
	case *wire.SyncResponse_Heartbeat:
		s.config.Clock.Learn(time.UnixMilli(in.Heartbeat.GetNowUnixMs()))
		s.config.Edges(int(in.Heartbeat.GetLiveEdges()))
	case *wire.SyncResponse_Removal:
		return s.remove(line, in.Removal)
	case *wire.SyncResponse_Whole:
		s.becomeWhole()
	}
	return nil
}

func (s *Subscription) becomeWhole() {
	if s.whole.Swap(true) {
		return
	}
	if err := s.vault.keepWhole(); err != nil {
		s.config.Logger.Error("that every organization was received is not kept on the disk", "error", err) // it is received again after a restart
	}
}

func (s *Subscription) revoke(in *wire.Revocation) {
	org, errOrg := wire.IDFromBytes(in.GetOrgId())
	key, errKey := wire.IDFromBytes(in.GetKeyId())
	if errOrg != nil || errKey != nil || len(in.GetKeyHash()) != 32 {
		s.config.Logger.Error("a revocation is malformed", "error", errors.Join(errOrg, errKey))
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.config.Store.Revoke(state.Revocation{Org: org, KeyID: key, Hash: [32]byte(in.GetKeyHash()), Generation: in.GetGeneration()}) {
		s.keepTombstones()
	}
}

func (s *Subscription) keepTombstones() {
	if err := s.vault.keepTombstones(s.config.Store.Tombstones()); err != nil {
		s.config.Logger.Error("revocations are not kept on the disk", "error", err)
	}
}
