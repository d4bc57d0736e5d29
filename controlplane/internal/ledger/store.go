package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger/internal/ledgerdb"
	"tollgate.dev/controlplane/internal/money"
)

// RecallChannel is the Postgres notification channel on which an edge's replica is told to recall a lease; see RecallText.
const RecallChannel = "tollgate_recall"

// Accounts returns the accounts whose period contains at, inside a transaction that has entered org.
func Accounts(ctx context.Context, tx pgx.Tx, org ident.Org, at time.Time) ([]Account, error) {
	rows, err := ledgerdb.New(tx).ListAccounts(ctx, ledgerdb.ListAccountsParams{OrgID: org, At: at})
	if err != nil {
		return nil, fmt.Errorf("list accounts of %s: %w", org, err)
	}
	all := make([]Account, len(rows))
	for i, row := range rows {
		all[i] = Account{
			Budget: row.BudgetID, PeriodStart: row.PeriodStart, PeriodEnd: row.PeriodEnd,
			Spent: row.Spent, Leased: row.Leased, InDoubt: row.InDoubt, Overrun: row.Overrun,
		}
	}
	return all, nil
}

// Settle books charges of one edge inside a transaction that has entered org. The charges must all be org's, one for each account, in
// the lock order (see Sum). It returns those whose budget does not exist; they are booked nowhere.
func Settle(ctx context.Context, tx pgx.Tx, org ident.Org, edge ident.Edge, charges []Charge, now time.Time) (unknown []Charge, err error) {
	for _, charge := range charges {
		open, err := openEntry(ctx, tx, charge.Key, edge, now, false)
		if errors.Is(err, errUnknownBudget) {
			unknown = append(unknown, charge)
			continue
		}
		if err != nil {
			return nil, err
		}
		open.book.settle(&open.lease, charge)
		if err := open.save(ctx, true); err != nil {
			return nil, err
		}
	}
	return unknown, nil
}

// outstanding lists the accounts of which the edge holds something, in the lock order, inside a transaction that has entered org.
func outstanding(ctx context.Context, tx pgx.Tx, org ident.Org, edge ident.Edge) ([]Key, error) {
	rows, err := ledgerdb.New(tx).ListOutstanding(ctx, ledgerdb.ListOutstandingParams{OrgID: org, EdgeID: edge})
	if err != nil {
		return nil, fmt.Errorf("list leases of edge %s: %w", edge, err)
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = Key{Org: org, Budget: row.BudgetID, PeriodStart: row.PeriodStart.UTC()}
	}
	return keys, nil
}

// errUnknownBudget says that the organization has no such budget, or that the claimed period is none of its periods.
var errUnknownBudget = errors.New("unknown budget")

// entry is an account and one edge's lease of it, both locked.
type entry struct {
	tx       pgx.Tx
	key      Key
	edge     ident.Edge
	now      time.Time
	book     book
	lease    lease
	archived bool
}

// openEntry locks the account and then the lease, making both where they are missing. strict refuses a start that begins no period.
func openEntry(ctx context.Context, tx pgx.Tx, key Key, edge ident.Edge, now time.Time, strict bool) (*entry, error) {
	queries := ledgerdb.New(tx)
	terms, err := queries.GetTerms(ctx, ledgerdb.GetTermsParams{OrgID: key.Org, BudgetID: key.Budget})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errUnknownBudget
	}
	if err != nil {
		return nil, fmt.Errorf("read terms of budget %s: %w", key.Budget, err)
	}
	start, end := bounds(terms.Period, terms.TimeZone, key.PeriodStart)
	if strict && !start.Equal(key.PeriodStart) {
		return nil, errUnknownBudget
	}
	e := &entry{tx: tx, key: key, edge: edge, now: now}
	if err := e.lockAccount(ctx, queries, end); err != nil {
		return nil, err
	}
	return e, e.lockLease(ctx, queries)
}

func (e *entry) lockAccount(ctx context.Context, queries *ledgerdb.Queries, end *time.Time) error {
	key := e.key
	at := ledgerdb.LockPeriodParams{OrgID: key.Org, BudgetID: key.Budget, PeriodStart: key.PeriodStart}
	row, err := queries.LockPeriod(ctx, at)
	if errors.Is(err, pgx.ErrNoRows) {
		err = queries.EnsurePeriod(ctx, ledgerdb.EnsurePeriodParams{OrgID: key.Org, BudgetID: key.Budget, PeriodStart: key.PeriodStart, PeriodEnd: end})
		if err == nil {
			row, err = queries.LockPeriod(ctx, at)
		}
	}
	if err != nil {
		return fmt.Errorf("lock account of budget %s: %w", key.Budget, err)
	}
	terms, err := queries.GetTerms(ctx, ledgerdb.GetTermsParams{OrgID: key.Org, BudgetID: key.Budget})
	if err != nil {
		return fmt.Errorf("read limit of budget %s: %w", key.Budget, err)
	}
	e.archived = terms.Archived
	e.book = book{spent: row.Spent, leased: row.Leased, inDoubt: row.InDoubt, limit: terms.LimitPico}
	return nil
}

func (e *entry) lockLease(ctx context.Context, queries *ledgerdb.Queries) error {
	at := ledgerdb.LockLeaseParams{OrgID: e.key.Org, BudgetID: e.key.Budget, PeriodStart: e.key.PeriodStart, EdgeID: e.edge}
	row, err := queries.LockLease(ctx, at)
	if errors.Is(err, pgx.ErrNoRows) {
		err = queries.EnsureLease(ctx, ledgerdb.EnsureLeaseParams{
			OrgID: e.key.Org, BudgetID: e.key.Budget, PeriodStart: e.key.PeriodStart, EdgeID: e.edge, UpdatedAt: e.now,
		})
		if err == nil {
			row, err = queries.LockLease(ctx, at)
		}
	}
	if err != nil {
		return fmt.Errorf("lock lease of edge %s: %w", e.edge, err)
	}
	e.lease = lease{granted: row.GrantedTotal, returned: row.ReturnedTotal, settled: row.SettledTotal, doubted: row.DoubtedTotal}
	return nil
}

// save writes the lease and, where the account changed, the account.
func (e *entry) save(ctx context.Context, account bool) error {
	queries := ledgerdb.New(e.tx)
	if account {
		err := queries.UpdatePeriod(ctx, ledgerdb.UpdatePeriodParams{
			OrgID: e.key.Org, BudgetID: e.key.Budget, PeriodStart: e.key.PeriodStart,
			Spent: e.book.spent, Leased: e.book.leased, InDoubt: e.book.inDoubt, Overrun: e.book.overrun(),
		})
		if err != nil {
			return fmt.Errorf("update account of budget %s: %w", e.key.Budget, err)
		}
	}
	err := queries.UpdateLease(ctx, ledgerdb.UpdateLeaseParams{
		OrgID: e.key.Org, BudgetID: e.key.Budget, PeriodStart: e.key.PeriodStart, EdgeID: e.edge,
		GrantedTotal: e.lease.granted, ReturnedTotal: e.lease.returned, SettledTotal: e.lease.settled, UpdatedAt: e.now, DoubtedTotal: e.lease.doubted,
	})
	if err != nil {
		return fmt.Errorf("update lease of edge %s: %w", e.edge, err)
	}
	return nil
}

// grant debits the account, guarded by its limit, and says whether it could.
func (e *entry) grant(ctx context.Context, amount int64) (bool, error) {
	rows, err := ledgerdb.New(e.tx).GrantLease(ctx, ledgerdb.GrantLeaseParams{
		OrgID: e.key.Org, BudgetID: e.key.Budget, PeriodStart: e.key.PeriodStart, GrantPico: money.FromPico(amount),
	})
	if err != nil {
		return false, fmt.Errorf("grant from budget %s: %w", e.key.Budget, err)
	}
	if rows == 1 {
		e.book.leased = e.book.leased.Add(money.FromPico(amount))
		e.lease.granted += amount
	}
	return rows == 1, nil
}

// edges counts the edges that used the account lately, this one included.
func (e *entry) edges(ctx context.Context) (int64, error) {
	others, err := ledgerdb.New(e.tx).CountActiveLeases(ctx, ledgerdb.CountActiveLeasesParams{
		OrgID: e.key.Org, BudgetID: e.key.Budget, PeriodStart: e.key.PeriodStart, EdgeID: e.edge, Since: e.now.Add(-activeFor),
	})
	if err != nil {
		return 0, fmt.Errorf("count leases of budget %s: %w", e.key.Budget, err)
	}
	return others + 1, nil
}

// recall announces to every other holder of the account that it shall hand back what it does not need.
func recall(ctx context.Context, tx pgx.Tx, key Key, except ident.Edge) (holders int, err error) {
	queries := ledgerdb.New(tx)
	edges, err := queries.ListHolders(ctx, ledgerdb.ListHoldersParams{OrgID: key.Org, BudgetID: key.Budget, PeriodStart: key.PeriodStart})
	if err != nil {
		return 0, fmt.Errorf("list holders of budget %s: %w", key.Budget, err)
	}
	for _, edge := range edges {
		if edge == except {
			continue
		}
		if err := queries.NotifyRecall(ctx, Recall{Edge: edge, Key: key}.text()); err != nil {
			return 0, fmt.Errorf("announce recall of budget %s: %w", key.Budget, err)
		}
		holders++
	}
	return holders, nil
}
