package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger/internal/ledgerdb"
	"tollgate.dev/dataplane/wire/lease"
)

// books are accounts of one organization, locked, and one edge's leases of them, which the accounts' locks hold still.
type books struct {
	queries *ledgerdb.Queries
	org     ident.Org
	edge    ident.Edge
	now     time.Time
	claims  bool // the edge claims; else its usage is settled, or it is lost
	lines   []Line
	keys    []Key // of the accounts that exist
	byKey   map[Key]*book
	folded  map[Key]bool // accounts that are gone: what belongs to them is booked in the one of nobody
	leases  map[Line]*held
}

// held is a lease and how it was read.
type held struct {
	lease.Lease
	stored lease.Lease
	exists bool
}

// openBooks makes the accounts that are missing and locks all of them. The lines are of one organization, in the lock order. A claim
// makes no account whose start begins no period. Accounts of budgets that do not exist are left out. Others, of the same organization, are
// locked with them.
func openBooks(ctx context.Context, tx pgx.Tx, edge ident.Edge, lines []Line, now time.Time, claims bool, others ...Key) (*books, error) {
	keys := slices.Clone(others)
	for _, line := range lines {
		keys = append(keys, line.Key)
	}
	if len(others) > 0 {
		slices.SortFunc(keys, Key.compare)
	}
	b := &books{
		queries: ledgerdb.New(tx), org: keys[0].Org, edge: edge, now: now, claims: claims, lines: slices.Compact(slices.Clone(lines)),
		byKey: make(map[Key]*book, len(lines)), folded: map[Key]bool{}, leases: make(map[Line]*held, len(lines)),
	}
	there, err := b.makeMissing(ctx, slices.Compact(keys))
	if err != nil {
		return nil, err
	}
	if err := b.lock(ctx, there); err != nil {
		return nil, err
	}
	if len(b.keys) < len(there) {
		return nil, errFolded
	}
	if claims {
		if err := b.readTerms(ctx); err != nil {
			return nil, err
		}
	}
	return b, b.readLeases(ctx)
}

// makeMissing makes the accounts that do not exist, before any is locked: see the lock order in ledger.sql. It returns those that are there
// then, in the lock order. What belongs to one that was folded away is booked where that was added.
func (b *books) makeMissing(ctx context.Context, keys []Key) (there []Key, err error) {
	budgets, starts, subjects := columns(keys)
	rows, err := b.queries.FindPeriods(ctx, ledgerdb.FindPeriodsParams{OrgID: b.org, Budgets: budgets, Starts: starts, Subjects: subjects})
	if err != nil {
		return nil, fmt.Errorf("find accounts: %w", err)
	}
	if len(rows) == len(keys) {
		return slices.Clone(keys), nil
	}
	found := make(map[Key]bool, len(rows))
	for _, row := range rows {
		found[Key{b.org, row.BudgetID, row.PeriodStart.UTC(), row.Subject}] = true
	}
	missing := slices.DeleteFunc(slices.Clone(keys), func(key Key) bool { return found[key] })
	made, err := b.make(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		switch {
		case found[key] || made[key]:
			there = append(there, key)
		case b.folded[key]:
			there = append(there, key.whole())
		}
	}
	slices.SortFunc(there, Key.compare)
	return slices.Compact(there), nil
}

// make makes accounts. One that was folded away is made again only for a claim in a period without end.
func (b *books) make(ctx context.Context, missing []Key) (made map[Key]bool, err error) {
	over, err := b.findFolded(ctx, missing)
	if err != nil {
		return nil, err
	}
	budgets, _, _ := columns(missing)
	terms, err := b.queries.ShareTerms(ctx, ledgerdb.ShareTermsParams{OrgID: b.org, Budgets: budgets})
	if err != nil {
		return nil, fmt.Errorf("read terms of budgets: %w", err)
	}
	fresh := ledgerdb.EnsurePeriodsParams{OrgID: b.org}
	made = make(map[Key]bool, len(missing))
	for _, key := range missing {
		i := slices.IndexFunc(terms, func(row ledgerdb.ShareTermsRow) bool { return row.BudgetID == key.Budget })
		if i < 0 {
			continue
		}
		start, end := bounds(terms[i].Period, terms[i].TimeZone, key.PeriodStart)
		if over[key.whole()] && !b.claims {
			b.folded[key] = true
			continue
		}
		if b.claims && (!start.Equal(key.PeriodStart) || over[key.whole()] && end != nil) {
			continue
		}
		ends := time.Unix(0, 0) // none
		if end != nil {
			ends = *end
		}
		made[key] = true
		fresh.Budgets, fresh.Starts = append(fresh.Budgets, filled(key.Budget)), append(fresh.Starts, key.PeriodStart)
		fresh.Subjects, fresh.Ends = append(fresh.Subjects, key.Subject), append(fresh.Ends, ends)
	}
	if len(made) == 0 {
		return made, nil
	}
	if err := b.queries.EnsurePeriods(ctx, fresh); err != nil {
		return nil, fmt.Errorf("make accounts: %w", err)
	}
	return made, nil
}

// findFolded returns the accounts of nobody to which others of the keys' periods were added.
func (b *books) findFolded(ctx context.Context, keys []Key) (map[Key]bool, error) {
	budgets, starts, _ := columns(keys)
	rows, err := b.queries.FindFolded(ctx, ledgerdb.FindFoldedParams{OrgID: b.org, Budgets: budgets, Starts: starts})
	if err != nil {
		return nil, fmt.Errorf("find folded accounts: %w", err)
	}
	over := make(map[Key]bool, len(rows))
	for _, row := range rows {
		over[Key{Org: b.org, Budget: row.BudgetID, PeriodStart: row.PeriodStart.UTC()}] = true
	}
	return over, nil
}

func (b *books) lock(ctx context.Context, keys []Key) error {
	budgets, starts, subjects := columns(keys)
	rows, err := b.queries.LockPeriods(ctx, ledgerdb.LockPeriodsParams{OrgID: b.org, Budgets: budgets, Starts: starts, Subjects: subjects})
	if err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	for _, row := range rows {
		key := Key{b.org, row.BudgetID, row.PeriodStart.UTC(), row.Subject}
		b.keys = append(b.keys, key)
		b.byKey[key] = &book{spent: row.Spent, leased: row.Leased, inDoubt: row.InDoubt}
	}
	return nil
}

// readTerms says what may be granted from the accounts.
func (b *books) readTerms(ctx context.Context) error {
	budgets, _, _ := columns(b.keys)
	terms, err := b.queries.ListTerms(ctx, ledgerdb.ListTermsParams{OrgID: b.org, Budgets: budgets})
	if err != nil {
		return fmt.Errorf("read limits: %w", err)
	}
	byBudget := make(map[ident.Budget]ledgerdb.ListTermsRow, len(terms))
	for _, row := range terms {
		byBudget[row.BudgetID] = row
	}
	for key, book := range b.byKey {
		book.limit, book.archived = byBudget[key.Budget].InForce, byBudget[key.Budget].Archived
	}
	return nil
}

func (b *books) readLeases(ctx context.Context) error {
	if len(b.lines) == 0 {
		return nil
	}
	p := ledgerdb.ListLeasesParams{OrgID: b.org, EdgeID: b.edge}
	for _, line := range b.lines {
		b.leases[line] = new(held)
		p.Budgets, p.Starts = append(p.Budgets, filled(line.Budget)), append(p.Starts, line.PeriodStart)
		p.Subjects, p.Numbers = append(p.Subjects, line.Subject), append(p.Numbers, line.LeaseNo)
	}
	rows, err := b.queries.ListLeases(ctx, p)
	if err != nil {
		return fmt.Errorf("read leases of edge %s: %w", b.edge, err)
	}
	for _, row := range rows {
		stored := lease.Lease{
			Granted: row.GrantedTotal, Returned: row.ReturnedTotal, Settled: row.SettledTotal, Doubted: row.DoubtedTotal, Presumed: row.PresumedTotal, Ahead: row.AheadTotal, Closed: row.Closed,
		}
		b.leases[Line{Key{b.org, row.BudgetID, row.PeriodStart.UTC(), row.Subject}, row.LeaseNo}] = &held{stored, stored, true}
	}
	return nil
}

// of returns a line's account and lease; the account is nil when the organization has no such budget, or the budget no such period.
func (b *books) of(line Line) (*book, *lease.Lease) {
	book := b.at(line.Key)
	if book == nil {
		return nil, nil
	}
	return book, &b.leases[line].Lease
}

// at returns the account in which a key's amounts are booked.
func (b *books) at(key Key) *book {
	if b.folded[key] {
		key = key.whole()
	}
	return b.byKey[key]
}

// otherEdges counts the other edges that used the accounts lately.
func (b *books) otherEdges(ctx context.Context, keys []Key) (map[Key]int64, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	budgets, starts, subjects := columns(slices.Compact(keys))
	rows, err := b.queries.CountActiveEdges(ctx, ledgerdb.CountActiveEdgesParams{
		OrgID: b.org, EdgeID: b.edge, Budgets: budgets, Starts: starts, Subjects: subjects, Since: b.now.Add(-activeFor),
	})
	if err != nil {
		return nil, fmt.Errorf("count edges: %w", err)
	}
	others := make(map[Key]int64, len(rows))
	for _, row := range rows {
		others[Key{b.org, row.BudgetID, row.PeriodStart.UTC(), row.Subject}] = row.Edges
	}
	return others, nil
}

// errFolded says that an account was folded away after it was found and before it was locked. The transaction must be done again: what takes its
// place is locked before others that are held by now.
var errFolded = errors.New("an account was folded away meanwhile")

// errGuard says that the limit fell between its reading and the guard, because a raise ended; the transaction is undone.
var errGuard = errors.New("the guard of an account refused what was granted from it")

// save writes the accounts and leases that changed. A claim leaves its lease behind even if nothing changed; usage of soft budgets, which
// have no leases, leaves none.
func (b *books) save(ctx context.Context) error {
	if err := b.saveAccounts(ctx); err != nil {
		return err
	}
	p := ledgerdb.SaveLeasesParams{OrgID: b.org, EdgeID: b.edge.UUID, UpdatedAt: b.now}
	for _, line := range b.lines {
		held := b.leases[line]
		if b.byKey[line.Key] == nil || held == nil || held.Lease == held.stored && (held.exists || !b.claims) {
			continue
		}
		p.Budgets, p.Starts = append(p.Budgets, filled(line.Budget)), append(p.Starts, line.PeriodStart)
		p.Subjects, p.Numbers = append(p.Subjects, line.Subject), append(p.Numbers, line.LeaseNo)
		p.Granted, p.Returned = append(p.Granted, held.Granted), append(p.Returned, held.Returned)
		p.Settled, p.Doubted = append(p.Settled, held.Settled), append(p.Doubted, held.Doubted)
		p.Presumed, p.Ahead, p.Closed = append(p.Presumed, held.Presumed), append(p.Ahead, held.Ahead), append(p.Closed, held.Closed)
	}
	if len(p.Budgets) == 0 {
		return nil
	}
	if err := b.queries.SaveLeases(ctx, p); err != nil {
		return fmt.Errorf("save leases of edge %s: %w", b.edge, err)
	}
	return nil
}

func (b *books) saveAccounts(ctx context.Context) error {
	p := ledgerdb.SavePeriodsParams{OrgID: b.org}
	for _, key := range b.keys {
		book := b.byKey[key]
		if !book.changed {
			continue
		}
		p.Budgets, p.Starts, p.Subjects = append(p.Budgets, filled(key.Budget)), append(p.Starts, key.PeriodStart), append(p.Subjects, key.Subject)
		p.Spent, p.Leased = append(p.Spent, book.spent.String()), append(p.Leased, book.leased.String())
		p.InDoubt, p.Grants = append(p.InDoubt, book.inDoubt.String()), append(p.Grants, book.grants)
	}
	if len(p.Budgets) == 0 {
		return nil
	}
	rows, err := b.queries.SavePeriods(ctx, p)
	if err != nil {
		return fmt.Errorf("save accounts: %w", err)
	}
	if rows != int64(len(p.Budgets)) {
		return errGuard
	}
	return nil
}

// dropEmpty deletes empty leases that were closed long ago, twice as many as have just been closed, so that they do not pile up.
func (b *books) dropEmpty(ctx context.Context, closed int) error {
	_, err := b.queries.DropEmptyLeases(ctx, ledgerdb.DropEmptyLeasesParams{OrgID: b.org, Limit: int32(2 * closed), Before: b.now.Add(-emptyFor)})
	if err != nil {
		return fmt.Errorf("drop empty leases: %w", err)
	}
	return nil
}

func columns(keys []Key) (budgets []pgtype.UUID, starts []time.Time, subjects []string) {
	for _, key := range keys {
		budgets, starts, subjects = append(budgets, filled(key.Budget)), append(starts, key.PeriodStart), append(subjects, key.Subject)
	}
	return budgets, starts, subjects
}

// filled gives an id to Postgres in the form that is encoded without a detour over text.
func filled(id ident.Budget) pgtype.UUID { return pgtype.UUID{Bytes: id.UUID, Valid: true} }
