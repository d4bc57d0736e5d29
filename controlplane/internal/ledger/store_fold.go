package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger/internal/ledgerdb"
)

func foldOrgs(ctx context.Context, pool *pgxpool.Pool) ([]ident.Org, error) {
	orgs, err := ledgerdb.New(pool).ListFoldOrgs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	return orgs, nil
}

// listOver returns some accounts that are over since before a time, by period, inside a transaction that has entered org.
func listOver(ctx context.Context, tx pgx.Tx, org ident.Org, before time.Time) ([]group, error) {
	rows, err := ledgerdb.New(tx).ListOver(ctx, ledgerdb.ListOverParams{OrgID: org, Before: before, Limit: foldMax})
	if err != nil {
		return nil, fmt.Errorf("list accounts of %s that are over: %w", org, err)
	}
	var groups []group
	for _, row := range rows {
		whole := Key{Org: org, Budget: row.BudgetID, PeriodStart: row.PeriodStart.UTC()}
		if n := len(groups); n == 0 || groups[n-1].whole != whole {
			groups = append(groups, group{whole: whole, end: row.PeriodEnd})
		}
		last := &groups[len(groups)-1]
		last.subjects = append(last.subjects, row.Subject)
	}
	return groups, nil
}

// fold adds accounts to that of nobody, which is locked before them as everywhere, and returns how many.
func fold(ctx context.Context, tx pgx.Tx, g group, before time.Time) (int64, error) {
	queries := ledgerdb.New(tx)
	end := time.Unix(0, 0) // none
	if g.end != nil {
		end = *g.end
	}
	at := []time.Time{g.whole.PeriodStart}
	budget, nobody := []pgtype.UUID{filled(g.whole.Budget)}, []string{""}
	err := queries.EnsurePeriods(ctx, ledgerdb.EnsurePeriodsParams{OrgID: g.whole.Org, Budgets: budget, Starts: at, Subjects: nobody, Ends: []time.Time{end}})
	if err == nil {
		_, err = queries.LockPeriods(ctx, ledgerdb.LockPeriodsParams{OrgID: g.whole.Org, Budgets: budget, Starts: at, Subjects: nobody})
	}
	if err != nil {
		return 0, fmt.Errorf("lock the account of nobody: %w", err)
	}
	count, err := queries.FoldAccounts(ctx, ledgerdb.FoldAccountsParams{
		OrgID: g.whole.Org, BudgetID: g.whole.Budget, PeriodStart: g.whole.PeriodStart, Subjects: g.subjects, Before: before,
	})
	if err != nil {
		return 0, fmt.Errorf("fold accounts of budget %s: %w", g.whole.Budget, err)
	}
	return count, nil
}
