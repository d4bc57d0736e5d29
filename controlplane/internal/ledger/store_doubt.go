package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger/internal/ledgerdb"
	"tollgate.dev/controlplane/internal/money"
)

// NoteDoubts keeps by call what Settle has just put in doubt, inside the same transaction. Doubts of budgets that do not exist are left out.
func NoteDoubts(ctx context.Context, tx pgx.Tx, org ident.Org, doubts []Doubt) error {
	if len(doubts) == 0 {
		return nil
	}
	p := ledgerdb.NoteDoubtsParams{OrgID: org}
	for _, each := range doubts {
		p.Events, p.Budgets = append(p.Events, pgtype.UUID{Bytes: each.Event.UUID, Valid: true}), append(p.Budgets, filled(each.Budget))
		p.Starts, p.Subjects, p.Picos = append(p.Starts, each.PeriodStart), append(p.Subjects, each.Subject), append(p.Picos, each.Pico)
	}
	if err := ledgerdb.New(tx).NoteDoubts(ctx, p); err != nil {
		return fmt.Errorf("note what is in doubt: %w", err)
	}
	return nil
}

// Doubts are the books of what is in doubt. Its methods run inside a transaction that has entered org.
type Doubts struct{}

// Each shows the calls that left something of a budget in doubt that nobody has released, the latest first: those behind one that was noted at
// that time, or from the latest for the zero time.
func (Doubts) Each(ctx context.Context, tx pgx.Tx, org ident.Org, budget ident.Budget, after ident.Event, at time.Time, atMost int, see func(ident.Event, time.Time, string, money.Amount, time.Time)) error {
	rows, err := ledgerdb.New(tx).ListDoubts(ctx, ledgerdb.ListDoubtsParams{OrgID: org, BudgetID: budget, Limit: int32(atMost), First: at.IsZero(), At: at, Event: after.UUID})
	if err != nil {
		return fmt.Errorf("list what is in doubt of budget %s: %w", budget, err)
	}
	for _, row := range rows {
		see(row.EventID, row.PeriodStart.UTC(), row.Subject, money.FromPico(row.Pico), row.NotedAt)
	}
	return nil
}

// Release takes everything out of doubt in every account of a budget, as spent or as free, and returns the sum. What was released as spent is not counted again when the usage of a lost edge turns up.
func (Doubts) Release(ctx context.Context, tx pgx.Tx, org ident.Org, budget ident.Budget, asSpent bool, now time.Time) (sum money.Amount, err error) {
	queries := ledgerdb.New(tx)
	accounts, err := queries.LockDoubted(ctx, ledgerdb.LockDoubtedParams{OrgID: org, BudgetID: budget})
	if err != nil {
		return money.Amount{}, fmt.Errorf("lock accounts of budget %s: %w", budget, err)
	}
	for _, account := range accounts {
		key := Key{org, budget, account.PeriodStart, account.Subject}
		err := queries.ReleaseEvents(ctx, ledgerdb.ReleaseEventsParams{
			OrgID: org, BudgetID: budget, PeriodStart: key.PeriodStart, Subject: key.Subject, At: now, Spent: asSpent,
		})
		if err == nil {
			err = queries.ReleaseLeases(ctx, ledgerdb.ReleaseLeasesParams{
				OrgID: org, BudgetID: budget, PeriodStart: key.PeriodStart, Subject: key.Subject, Spent: asSpent,
			})
		}
		if err != nil {
			return money.Amount{}, fmt.Errorf("release what is in doubt of budget %s: %w", budget, err)
		}
		if err := release(ctx, queries, key, account.InDoubt, asSpent); err != nil {
			return money.Amount{}, err
		}
		sum = sum.Add(account.InDoubt)
	}
	return sum, nil
}

// ReleaseEvent takes what one call left in doubt out of it, in every budget, as spent or as free. It returns the largest part; nothing is in doubt when that is zero.
func (Doubts) ReleaseEvent(ctx context.Context, tx pgx.Tx, org ident.Org, event ident.Event, asSpent bool, now time.Time) (most money.Amount, err error) {
	queries := ledgerdb.New(tx)
	rows, err := queries.DoubtsOfEvent(ctx, ledgerdb.DoubtsOfEventParams{OrgID: org, EventID: event})
	if err != nil || len(rows) == 0 {
		return money.Amount{}, err
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = Key{org, row.BudgetID, row.PeriodStart, row.Subject}
	}
	budgets, starts, subjects := columns(keys)
	if _, err := queries.LockPeriods(ctx, ledgerdb.LockPeriodsParams{OrgID: org, Budgets: budgets, Starts: starts, Subjects: subjects}); err != nil {
		return money.Amount{}, fmt.Errorf("lock accounts: %w", err)
	}
	released, err := queries.ReleaseEvent(ctx, ledgerdb.ReleaseEventParams{OrgID: org, EventID: event, At: now, Spent: asSpent})
	if err != nil {
		return money.Amount{}, fmt.Errorf("release event %s: %w", event, err)
	}
	for _, row := range released {
		amount := money.FromPico(row.Pico)
		if err := release(ctx, queries, Key{org, row.BudgetID, row.PeriodStart, row.Subject}, amount, asSpent); err != nil {
			return money.Amount{}, err
		}
		if amount.Cmp(most) > 0 {
			most = amount
		}
	}
	return most, nil
}

func release(ctx context.Context, queries *ledgerdb.Queries, key Key, amount money.Amount, asSpent bool) error {
	err := queries.ReleaseAccount(ctx, ledgerdb.ReleaseAccountParams{
		OrgID: key.Org, BudgetID: key.Budget, PeriodStart: key.PeriodStart, Subject: key.Subject, Pico: amount, AsSpent: asSpent,
	})
	if err != nil {
		return fmt.Errorf("release %s of budget %s: %w", amount, key.Budget, err)
	}
	return nil
}

// DoubtedAccounts returns the accounts in which calls of an organization left something in doubt.
func DoubtedAccounts(ctx context.Context, tx pgx.Tx, org ident.Org, events []ident.Event) ([]Key, error) {
	if len(events) == 0 {
		return nil, nil
	}
	p := ledgerdb.DoubtedAccountsParams{OrgID: org}
	for _, each := range events {
		p.Events = append(p.Events, pgtype.UUID{Bytes: each.UUID, Valid: true})
	}
	rows, err := ledgerdb.New(tx).DoubtedAccounts(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("list accounts in doubt: %w", err)
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = Key{org, row.BudgetID, row.PeriodStart.UTC(), row.Subject}
	}
	return keys, nil
}

// SettleDoubt ends what one call left in doubt with what it has cost after all, in every budget that it was held in. What was released before
// is corrected. A call that left nothing in doubt changes nothing. Who settles more than one locks their accounts with Settle first.
func SettleDoubt(ctx context.Context, tx pgx.Tx, org ident.Org, event ident.Event, cost money.Amount, now time.Time) error {
	queries := ledgerdb.New(tx)
	rows, err := queries.EventDoubts(ctx, ledgerdb.EventDoubtsParams{OrgID: org, EventID: event})
	if err != nil || len(rows) == 0 {
		return err
	}
	keys := make([]Key, len(rows))
	for i, row := range rows {
		keys[i] = Key{org, row.BudgetID, row.PeriodStart, row.Subject}
	}
	budgets, starts, subjects := columns(keys)
	if _, err := queries.LockPeriods(ctx, ledgerdb.LockPeriodsParams{OrgID: org, Budgets: budgets, Starts: starts, Subjects: subjects}); err != nil {
		return fmt.Errorf("lock accounts: %w", err)
	}
	if _, err := queries.ReleaseEvent(ctx, ledgerdb.ReleaseEventParams{OrgID: org, EventID: event, At: now, Spent: false}); err != nil {
		return fmt.Errorf("settle event %s: %w", event, err)
	}
	for i, row := range rows {
		ended, spent := money.FromPico(row.Pico), cost
		if row.Released {
			ended = money.Amount{}
		}
		if row.Released && row.AsSpent {
			spent = cost.Sub(money.FromPico(row.Pico))
		}
		err := queries.SettleAccount(ctx, ledgerdb.SettleAccountParams{OrgID: org, BudgetID: keys[i].Budget, PeriodStart: keys[i].PeriodStart, Subject: keys[i].Subject, Ended: ended, Spent: spent})
		if err != nil {
			return fmt.Errorf("settle %s of budget %s: %w", cost, keys[i].Budget, err)
		}
	}
	return nil
}
