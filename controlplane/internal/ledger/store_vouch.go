package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger/internal/ledgerdb"
)

const (
	comeWithin = 6 * time.Second  // an edge asks the books every five, also an idle one and one that they do not know
	untoldMax  = 10 * time.Minute // how long an edge that was connected and does not come back holds lending up: then it counts as gone
)

// errNewBooks says that Postgres began anew and this process has not compared the books with what it granted last.
var errNewBooks = errors.New("the books have begun anew")

// vouched knows which books may be lent from. After Postgres began anew they may be an older copy, which does not know all that was granted.
// They are not if they have what this process granted last; else every edge must have told first what it knows. The zero value vouches for none.
type vouched struct {
	memory    memory
	comparing sync.Mutex
	books     atomic.Int64 // that were compared with memory

	mu     sync.Mutex // is held while nobody waits for Postgres
	seen   int64      // books that are waited for
	since  time.Time
	warned time.Time
}

// Told notes to which books an edge has told all that it knows, and returns which these are. told is 0 from edges of an older version.
func (s *Service) Told(ctx context.Context, edge ident.Edge, told uint64) (books uint64, err error) {
	queries := ledgerdb.New(s.pool)
	now, err := queries.WhichBooks(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask which books these are: %w", err)
	}
	s.vouched.waited(now.Books, s.now())
	if told == 0 {
		return uint64(now.Books), nil
	}
	of := int64(0)
	if told == uint64(now.Books) {
		of = now.Books
	}
	if err := queries.SaveTold(ctx, ledgerdb.SaveToldParams{EdgeID: edge, Books: now.Books, Told: of}); err != nil {
		return 0, fmt.Errorf("save what edge %s has told: %w", edge, err)
	}
	return uint64(now.Books), nil
}

// waited returns how long books have been waited for; other ones from now on.
func (v *vouched) waited(books int64, now time.Time) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if books != v.seen {
		v.seen, v.since = books, now
	}
	return now.Sub(v.since)
}

// warns says whether a warning is due.
func (v *vouched) warns(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now.Sub(v.warned) < time.Minute {
		return false
	}
	v.warned = now
	return true
}

// compare writes down whether new books have what this process granted last; a process that granted nothing cannot tell. It comes before
// anything is written to them: what edges tell would hide what is missing. It must not run inside a transaction.
func (s *Service) compare(ctx context.Context) error {
	v := s.vouched
	v.comparing.Lock()
	defer v.comparing.Unlock()
	queries := ledgerdb.New(s.pool)
	now, err := queries.WhichBooks(ctx)
	if err != nil {
		return fmt.Errorf("ask which books these are: %w", err)
	}
	if now.Books == v.books.Load() {
		return nil
	}
	v.waited(now.Books, s.now())
	grants, missing := 0, int64(0)
	for org, lines := range v.memory.all() {
		err := s.db.Read(ctx, org, func(tx pgx.Tx) error {
			count, err := countMissing(ctx, tx, org, lines)
			missing += count
			return err
		})
		if err != nil {
			return err
		}
		grants += len(lines)
	}
	broken, err := queries.IsBroken(ctx, v.books.Load())
	if err != nil {
		return fmt.Errorf("ask whether earlier books were lent from: %w", err)
	}
	if err := queries.Vouch(ctx, ledgerdb.VouchParams{Books: now.Books, Lend: grants > 0 && missing == 0 && !broken, Over: missing > 0}); err != nil {
		return fmt.Errorf("write down whether these books may be lent from: %w", err)
	}
	if missing > 0 {
		v.memory.clear()
		s.logger.WarnContext(ctx, "an older state of Postgres was restored: the last grants are missing", "grants", missing)
	}
	v.books.Store(now.Books)
	return nil
}

// ask says whether the transaction's books may be lent from.
func (v *vouched) ask(ctx context.Context, tx pgx.Tx, now time.Time, logger *slog.Logger) (whole bool, err error) {
	queries := ledgerdb.New(tx)
	found, err := queries.WhichBooks(ctx)
	if err != nil {
		return false, fmt.Errorf("ask which books these are: %w", err)
	}
	if found.Books != v.books.Load() {
		return false, errNewBooks
	}
	if found.Lend != nil && *found.Lend {
		return true, nil
	}
	waited := v.waited(found.Books, now)
	if waited < comeWithin {
		return false, nil
	}
	untold, err := queries.CountUntold(ctx, found.Books)
	switch {
	case err != nil:
		return false, fmt.Errorf("ask which edges have told what they know: %w", err)
	case untold > 0 && waited < untoldMax:
		if v.warns(now) {
			logger.WarnContext(ctx, "an older state of Postgres may have been restored: nothing is lent from hard budgets until every edge has told what it knows", "edges", untold)
		}
		return false, nil
	case untold > 0:
		logger.ErrorContext(ctx, "edges did not come back to tell what they know; it is lent from hard budgets again", "edges", untold, "waited", waited)
	}
	if err := queries.Vouch(ctx, ledgerdb.VouchParams{Books: found.Books, Lend: true, Over: true}); err != nil {
		return false, fmt.Errorf("write down that these books may be lent from: %w", err)
	}
	v.memory.clear()
	return true, nil
}

func countMissing(ctx context.Context, tx pgx.Tx, org ident.Org, lines map[holding]int64) (int64, error) {
	p := ledgerdb.CountMissingParams{OrgID: org}
	for line, granted := range lines {
		p.Budgets, p.Starts, p.Subjects = append(p.Budgets, filled(line.Budget)), append(p.Starts, line.PeriodStart), append(p.Subjects, line.Subject)
		p.Edges, p.Numbers, p.Granted = append(p.Edges, pgtype.UUID{Bytes: line.edge.UUID, Valid: true}), append(p.Numbers, line.LeaseNo), append(p.Granted, granted)
	}
	count, err := ledgerdb.New(tx).CountMissing(ctx, p)
	if err != nil {
		return 0, fmt.Errorf("compare the books of %s with the last grants: %w", org, err)
	}
	return count, nil
}
