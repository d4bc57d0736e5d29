package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/budget/internal/budgetdb"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
)

// List returns the budgets that are not archived inside a transaction that has entered org. It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Budget, error) {
	rows, err := budgetdb.New(tx).ListBudgets(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list budgets of %s: %w", org, err)
	}
	all := make([]Budget, len(rows))
	for i, row := range rows {
		all[i] = fromRow(budgetdb.GetBudgetRow(row))
	}
	return all, nil
}

// standings returns all budgets with the accounts that are open at a time.
func standings(ctx context.Context, tx pgx.Tx, org ident.Org, now time.Time) ([]Standing, error) {
	budgets, err := List(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	rows, err := budgetdb.New(tx).ListAccounts(ctx, budgetdb.ListAccountsParams{OrgID: org, AtTime: now})
	if err != nil {
		return nil, fmt.Errorf("list budget accounts of %s: %w", org, err)
	}
	type account struct {
		budget ident.Budget
		start  int64 // Unix milliseconds: comparable, unlike a time.Time
	}
	accounts := make(map[account]figures, len(rows))
	for _, row := range rows {
		accounts[account{row.BudgetID, row.PeriodStart.UnixMilli()}] = figuresFromRow(budgetdb.GetAccountRow(row))
	}
	all := make([]Standing, len(budgets))
	for i, budget := range budgets {
		start, end, err := budget.Bounds(now)
		if err != nil {
			return nil, fmt.Errorf("period of budget %s: %w", budget.ID, err)
		}
		all[i] = standing(budget, start, end, accounts[account{budget.ID, start.UnixMilli()}])
	}
	return all, nil
}

// stand returns one budget with its account in the period that contains now; no account yet is nothing spent.
func stand(ctx context.Context, tx pgx.Tx, org ident.Org, budget Budget, now time.Time) (Standing, error) {
	start, end, err := budget.Bounds(now)
	if err != nil {
		return Standing{}, fmt.Errorf("period of budget %s: %w", budget.ID, err)
	}
	row, err := budgetdb.New(tx).GetAccount(ctx, budgetdb.GetAccountParams{OrgID: org, BudgetID: budget.ID, PeriodStart: start})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Standing{}, fmt.Errorf("account of budget %s: %w", budget.ID, err)
	}
	return standing(budget, start, end, figuresFromRow(row)), nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, limit money.Amount) (Budget, error) {
	id := ident.New[ident.Budget]()
	err := budgetdb.New(tx).InsertBudget(ctx, budgetdb.InsertBudgetParams{
		OrgID: org, BudgetID: id, Name: in.Name, Scope: string(in.Scope), ScopeID: in.ScopeID, ScopeValue: in.ScopeValue, LimitPico: limit,
		Period: string(in.Period), TimeZone: in.TimeZone, Soft: in.Mode == Soft,
	})
	if err != nil {
		return Budget{}, taken(err, in.Name, "insert budget")
	}
	return get(ctx, tx, org, id)
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget, name string, limit money.Amount) (Budget, error) {
	count, err := budgetdb.New(tx).UpdateBudget(ctx, budgetdb.UpdateBudgetParams{OrgID: org, BudgetID: id, Name: name, LimitPico: limit})
	if err != nil {
		return Budget{}, taken(err, name, "update budget")
	}
	if count == 0 {
		return Budget{}, missing(pgx.ErrNoRows, id)
	}
	return get(ctx, tx, org, id)
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget) error {
	count, err := budgetdb.New(tx).ArchiveBudget(ctx, budgetdb.ArchiveBudgetParams{OrgID: org, BudgetID: id})
	if err == nil && count == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return missing(err, id)
	}
	return nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget) (Budget, error) {
	row, err := budgetdb.New(tx).GetBudget(ctx, budgetdb.GetBudgetParams{OrgID: org, BudgetID: id})
	if err != nil {
		return Budget{}, missing(err, id)
	}
	return fromRow(row), nil
}

func fromRow(row budgetdb.GetBudgetRow) Budget {
	mode := Hard
	if row.Soft {
		mode = Soft
	}
	return Budget{
		ID: row.BudgetID, Name: row.Name, Scope: scope.Kind(row.Scope), ScopeID: row.ScopeID, ScopeValue: row.ScopeValue, ScopeName: row.ScopeName,
		LimitUSD: row.LimitPico.Decimal(), Limit: row.LimitPico, Period: Period(row.Period), TimeZone: row.TimeZone, Mode: mode,
		CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt,
	}
}

func figuresFromRow(row budgetdb.GetAccountRow) figures {
	return figures{spent: row.Spent, leased: row.Leased, inDoubt: row.InDoubt, overrun: row.Overrun}
}

func taken(err error, name, doing string) error {
	if tenant.Violates(err, "budget_name_key") {
		return fault.Taken("name", "a budget named %q exists already; choose another name", name)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func missing(err error, id ident.Budget) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no budget %s", id)
	}
	return fmt.Errorf("budget %s: %w", id, err)
}
