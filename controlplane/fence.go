package controlplane

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edges"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/controlplane/internal/publish"
	"tollgate.dev/controlplane/internal/telemetry"
)

// claimsEnd is how long a claim that was let in just before the fence may take to be answered.
const claimsEnd = 2 * time.Second

// Fence declares an edge lost: its processes are refused for ever, and what they held of any budget is in doubt. Usage that turns up later
// is taken in all the same. The edge can only come back with a new data directory. Doing it again does no harm.
func Fence(ctx context.Context, config Config, edgeID string, out io.Writer) error {
	edge, err := ident.Parse[ident.Edge](edgeID)
	if err != nil || edge.IsZero() {
		return fmt.Errorf("fence: %q is not an edge's id", edgeID)
	}
	pool, err := openPool(ctx, config.DatabaseURL)
	if err != nil {
		return err
	}
	defer pool.Close()
	name, err := edges.Fence(ctx, pool, edge, time.Now())
	if err != nil {
		return err
	}
	logger := telemetry.NewLogger(out, config.LogLevel)
	logger.InfoContext(ctx, "an edge is fenced", "edge_id", edge, "name", name)
	f := forfeiture{
		books: ledger.New(pool, time.Now, logger), edge: edge, name: name, logger: logger,
		publisher: publish.New(publish.Config{SigningKey: config.SigningKey, FleetKey: config.FleetKey}, pool, nil, time.Now, logger),
	}
	if err := f.everywhere(ctx); err != nil {
		return err
	}
	pause := time.NewTimer(claimsEnd)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
		return f.everywhere(ctx)
	}
}

// forfeiture puts in doubt what one edge holds.
type forfeiture struct {
	publisher *publish.Service
	books     *ledger.Service
	edge      ident.Edge
	name      string
	logger    *slog.Logger
}

func (f forfeiture) everywhere(ctx context.Context) error {
	heads, err := f.publisher.Heads(ctx)
	if err != nil {
		return err
	}
	for _, head := range heads {
		if head.Org.IsZero() {
			continue // the platform has no budgets
		}
		operator := authz.Actor{Org: head.Org, Kind: authz.SystemActor, Name: "operator", Role: authz.Owner}
		sum, err := f.books.Forfeit(ctx, operator, f.edge, f.name)
		if err != nil {
			return fmt.Errorf("put leases of edge %s in doubt: %w", f.edge, err)
		}
		if sum.Sign() > 0 {
			f.logger.InfoContext(ctx, "what a fenced edge held is in doubt", "org_id", head.Org, "edge_id", f.edge, "pico_usd", sum.String())
		}
	}
	return nil
}
