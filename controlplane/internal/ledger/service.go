package ledger

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire/lease"
)

const (
	recallWait  = 150 * time.Millisecond // how long a claim waits for what other edges hand back
	recallApart = 75 * time.Millisecond  // between two recalls of one account, shorter than the wait, so that each claim that waits makes or meets one
	activeFor   = 10 * time.Minute       // an edge that used an account so lately gets a share of what is left
	guardMax    = 4                      // attempts of a claim, the last of which grants nothing; the others saw a raise end between two of their statements
	emptyFor    = time.Hour              // an empty lease is kept so long after it was closed, far longer than a claim may be on its way
)

// Service answers the claims of edges.
type Service struct {
	pool     *pgxpool.Pool
	db       *tenant.DB
	now      func() time.Time
	logger   *slog.Logger
	returns  *returns
	patience time.Duration // recallWait
	vouched  *vouched

	granted, exhausted, unknown atomic.Uint64
}

// Counts are the answers to claims that asked for money, of this process since its start.
type Counts struct{ Granted, Exhausted, UnknownBudget uint64 }

// Counts returns the process's figures, for metrics.
func (s *Service) Counts() Counts {
	return Counts{Granted: s.granted.Load(), Exhausted: s.exhausted.Load(), UnknownBudget: s.unknown.Load()}
}

func (s *Service) count(claims []Claim, grants []Grant) {
	for i := range grants {
		switch {
		case grants[i].Verdict == Exhausted:
			s.exhausted.Add(1)
		case grants[i].Verdict == Later:
		case grants[i].Verdict == UnknownBudget:
			s.unknown.Add(1)
		case claims[i].Need > 0:
			s.granted.Add(1)
		}
	}
}

// New returns a Service over the pool. Whoever carries the jobs hands them to Fold.
func New(pool *pgxpool.Pool, now func() time.Time, logger *slog.Logger) *Service {
	return &Service{pool: pool, db: tenant.New(pool), now: now, logger: logger, returns: newReturns(), patience: recallWait, vouched: new(vouched)}
}

// Claim answers an edge's claims in their order. A budget without enough left is Exhausted only after the other edges that hold
// leases of it were asked to hand back and have had a moment to do so.
func (s *Service) Claim(ctx context.Context, edge ident.Edge, claims []Claim) ([]Grant, error) {
	grants := make([]Grant, len(claims))
	order := make([]int, len(claims))
	for i := range order {
		order[i] = i
	}
	if err := s.claimAll(ctx, edge, claims, order, grants); err != nil {
		return nil, err
	}
	if err := s.retry(ctx, edge, claims, grants); err != nil {
		return nil, err
	}
	s.count(claims, grants)
	return grants, nil
}

// claimAll answers the claims with those indexes, one organization after the other.
func (s *Service) claimAll(ctx context.Context, edge ident.Edge, claims []Claim, indexes []int, grants []Grant) error {
	order := slices.Clone(indexes)
	slices.SortStableFunc(order, func(a, b int) int { return claims[a].compare(claims[b].Line) })
	for len(order) > 0 {
		n := 1
		for n < len(order) && claims[order[n]].Org == claims[order[0]].Org {
			n++
		}
		if err := s.claimOrg(ctx, edge, claims, order[:n], grants); err != nil {
			return err
		}
		order = order[n:]
	}
	return nil
}

// claimOrg answers the claims with those indexes, all of one organization and in the lock order, in one transaction.
func (s *Service) claimOrg(ctx context.Context, edge ident.Edge, claims []Claim, order []int, grants []Grant) error {
	var returned []Key
	err := errGuard
	for try := 1; try <= guardMax && (errors.Is(err, errGuard) || errors.Is(err, errFolded) || errors.Is(err, errNewBooks)); try++ { // a raise ended after the limit was read: it is read again
		if errors.Is(err, errNewBooks) {
			if err := s.compare(ctx); err != nil {
				return err
			}
		}
		err = s.db.Write(ctx, claims[order[0]].Org, func(tx pgx.Tx) (err error) {
			returned, err = s.answer(ctx, tx, edge, claims, order, grants, try < guardMax)
			return err
		})
	}
	if err != nil {
		return err
	}
	s.vouched.memory.note(edge, claims, grants, order, s.now())
	for _, key := range returned {
		s.returns.announce(key)
	}
	return nil
}

// answer writes the answers and the books, and returns the accounts to which something came back. Without lend nothing is granted.
func (s *Service) answer(ctx context.Context, tx pgx.Tx, edge ident.Edge, claims []Claim, order []int, grants []Grant, lend bool) (returned []Key, err error) {
	lines := make([]Line, len(order))
	for n, i := range order {
		lines[n] = claims[i].Line
	}
	whole, err := s.vouched.ask(ctx, tx, s.now(), s.logger)
	if err != nil {
		return nil, err
	}
	books, err := openBooks(ctx, tx, edge, lines, s.now(), true)
	if err != nil {
		return nil, err
	}
	closed := 0
	for _, i := range order {
		back := s.hear(ctx, books, claims[i], !whole)
		if back {
			returned = append(returned, claims[i].Key)
		}
		if claims[i].Closing {
			closed++
		}
	}
	if err := s.decide(ctx, books, claims, order, grants, lend, whole); err != nil {
		return nil, err
	}
	if err := books.save(ctx); err != nil || closed == 0 {
		return returned, err
	}
	return returned, books.dropEmpty(ctx, closed)
}

// hear books what the edge says about its lease, and says whether something came back. Restored says that the books may be an older copy.
func (s *Service) hear(ctx context.Context, books *books, claim Claim, restored bool) (back bool) {
	book, held := books.of(claim.Line)
	if book == nil {
		return false
	}
	adopted, returned := held.Hear(claim.Claim, restored)
	if adopted.Leased > 0 {
		s.logger.WarnContext(ctx, "an edge remembers a grant that the ledger does not", "org_id", claim.Org, "budget_id", claim.Budget, "edge_id", books.edge, "pico_usd", adopted.Leased)
	}
	book.apply(adopted)
	book.apply(returned)
	return returned.Leased < 0
}

// decide grants what may be granted and writes the answers. From books that may have been restored nothing is granted until they are whole.
func (s *Service) decide(ctx context.Context, books *books, claims []Claim, order []int, grants []Grant, lend, whole bool) error {
	var asking []Key
	for _, i := range order {
		if book, held := books.of(claims[i].Line); book != nil && !book.archived && held.Asks(claims[i].Claim) {
			asking = append(asking, claims[i].Key)
		}
	}
	others, err := books.otherEdges(ctx, asking)
	if err != nil {
		return err
	}
	for _, i := range order {
		claim := claims[i]
		book, held := books.of(claim.Line)
		if book == nil {
			grants[i] = Grant{Line: claim.Line, Verdict: UnknownBudget, GrantedTotal: claim.GrantedTotal, ReturnedTotal: claim.ReturnedTotal, Closed: claim.Closing}
			continue
		}
		verdict := OK
		switch {
		case book.archived:
			verdict = UnknownBudget
		case !whole && held.Asks(claim.Claim):
			verdict = Later
		case claim.Need > 0 && held.Closed, !lend && held.Asks(claim.Claim):
			verdict = Exhausted
		case held.Asks(claim.Claim):
			move := held.Grant(claim.Claim, book.free().Pico(), others[claim.Key]+1)
			book.apply(move)
			book.grants = book.grants || move.Leased > 0
			if move.Leased == 0 {
				verdict = Exhausted
			}
		}
		grants[i] = Grant{
			Line: claim.Line, Verdict: verdict, GrantedTotal: held.Granted, ReturnedTotal: held.Returned, Remaining: max(book.free().Pico(), 0), Closed: held.Closed,
		}
	}
	return nil
}

// retry recalls the other leases of exhausted accounts and claims again whenever something came back, until the wait is over.
func (s *Service) retry(ctx context.Context, edge ident.Edge, claims []Claim, grants []Grant) error {
	var waiting []int
	for i, grant := range grants {
		if grant.Verdict == Exhausted && !grant.Closed {
			waiting = append(waiting, i)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	keys := keysOf(claims, waiting)
	back, stop := s.returns.wait(keys)
	defer stop()
	holders, err := s.recall(ctx, edge, keys)
	if err != nil {
		return err
	}
	waiting = slices.DeleteFunc(waiting, func(i int) bool { return holders[claims[i].Key] == 0 })
	over, again := time.NewTimer(s.patience), time.NewTicker(recallApart)
	defer over.Stop()
	defer again.Stop()
	for last := false; !last && len(waiting) > 0; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			last = true
		case <-back:
		case <-again.C: // the last recall may have been another edge's, or come before what is free now was
			if _, err := s.recall(ctx, edge, keysOf(claims, waiting)); err != nil {
				return err
			}
			continue
		}
		if err := s.claimAll(ctx, edge, claims, waiting, grants); err != nil {
			return err
		}
		waiting = slices.DeleteFunc(waiting, func(i int) bool { return grants[i].Verdict != Exhausted })
	}
	return nil
}

func keysOf(claims []Claim, indexes []int) []Key {
	keys := make([]Key, len(indexes))
	for n, i := range indexes {
		keys[n] = claims[i].Key
	}
	return keys
}

// recall asks the other holders of the accounts to hand back, unless they have just been asked, and returns how many hold something.
func (s *Service) recall(ctx context.Context, edge ident.Edge, keys []Key) (holders map[Key]int, err error) {
	holders = map[Key]int{}
	asks := map[ident.Org][]Key{}
	for _, key := range keys {
		if last, lately := s.returns.last(key, s.now()); lately {
			holders[key] = last.holders
		} else {
			asks[key.Org] = append(asks[key.Org], key)
		}
	}
	for org, keys := range asks {
		err := s.db.Write(ctx, org, func(tx pgx.Tx) error {
			found, err := recall(ctx, tx, edge, keys)
			maps.Copy(holders, found)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if holders[key] > 0 { // that nobody else holds something may change with the next grant, and the next edge that asks may hold it
				s.returns.note(key, holders[key], s.now())
			}
		}
	}
	return holders, nil
}

// RecallBeyond asks edges to hand back what they do not need of a budget's accounts that pass its limit: it was lowered, or a raise ended.
func (s *Service) RecallBeyond(ctx context.Context, org ident.Org, budget ident.Budget) error {
	return s.db.Write(ctx, org, func(tx pgx.Tx) error { return recallBeyond(ctx, tx, org, budget) })
}

// Fold adds accounts that are over to those of nobody, a batch in each transaction. What is left when its time is over is done by the next job.
func (s *Service) Fold(ctx context.Context, _ Fold) error {
	orgs, err := foldOrgs(ctx, s.pool)
	if err != nil {
		return err
	}
	before, until := s.now().Add(-keptFor), s.now().Add(foldSpan)
	for _, org := range orgs {
		for again := true; again && s.now().Before(until); {
			if again, err = s.foldSome(ctx, org, before); err != nil {
				return err
			}
		}
	}
	return nil
}

// foldSome folds a batch of an organization and says whether there may be more.
func (s *Service) foldSome(ctx context.Context, org ident.Org, before time.Time) (more bool, err error) {
	var groups []group
	err = s.db.Read(ctx, org, func(tx pgx.Tx) error {
		groups, err = listOver(ctx, tx, org, before)
		return err
	})
	var found, folded int64
	for _, each := range groups {
		found += int64(len(each.subjects))
		err := s.db.Write(ctx, org, func(tx pgx.Tx) error {
			count, err := fold(ctx, tx, each, before)
			folded += count
			return err
		})
		if err != nil {
			return false, err
		}
	}
	return found == foldMax && folded > 0, err
}

// Forfeit puts what a lost edge holds of one organization's budgets in doubt, with an audit entry, and returns the sum. The edge must have
// been fenced before. Nothing leaves doubt by itself: usage that the edge has left behind does, when it arrives.
func (s *Service) Forfeit(ctx context.Context, actor authz.Actor, edge ident.Edge, name string) (sum money.Amount, err error) {
	nothing := errors.New("the edge holds nothing")
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		sum = money.Amount{}
		lines, err := outstanding(ctx, tx, actor.Org, edge)
		if err != nil || len(lines) == 0 {
			return audit.Entry{}, cmp.Or(err, nothing)
		}
		books, err := openBooks(ctx, tx, edge, lines, s.now(), false)
		if err != nil {
			return audit.Entry{}, err
		}
		for _, line := range lines {
			book, held := books.of(line)
			if book == nil {
				continue // the budget is gone
			}
			move := held.Doubt()
			book.apply(move)
			sum = sum.Add(money.FromPico(move.InDoubt))
		}
		if err := books.save(ctx); err != nil {
			return audit.Entry{}, err
		}
		if sum.Sign() == 0 {
			return audit.Entry{}, nothing
		}
		return audit.Entry{Action: "edge.fence", SubjectID: edge.UUID, SubjectName: name, After: map[string]money.Amount{"in_doubt_pico": sum}}, nil
	})
	if errors.Is(err, nothing) {
		return money.Amount{}, nil
	}
	return sum, err
}

// Sum adds up charges to one for each lease, in the lock order.
func Sum(charges []Charge) []Charge {
	var sums []Charge
	at := map[Line]int{}
	for _, charge := range charges {
		i, there := at[charge.Line]
		if !there {
			at[charge.Line] = len(sums)
			sums = append(sums, charge)
			continue
		}
		sums[i].Spent = lease.Saturated(sums[i].Spent, charge.Spent)
		sums[i].InDoubt = lease.Saturated(sums[i].InDoubt, charge.InDoubt)
		sums[i].Uncovered = lease.Saturated(sums[i].Uncovered, charge.Uncovered)
	}
	slices.SortFunc(sums, func(a, b Charge) int { return a.compare(b.Line) })
	return sums
}
