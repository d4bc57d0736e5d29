package controlplane

import (
	"context"
	"fmt"
	"io"
	"time"

	"tollgate.dev/controlplane/internal/price"
)

// ImportPrices puts a table into the price catalog of every organization and says on out what that changes. What it says of a model goes
// before the table that comes with the program, also at later starts. A dry run changes nothing.
func ImportPrices(ctx context.Context, config Config, table io.Reader, dryRun bool, out io.Writer) error {
	pool, err := openPool(ctx, config.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	found, err := price.New(pool, time.Now).Import(ctx, table, dryRun)
	if err != nil {
		return fmt.Errorf("import prices: %w", err)
	}
	for _, each := range found.Changes {
		what := "added"
		if each.Before != nil {
			what = "changed"
		}
		_, _ = fmt.Fprintf(out, "%s %s/%s from %s\n", what, each.After.Catalog, each.After.Model, each.After.EffectiveAt.Format(time.RFC3339))
	}
	done := "applied"
	if dryRun {
		done = "dry run, nothing is changed"
	}
	_, err = fmt.Fprintf(out, "%d added, %d changed, %d unchanged: %s\n", found.Added, found.Changed, found.Unchanged, done)
	return err
}

// ExportPrices writes the price catalog as a table that ImportPrices reads.
func ExportPrices(ctx context.Context, config Config, out io.Writer) error {
	pool, err := openPool(ctx, config.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	all, err := price.New(pool, time.Now).Catalog(ctx)
	if err != nil {
		return err
	}
	return price.WriteCSV(out, all)
}
