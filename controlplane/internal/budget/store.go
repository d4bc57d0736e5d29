package budget

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
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

// period is a budget's period.
type period struct {
	budget ident.Budget
	start  int64 // Unix milliseconds: comparable, unlike a time.Time
}

// standings returns all budgets, or only one (archived too), with the accounts that are open at a time and without a forecast.
func standings(ctx context.Context, tx pgx.Tx, org ident.Org, budgets []Budget, only *ident.Budget, now time.Time) ([]Standing, error) {
	raises, err := openRaises(ctx, tx, org, now)
	if err != nil {
		return nil, err
	}
	var one *uuid.UUID
	if only != nil {
		one = &only.UUID
	}
	rows, err := budgetdb.New(tx).SumAccounts(ctx, budgetdb.SumAccountsParams{OrgID: org, AtTime: now, Budget: one})
	if err != nil {
		return nil, fmt.Errorf("sum budget accounts of %s: %w", org, err)
	}
	accounts := make(map[period]figures, len(rows))
	for _, row := range rows {
		accounts[period{row.BudgetID, row.PeriodStart.UnixMilli()}] = figures{
			accounts: row.Accounts, usedUp: row.UsedUp, spent: row.Spent, leased: row.Leased, inDoubt: row.InDoubt, fullest: row.Fullest, overrun: row.Overrun,
		}
	}
	fullest, err := topOf(ctx, tx, org, one, now)
	if err != nil {
		return nil, err
	}
	all := make([]Standing, len(budgets))
	for i, budget := range budgets {
		start, end, err := budget.Bounds(now)
		if err != nil {
			return nil, fmt.Errorf("period of budget %s: %w", budget.ID, err)
		}
		at := period{budget.ID, start.UnixMilli()}
		all[i] = standing(budget, raises[budget.ID], accounts[at], fullest[at], start, end, now)
	}
	return all, nil
}

// stand returns one budget as standings does.
func stand(ctx context.Context, tx pgx.Tx, org ident.Org, budget Budget, now time.Time) (Standing, error) {
	all, err := standings(ctx, tx, org, []Budget{budget}, &budget.ID, now)
	if err != nil {
		return Standing{}, err
	}
	return all[0], nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, limit money.Amount) (Budget, error) {
	id := ident.New[ident.Budget]()
	err := budgetdb.New(tx).InsertBudget(ctx, budgetdb.InsertBudgetParams{
		OrgID: org, BudgetID: id, Name: in.Name, Scope: string(in.Scope), ScopeID: in.ScopeID, ScopeValue: in.ScopeValue, LimitPico: limit,
		Period: string(in.Period), TimeZone: in.TimeZone, Soft: in.Mode == Soft,
		AlertPercents: toRow(in.AlertPercents), AlertForecast: in.AlertForecast == nil || *in.AlertForecast,
	})
	if err != nil {
		return Budget{}, taken(err, in.Name, "insert budget")
	}
	return get(ctx, tx, org, id)
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget, to terms) (Budget, error) {
	count, err := budgetdb.New(tx).UpdateBudget(ctx, budgetdb.UpdateBudgetParams{
		OrgID: org, BudgetID: id, Name: to.name, LimitPico: to.limit, Soft: to.mode == Soft,
		AlertPercents: toRow(to.alertPercents), AlertForecast: to.alertForecast,
	})
	if err != nil {
		return Budget{}, taken(err, to.name, "update budget")
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
		CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt, AlertPercents: fromPercents(row.AlertPercents), AlertForecast: row.AlertForecast,
	}
}

func toRow(percents []int) []int32 {
	row := make([]int32, len(percents))
	for i, percent := range percents {
		row[i] = int32(percent)
	}
	return row
}

func fromPercents(row []int32) []int {
	percents := make([]int, len(row))
	for i, percent := range row {
		percents[i] = int(percent)
	}
	return percents
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
