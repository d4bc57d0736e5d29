package edges

import (
	"context"
	"encoding/hex"
	"math"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/dataplane/wire"
)

// listener hears the database's notifications.
type listener interface {
	Hear(channel string, do func(payload string))
	Fresh(do func())
}

// Listen registers for changes, revocations and recalls. Call it before the listener runs.
func (s *Service) Listen(notifications listener) {
	notifications.Hear(tenant.Channel, func(payload string) {
		if org, err := ident.Parse[ident.Org](payload); err == nil {
			s.due(org)
		}
	})
	notifications.Hear(virtualkey.RevocationChannel, func(payload string) { go s.revoke(payload) })
	notifications.Hear(ledger.RecallChannel, s.recall)
	notifications.Fresh(func() { poke(s.look) })
}

// Run compiles what changes and tells the connected edges, until ctx ends. Then all streams end.
func (s *Service) Run(ctx context.Context) error {
	defer close(s.ended)
	workers, working := errgroup.WithContext(ctx)
	workers.SetLimit(compileAtOnce + 1)
	workers.Go(func() error { return s.poll(working) })
	for {
		select {
		case <-working.Done():
			return workers.Wait()
		case <-s.wake:
			for _, org := range s.begin() {
				workers.Go(func() error {
					s.compileOnce(working, org)
					return nil
				})
			}
		}
	}
}

// poll compares the numbers of all organizations with what was compiled, in case a notification was missed.
func (s *Service) poll(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		s.countLive(ctx)
		heads, err := s.publish.Heads(ctx)
		if err != nil && ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "the newest generations cannot be read", "error", err)
		}
		for _, head := range heads {
			s.mu.Lock()
			tried := s.tried[head.Org]
			s.mu.Unlock()
			current := s.publish.Current(head.Org)
			switch other := current != nil && current.Generation == head.Generation && !current.CommittedAt.Equal(head.ChangedAt); {
			case head.Generation < tried: // the books were restored to an older state
				s.moveAhead(ctx, head.Org, tried)
			case head.Generation > tried || other:
				s.due(head.Org)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.look:
		}
	}
}

// countLive notes how many edges are connected.
func (s *Service) countLive(ctx context.Context) {
	live, err := countLive(ctx, s.pool, s.now())
	if err != nil {
		if ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "the connected edges are not counted", "error", err)
		}
		return
	}
	s.live.Store(live)
}

// moveAhead takes note of a generation that the books may not know.
func (s *Service) moveAhead(ctx context.Context, org ident.Org, known uint64) {
	if err := s.publish.MoveAhead(ctx, org, known); err != nil && ctx.Err() == nil {
		s.logger.ErrorContext(ctx, "a generation is not moved ahead", "org_id", org, "error", err)
	}
}

// due notes that an organization has changed.
func (s *Service) due(org ident.Org) {
	s.mu.Lock()
	if s.work[org] == nil {
		s.work[org] = &compilation{}
	}
	s.work[org].again = true
	s.mu.Unlock()
	s.poke()
}

func (s *Service) poke() { poke(s.wake) }

// begin takes the organizations that are due and not being compiled.
func (s *Service) begin() []ident.Org {
	s.mu.Lock()
	defer s.mu.Unlock()
	var orgs []ident.Org
	for org, work := range s.work {
		if work.again && !work.running {
			work.running = true
			orgs = append(orgs, org)
		}
	}
	return orgs
}

// compileOnce compiles one organization; what changes meanwhile waits until compileApart has passed.
func (s *Service) compileOnce(ctx context.Context, org ident.Org) {
	s.mu.Lock()
	work := s.work[org]
	work.again = false
	s.mu.Unlock()
	time.AfterFunc(compileApart, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		work.rested = true
		s.settle(org, work)
	})
	s.compile(ctx, org)
	s.mu.Lock()
	defer s.mu.Unlock()
	work.done = true
	s.settle(org, work)
}

// settle ends a compilation that is done and has rested. The caller holds mu.
func (s *Service) settle(org ident.Org, work *compilation) {
	if !work.done || !work.rested {
		return
	}
	work.running, work.done, work.rested = false, false, false
	if !work.again {
		delete(s.work, org)
		return
	}
	s.poke()
}

func (s *Service) compile(ctx context.Context, org ident.Org) {
	_, newest, err := s.publish.Compile(ctx, org)
	if err != nil {
		if ctx.Err() == nil {
			s.logger.ErrorContext(ctx, "a fragment is not compiled; the next poll tries again", "org_id", org, "error", err)
		}
		return
	}
	s.mu.Lock()
	s.tried[org] = max(s.tried[org], newest)
	for _, each := range s.sessions {
		each.changed(org)
	}
	s.mu.Unlock()
}

// revoke pushes a revocation to every edge here. It holds until a fragment with at least the generation of its commit is applied.
func (s *Service) revoke(payload string) {
	fields := strings.Fields(payload)
	if len(fields) != 3 {
		return
	}
	org, orgErr := ident.Parse[ident.Org](fields[0])
	key, keyErr := ident.Parse[ident.VirtualKey](fields[1])
	hash, hashErr := hex.DecodeString(fields[2])
	if orgErr != nil || keyErr != nil || hashErr != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeMax)
	defer cancel()
	generation, err := currentGeneration(ctx, s.pool, org)
	if err != nil {
		generation = math.MaxInt64 // for ever is safe: a revoked key never comes back
	}
	s.everyone(&wire.SyncResponse{Message: &wire.SyncResponse_Revocation{Revocation: &wire.Revocation{
		OrgId: org.Bytes(), KeyId: key.Bytes(), KeyHash: hash, Generation: generation,
	}}})
}

func (s *Service) everyone(message *wire.SyncResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range s.sessions {
		each.urgent(message)
	}
}

// recall passes a recall on to its edge, when that is connected here.
func (s *Service) recall(payload string) {
	asked, err := ledger.ParseRecall(payload)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.sessions[asked.Edge]; found != nil {
		found.urgent(&wire.SyncResponse{Message: &wire.SyncResponse_LeaseRecall{LeaseRecall: &wire.LeaseRecall{
			OrgId: asked.Org.Bytes(), BudgetId: asked.Budget.Bytes(), PeriodStartUnixMs: asked.PeriodStart.UnixMilli(),
			Subject: asked.Subject, LeaseNo: asked.LeaseNo,
		}}})
	}
}

// join makes the session the edge's only one here.
func (s *Service) join(fresh *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.sessions[fresh.hello.edge]; old != nil {
		old.end(errReplaced)
	}
	s.sessions[fresh.hello.edge] = fresh
}

func (s *Service) leave(old *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[old.hello.edge] == old {
		delete(s.sessions, old.hello.edge)
	}
}
