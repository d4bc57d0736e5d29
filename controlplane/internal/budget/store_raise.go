package budget

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/budget/internal/budgetdb"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
)

// openRaises returns the raises that are in force or to come, by budget, the first to begin first.
func openRaises(ctx context.Context, tx pgx.Tx, org ident.Org, now time.Time) (map[ident.Budget][]Raise, error) {
	rows, err := budgetdb.New(tx).ListOpenRaises(ctx, budgetdb.ListOpenRaisesParams{OrgID: org, AtTime: now})
	if err != nil {
		return nil, fmt.Errorf("list raises of %s: %w", org, err)
	}
	all := map[ident.Budget][]Raise{}
	for _, row := range rows {
		all[row.BudgetID] = append(all[row.BudgetID], fromRaiseRow(budgetdb.GetRaiseRow(row)))
	}
	return all, nil
}

func listRaises(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget) ([]Raise, error) {
	rows, err := budgetdb.New(tx).ListRaises(ctx, budgetdb.ListRaisesParams{OrgID: org, BudgetID: id})
	if err != nil {
		return nil, fmt.Errorf("list raises of budget %s: %w", id, err)
	}
	all := make([]Raise, len(rows))
	for i, row := range rows {
		all[i] = fromRaiseRow(budgetdb.GetRaiseRow(row))
	}
	return all, nil
}

func getRaise(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget, raise ident.Raise) (Raise, error) {
	row, err := budgetdb.New(tx).GetRaise(ctx, budgetdb.GetRaiseParams{OrgID: org, BudgetID: id, RaiseID: raise})
	if errors.Is(err, pgx.ErrNoRows) {
		return Raise{}, fault.New(fault.NotFound, "this budget has no raise %s", raise)
	}
	if err != nil {
		return Raise{}, fmt.Errorf("raise %s: %w", raise, err)
	}
	return fromRaiseRow(row), nil
}

func insertRaise(ctx context.Context, tx pgx.Tx, org ident.Org, raise Raise) (Raise, error) {
	raise.ID = ident.New[ident.Raise]()
	err := budgetdb.New(tx).InsertRaise(ctx, budgetdb.InsertRaiseParams{
		OrgID: org, RaiseID: raise.ID, BudgetID: raise.BudgetID, AmountPico: raise.Amount, Reason: raise.Reason,
		StartsAt: raise.StartsAt, EndsAt: raise.EndsAt, MadeBy: raise.MadeBy,
	})
	if err != nil {
		return Raise{}, fmt.Errorf("insert raise of budget %s: %w", raise.BudgetID, err)
	}
	return getRaise(ctx, tx, org, raise.BudgetID, raise.ID)
}

// endRaise waits for the claims that are granted by the raise.
func endRaise(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Budget, raise ident.Raise, by string, now time.Time) (Raise, error) {
	queries := budgetdb.New(tx)
	if _, err := queries.HoldBudget(ctx, budgetdb.HoldBudgetParams{OrgID: org, BudgetID: id}); err != nil {
		return Raise{}, fmt.Errorf("hold budget %s: %w", id, err)
	}
	count, err := queries.EndRaise(ctx, budgetdb.EndRaiseParams{OrgID: org, BudgetID: id, RaiseID: raise, EndedAt: &now, EndedBy: by})
	if err != nil {
		return Raise{}, fmt.Errorf("end raise %s: %w", raise, err)
	}
	if count == 0 {
		return Raise{}, fault.New(fault.Conflict, "this raise is over already")
	}
	return getRaise(ctx, tx, org, id, raise)
}

// Raised returns what raises add to the limits of budgets at a time, inside a transaction that has entered org. It is for publish.
func Raised(ctx context.Context, tx pgx.Tx, org ident.Org, at time.Time) (map[ident.Budget]money.Amount, error) {
	open, err := openRaises(ctx, tx, org, at)
	if err != nil {
		return nil, err
	}
	all := make(map[ident.Budget]money.Amount, len(open))
	for id, raises := range open {
		all[id] = raisedAt(raises, at)
	}
	return all, nil
}

func turnOf(ctx context.Context, tx pgx.Tx, of Turn) (turn, error) {
	row, err := budgetdb.New(tx).GetTurn(ctx, budgetdb.GetTurnParams{OrgID: of.Org, BudgetID: of.Budget, RaiseID: of.Raise})
	if errors.Is(err, pgx.ErrNoRows) {
		return turn{}, fault.New(fault.NotFound, "this budget has no raise %s", of.Raise)
	}
	if err != nil {
		return turn{}, fmt.Errorf("turn of raise %s: %w", of.Raise, err)
	}
	return turn{missed: row.Missed, next: time.Duration(math.Ceil(row.NextSeconds * float64(time.Second)))}, nil
}

func fromRaiseRow(row budgetdb.GetRaiseRow) Raise {
	return Raise{
		ID: row.RaiseID, BudgetID: row.BudgetID, AmountUSD: row.AmountPico.Decimal(), Amount: row.AmountPico, Reason: row.Reason,
		StartsAt: row.StartsAt.UTC(), EndsAt: row.EndsAt.UTC(), MadeBy: row.MadeBy, MadeAt: row.MadeAt.UTC(), EndedAt: row.EndedAt, EndedBy: row.EndedBy,
	}
}
