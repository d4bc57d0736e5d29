package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger/internal/ledgerdb"
	"tollgate.dev/controlplane/internal/money"
)

// RecallChannel is the Postgres notification channel on which an edge's replica is told to recall a lease; see ParseRecall.
const RecallChannel = "tollgate_recall"

// Settle books charges of one edge inside a transaction that has entered org. The charges must all be org's, one for each lease, in
// the lock order (see Sum). It returns those whose budget does not exist; they are booked nowhere. Other accounts of org's that the transaction
// changes afterwards are locked with theirs.
func Settle(ctx context.Context, tx pgx.Tx, org ident.Org, edge ident.Edge, charges []Charge, now time.Time, others ...Key) (unknown []Charge, err error) {
	if len(charges)+len(others) == 0 {
		return nil, nil
	}
	lines := make([]Line, len(charges))
	for i, charge := range charges {
		if lines[i] = charge.Line; charge.Org != org {
			return nil, fmt.Errorf("settle a charge of %s for %s", charge.Org, org)
		}
	}
	books, err := openBooks(ctx, tx, edge, lines, now, false, others...)
	if err != nil {
		return nil, err
	}
	for _, charge := range charges {
		book, held := books.of(charge.Line)
		if book == nil {
			unknown = append(unknown, charge)
			continue
		}
		book.apply(held.Settle(charge.Spent, charge.InDoubt, charge.Uncovered))
	}
	return unknown, books.save(ctx)
}

// Adjust books corrections of what was spent inside a transaction that has entered org. The accounts are all org's. It returns those whose
// budget does not exist; they are booked nowhere.
func Adjust(ctx context.Context, tx pgx.Tx, org ident.Org, spent map[Key]money.Amount, now time.Time) (unknown []Adjustment, err error) {
	var all []Adjustment
	var lines []Line
	for key, amount := range spent {
		if key.Org != org {
			return nil, fmt.Errorf("adjust an account of %s for %s", key.Org, org)
		}
		all = append(all, Adjustment{key, amount})
	}
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b Adjustment) int { return a.compare(b.Key) })
	for _, each := range all {
		lines = append(lines, Line{Key: each.Key})
	}
	books, err := openBooks(ctx, tx, ident.Edge{}, lines, now, false)
	if err != nil {
		return nil, err
	}
	for _, each := range all {
		book := books.at(each.Key)
		if book == nil {
			unknown = append(unknown, each)
			continue
		}
		book.adjust(each.Spent)
	}
	return unknown, books.save(ctx)
}

// outstanding lists the leases of which the edge holds something or could be granted something, in the lock order, inside a transaction that has entered org.
func outstanding(ctx context.Context, tx pgx.Tx, org ident.Org, edge ident.Edge) ([]Line, error) {
	rows, err := ledgerdb.New(tx).ListOutstanding(ctx, ledgerdb.ListOutstandingParams{OrgID: org, EdgeID: edge})
	if err != nil {
		return nil, fmt.Errorf("list leases of edge %s: %w", edge, err)
	}
	lines := make([]Line, len(rows))
	for i, row := range rows {
		lines[i] = Line{Key{org, row.BudgetID, row.PeriodStart.UTC(), row.Subject}, row.LeaseNo}
	}
	return lines, nil
}

// recall announces to every other holder of the accounts, all of one organization, that it shall hand back what it does not need, and
// counts what is held.
func recall(ctx context.Context, tx pgx.Tx, except ident.Edge, keys []Key) (holders map[Key]int, err error) {
	queries := ledgerdb.New(tx)
	budgets, starts, subjects := columns(keys)
	rows, err := queries.ListHolders(ctx, ledgerdb.ListHoldersParams{OrgID: keys[0].Org, EdgeID: except, Budgets: budgets, Starts: starts, Subjects: subjects})
	if err != nil {
		return nil, fmt.Errorf("list holders: %w", err)
	}
	holders = map[Key]int{}
	for _, row := range rows {
		line := Line{Key{keys[0].Org, row.BudgetID, row.PeriodStart.UTC(), row.Subject}, row.LeaseNo}
		if err := queries.NotifyRecall(ctx, Recall{Edge: row.EdgeID, Line: line}.text()); err != nil {
			return nil, fmt.Errorf("announce recall of budget %s: %w", line.Budget, err)
		}
		holders[line.Key]++
	}
	return holders, nil
}

// recallBeyond announces to everybody who holds something of a budget's accounts that pass its limit that it shall hand back what it does not
// need, inside a transaction that has entered org.
func recallBeyond(ctx context.Context, tx pgx.Tx, org ident.Org, budget ident.Budget) error {
	queries := ledgerdb.New(tx)
	rows, err := queries.ListBeyond(ctx, ledgerdb.ListBeyondParams{OrgID: org, BudgetID: budget})
	if err != nil {
		return fmt.Errorf("list who holds more than budget %s has: %w", budget, err)
	}
	for _, row := range rows {
		line := Line{Key{org, budget, row.PeriodStart.UTC(), row.Subject}, row.LeaseNo}
		if err := queries.NotifyRecall(ctx, Recall{Edge: row.EdgeID, Line: line}.text()); err != nil {
			return fmt.Errorf("announce recall of budget %s: %w", budget, err)
		}
	}
	return nil
}
