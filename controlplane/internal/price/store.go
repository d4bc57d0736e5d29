package price

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/price/internal/pricedb"
)

// List returns all prices inside the caller's transaction. It is for publish.
func List(ctx context.Context, tx pgx.Tx) ([]Price, error) { return list(ctx, tx, "") }

// list returns the prices whose "<catalog>/<model>" contains the text, without regard to case.
func list(ctx context.Context, tx pgx.Tx, search string) ([]Price, error) {
	rows, err := pricedb.New(tx).ListPrices(ctx, strings.ToValidUTF8(strings.ReplaceAll(strings.TrimSpace(search), "\x00", ""), ""))
	if err != nil {
		return nil, fmt.Errorf("list prices: %w", err)
	}
	all := make([]Price, len(rows))
	for i, row := range rows {
		all[i] = Price{
			ID: row.PriceID, Catalog: row.Catalog, Model: row.Model, EffectiveAt: row.EffectiveAt,
			InputPico: row.InputPico, CachedInputPico: row.CachedInputPico, CacheWritePico: row.CacheWritePico,
			OutputPico: row.OutputPico, ReasoningPico: row.ReasoningPico, ContextTokens: row.ContextTokens, MaxOutputTokens: row.MaxOutputTokens,
		}
	}
	return all, nil
}

// upsert says whether any row was new or different. Rows are taken in the table's order, which is the lock order.
func upsert(ctx context.Context, tx pgx.Tx, table []Price) (changed bool, err error) {
	queries := pricedb.New(tx)
	for _, p := range table {
		count, err := queries.UpsertPrice(ctx, pricedb.UpsertPriceParams{
			PriceID: p.ID, Catalog: p.Catalog, Model: p.Model, EffectiveAt: p.EffectiveAt,
			InputPico: p.InputPico, CachedInputPico: p.CachedInputPico, CacheWritePico: p.CacheWritePico,
			OutputPico: p.OutputPico, ReasoningPico: p.ReasoningPico, ContextTokens: p.ContextTokens, MaxOutputTokens: p.MaxOutputTokens,
		})
		if err != nil {
			return false, fmt.Errorf("load the price of %s/%s: %w", p.Catalog, p.Model, err)
		}
		changed = changed || count > 0
	}
	return changed, nil
}
