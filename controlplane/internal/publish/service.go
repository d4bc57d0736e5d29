package publish

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire"
)

// Config is what fragments are sealed and signed with.
type Config struct {
	SigningKey ed25519.PrivateKey
	FleetKey   wire.FleetKey
}

// leadMax is how far an edge may be believed to be ahead.
const leadMax = 1 << 40

// Service compiles fragments and keeps the newest ones in memory.
type Service struct {
	config    Config
	pool      *pgxpool.Pool
	db        *tenant.DB
	providers *provider.Service
	now       func() time.Time
	logger    *slog.Logger
	cache     *cache

	mu       sync.Mutex
	problems map[ident.Org]bool // organizations with a kept problem, as far as this process knows
}

// New returns a Service over the pool; providers opens the credentials.
func New(config Config, pool *pgxpool.Pool, providers *provider.Service, now func() time.Time, logger *slog.Logger) *Service {
	return &Service{
		config: config, pool: pool, db: tenant.New(pool), providers: providers, now: now, logger: logger,
		cache: newCache(), problems: map[ident.Org]bool{},
	}
}

// Heads lists the newest generation of every organization and, under the zero id, of the platform.
func (s *Service) Heads(ctx context.Context) ([]Head, error) { return heads(ctx, s.pool) }

// Compile returns the organization's newest fragment that edges can run, the zero id's being the platform's, and the newest generation
// that it saw. When that generation cannot be run, the fragment is an older one, or nil where there is none; why is kept for Problem.
// One generation always has one content.
func (s *Service) Compile(ctx context.Context, org ident.Org) (fragment *Fragment, newest uint64, err error) {
	fragment, newest, err = s.compile(ctx, org)
	var bad *invalid
	if errors.As(err, &bad) {
		return s.cache.get(org), newest, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return s.cache.put(fragment), newest, nil
}

// MoveAhead takes note that an edge, or this process, knows of a generation. Books that have not come so far were restored to an older state:
// what they say is published again under a generation beyond, since edges take nothing that is not newer than what they hold.
func (s *Service) MoveAhead(ctx context.Context, org ident.Org, known uint64) error {
	var newest uint64
	err := snapshot(ctx, s.pool, func(tx pgx.Tx) (err error) {
		newest, _, err = generation(ctx, tx, org)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && known <= newest {
		return nil // the organization does not exist any more, or another process was quicker
	}
	if err != nil {
		return err
	}
	if known-newest > leadMax {
		return fmt.Errorf("generation %d of %s is too far beyond %d to be believed", known, org, newest)
	}
	moved, err := tenant.MoveAhead(ctx, s.pool, org, known)
	if err == nil && moved {
		s.logger.WarnContext(ctx, "the books are older than what edges hold: they were restored. The configuration is published again", "org_id", org, "generation", newest, "known", known)
	}
	return err
}

// Current returns the fragment in memory, or nil.
func (s *Service) Current(org ident.Org) *Fragment { return s.cache.get(org) }

// Push returns the chunks that bring an edge which holds that generation and content hash to the fragment: none when it is there, a delta
// where one leads from what it holds, else the full state.
func (s *Service) Push(fragment *Fragment, generation uint64, hash []byte) []*wire.Fragment {
	return s.cache.push(fragment, generation, hash)
}

func (s *Service) compile(ctx context.Context, org ident.Org) (fragment *Fragment, number uint64, err error) {
	if org.IsZero() {
		return s.compilePlatform(ctx)
	}
	var in *source
	var changed time.Time
	err = snapshot(ctx, s.pool, func(tx pgx.Tx) error {
		if number, changed, err = generation(ctx, tx, org); err != nil {
			return err
		}
		in, err = read(ctx, tx, org, changed, s.providers)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if held := s.cache.get(org); held != nil && held.Generation >= number {
		return held, number, s.doubt(ctx, held, number, changed)
	}
	if err := in.lint(); err != nil {
		return nil, number, s.withhold(ctx, org, number, err)
	}
	items, err := in.items(s.config.FleetKey, org, changed)
	if err != nil {
		return nil, 0, err
	}
	if fragment, err = newFragment(s.config.SigningKey, org, number, changed, items); err != nil {
		return nil, 0, err
	}
	return fragment, number, s.release(ctx, org)
}

// doubt looks whether the books say what they said when a fragment of this or a later number was compiled.
func (s *Service) doubt(ctx context.Context, held *Fragment, number uint64, changed time.Time) error {
	switch {
	case held.Generation > number:
		return s.MoveAhead(ctx, held.Org, held.Generation)
	case !held.CommittedAt.Equal(changed): // the number was given again, to another change
		return s.MoveAhead(ctx, held.Org, number+1)
	default:
		return nil
	}
}

func (s *Service) compilePlatform(ctx context.Context) (fragment *Fragment, number uint64, err error) {
	var items map[string][]byte
	var changed time.Time
	err = snapshot(ctx, s.pool, func(tx pgx.Tx) (err error) {
		if number, changed, err = generation(ctx, tx, ident.Org{}); err != nil {
			return err
		}
		catalog, err := prices(ctx, tx)
		if err != nil {
			return err
		}
		items, err = priceItems(catalog)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if held := s.cache.get(ident.Org{}); held != nil && held.Generation >= number {
		return held, number, s.doubt(ctx, held, number, changed)
	}
	fragment, err = newFragment(s.config.SigningKey, ident.Org{}, number, changed, items)
	return fragment, number, err
}

// withhold keeps the reason and returns it.
func (s *Service) withhold(ctx context.Context, org ident.Org, number uint64, cause error) error {
	var bad *invalid
	if !errors.As(cause, &bad) {
		return cause
	}
	s.logger.WarnContext(ctx, "a fragment is withheld", "org_id", org, "generation", number, "path", bad.path, "reason", bad.reason)
	err := s.db.Write(ctx, org, func(tx pgx.Tx) error {
		return saveProblem(ctx, tx, org, number, bad, s.now())
	})
	if err != nil {
		return fmt.Errorf("withhold a fragment: %w", err)
	}
	s.noteProblem(org, true)
	return cause
}

// release clears a kept problem. The first time that a process compiles an organization it cannot know whether there is one.
func (s *Service) release(ctx context.Context, org ident.Org) error {
	s.mu.Lock()
	held, known := s.problems[org]
	s.mu.Unlock()
	if known && !held {
		return nil
	}
	err := s.db.Write(ctx, org, func(tx pgx.Tx) error { return clearProblem(ctx, tx, org) })
	if err != nil {
		return err
	}
	s.noteProblem(org, false)
	return nil
}

func (s *Service) noteProblem(org ident.Org, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems[org] = held
}
