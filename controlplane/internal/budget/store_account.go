package budget

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/budget/internal/budgetdb"
	"tollgate.dev/controlplane/internal/ident"
)

// topOf returns the fullest accounts of each budget that has several, or only of one.
func topOf(ctx context.Context, tx pgx.Tx, org ident.Org, only *uuid.UUID, now time.Time) (map[period][]Account, error) {
	rows, err := budgetdb.New(tx).ListTopAccounts(ctx, budgetdb.ListTopAccountsParams{OrgID: org, AtTime: now, AtMost: topAccounts, Budget: only})
	if err != nil {
		return nil, fmt.Errorf("list fullest accounts of %s: %w", org, err)
	}
	all := map[period][]Account{}
	for _, row := range rows {
		at := period{row.BudgetID, row.PeriodStart.UnixMilli()}
		all[at] = append(all[at], Account{Subject: row.Subject, Spent: row.Spent, Leased: row.Leased, InDoubt: row.InDoubt})
	}
	return all, nil
}

// accounts lists a page of one budget's accounts, the most spent first; no place is the beginning.
func accounts(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget, start time.Time, q AccountQuery, from *place) ([]Account, error) {
	asked := budgetdb.ListAccountsParams{OrgID: org, BudgetID: id, PeriodStart: start, Search: q.Search, First: from == nil, AtMost: int32(q.Limit)}
	if from != nil {
		asked.Below, asked.After = from.spent, from.subject
	}
	rows, err := budgetdb.New(tx).ListAccounts(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("list accounts of budget %s: %w", id, err)
	}
	all := make([]Account, len(rows))
	for i, row := range rows {
		all[i] = Account{Subject: row.Subject, Spent: row.Spent, Leased: row.Leased, InDoubt: row.InDoubt}
	}
	return all, nil
}

func holders(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget, start time.Time) ([]Holder, error) {
	rows, err := budgetdb.New(tx).ListHolders(ctx, budgetdb.ListHoldersParams{OrgID: org, BudgetID: id, PeriodStart: start})
	if err != nil {
		return nil, fmt.Errorf("list edges that hold of budget %s: %w", id, err)
	}
	all := make([]Holder, len(rows))
	for i, row := range rows {
		all[i] = Holder{EdgeID: row.EdgeID, EdgeName: row.Name, Held: row.Held, At: row.UpdatedAt.UTC()}
	}
	return all, nil
}

func listPast(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget, since, now time.Time) ([]Past, error) {
	rows, err := budgetdb.New(tx).ListPast(ctx, budgetdb.ListPastParams{OrgID: org, BudgetID: id, Since: since, AtTime: now})
	if err != nil {
		return nil, fmt.Errorf("list periods of budget %s: %w", id, err)
	}
	all := make([]Past, len(rows))
	for i, row := range rows {
		all[i] = Past{
			PeriodStart: row.PeriodStart.UTC(), PeriodEnd: row.PeriodEnd.UTC(), Spent: row.Spent, Leased: row.Leased, InDoubt: row.InDoubt, Accounts: row.Accounts,
		}
	}
	return all, nil
}
