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
			ID: row.PriceID, Catalog: row.Catalog, Model: row.Model, EffectiveAt: row.EffectiveAt, AboveTokens: row.AboveTokens,
			InputPico: row.InputPico, CachedInputPico: row.CachedInputPico,
			CacheWritePico: row.CacheWritePico, CacheWriteHourPico: row.CacheWriteHourPico,
			OutputPico: row.OutputPico, ReasoningPico: row.ReasoningPico, AudioInputPico: row.AudioInputPico, AudioOutputPico: row.AudioOutputPico,
			RequestPico: row.RequestPico, ContextTokens: row.ContextTokens, MaxOutputTokens: row.MaxOutputTokens,
		}
	}
	return all, nil
}

// upsert says whether any row was new or different.
func upsert(ctx context.Context, tx pgx.Tx, table []Price) (changed bool, err error) {
	var in pricedb.UpsertPricesParams
	for _, p := range table {
		in.Ids, in.Catalogs, in.Models = append(in.Ids, p.ID.UUID), append(in.Catalogs, p.Catalog), append(in.Models, p.Model)
		in.Effectives, in.Aboves = append(in.Effectives, p.EffectiveAt), append(in.Aboves, p.AboveTokens)
		in.Inputs, in.CachedInputs = append(in.Inputs, p.InputPico), append(in.CachedInputs, p.CachedInputPico)
		in.CacheWrites, in.CacheWriteHours = append(in.CacheWrites, p.CacheWritePico), append(in.CacheWriteHours, p.CacheWriteHourPico)
		in.Outputs, in.Reasonings = append(in.Outputs, p.OutputPico), append(in.Reasonings, p.ReasoningPico)
		in.AudioInputs, in.AudioOutputs = append(in.AudioInputs, p.AudioInputPico), append(in.AudioOutputs, p.AudioOutputPico)
		in.Requests, in.Contexts = append(in.Requests, p.RequestPico), append(in.Contexts, p.ContextTokens)
		in.MaxOutputs = append(in.MaxOutputs, p.MaxOutputTokens)
	}
	count, err := pricedb.New(tx).UpsertPrices(ctx, in)
	if err != nil {
		return false, fmt.Errorf("load the price table: %w", err)
	}
	return count > 0, nil
}
