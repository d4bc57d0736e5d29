package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route/internal/routedb"
	"tollgate.dev/controlplane/internal/tenant"
)

// List returns the routes that are not archived, with their targets, inside a transaction that has entered org. It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Route, error) {
	queries := routedb.New(tx)
	rows, err := queries.ListRoutes(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list routes of %s: %w", org, err)
	}
	targets, err := queries.ListTargets(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list targets of %s: %w", org, err)
	}
	byRoute := make(map[ident.Route][]Target, len(rows))
	for _, row := range targets {
		byRoute[row.RouteID] = append(byRoute[row.RouteID], targetFromRow(routedb.ListTargetsOfRouteRow(row)))
	}
	all := make([]Route, len(rows))
	for i, row := range rows {
		all[i] = fromRow(routedb.GetRouteRow(row), byRoute[row.RouteID])
	}
	return all, nil
}

func judgeWorkspace(ctx context.Context, tx pgx.Tx, wrong *fault.Fields, org ident.Org, id ident.Workspace) error {
	if id.IsZero() {
		return nil
	}
	exists, err := routedb.New(tx).WorkspaceExists(ctx, routedb.WorkspaceExistsParams{OrgID: org, WorkspaceID: id})
	if err != nil {
		return fmt.Errorf("look up workspace %s: %w", id, err)
	}
	if !exists {
		wrong.Add("workspace_id", "choose a workspace of this organization, or none for a route of every workspace")
	}
	return nil
}

// judgeTargets notes the targets whose provider is not the organization's, and keeps the others from being archived until the commit.
func judgeTargets(ctx context.Context, tx pgx.Tx, wrong *fault.Fields, org ident.Org, targets []Target) error {
	for i, target := range targets {
		_, err := routedb.New(tx).HoldProvider(ctx, routedb.HoldProviderParams{OrgID: org, ProviderID: target.ProviderID})
		if errors.Is(err, pgx.ErrNoRows) {
			wrong.Add(fieldOf(i, "provider_id"), "choose a provider of this organization")
		} else if err != nil {
			return fmt.Errorf("look up provider %s: %w", target.ProviderID, err)
		}
	}
	return nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input) (Route, error) {
	id := ident.New[ident.Route]()
	err := routedb.New(tx).InsertRoute(ctx, routedb.InsertRouteParams{
		OrgID: org, RouteID: id, WorkspaceID: in.WorkspaceID, Name: in.Name, Strategy: string(in.Strategy),
	})
	if err != nil {
		return Route{}, taken(err, in, "insert route")
	}
	if err := insertTargets(ctx, tx, org, id, in.Targets); err != nil {
		return Route{}, err
	}
	return get(ctx, tx, org, id)
}

func insertTargets(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route, targets []Target) error {
	for i, target := range targets {
		err := routedb.New(tx).InsertTarget(ctx, routedb.InsertTargetParams{
			OrgID: org, RouteID: id, Position: int32(i), ProviderID: target.ProviderID, Model: target.Model, Weight: int32(target.Weight),
		})
		if err != nil {
			return fmt.Errorf("insert target %d of route %s: %w", i, id, err)
		}
	}
	return nil
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route, in Input) (Route, error) {
	queries := routedb.New(tx)
	count, err := queries.UpdateRoute(ctx, routedb.UpdateRouteParams{OrgID: org, RouteID: id, Name: in.Name, Strategy: string(in.Strategy)})
	if err != nil {
		return Route{}, taken(err, in, "update route")
	}
	if count == 0 {
		return Route{}, missing(pgx.ErrNoRows, id)
	}
	if err := queries.DeleteTargets(ctx, routedb.DeleteTargetsParams{OrgID: org, RouteID: id}); err != nil {
		return Route{}, fmt.Errorf("delete targets of route %s: %w", id, err)
	}
	if err := insertTargets(ctx, tx, org, id, in.Targets); err != nil {
		return Route{}, err
	}
	return get(ctx, tx, org, id)
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route) error {
	if _, err := routedb.New(tx).ArchiveRoute(ctx, routedb.ArchiveRouteParams{OrgID: org, RouteID: id}); err != nil {
		return fmt.Errorf("archive route %s: %w", id, err)
	}
	return nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route) (Route, error) {
	queries := routedb.New(tx)
	row, err := queries.GetRoute(ctx, routedb.GetRouteParams{OrgID: org, RouteID: id})
	if err != nil {
		return Route{}, missing(err, id)
	}
	rows, err := queries.ListTargetsOfRoute(ctx, routedb.ListTargetsOfRouteParams{OrgID: org, RouteID: id})
	if err != nil {
		return Route{}, fmt.Errorf("list targets of route %s: %w", id, err)
	}
	targets := make([]Target, len(rows))
	for i, row := range rows {
		targets[i] = targetFromRow(row)
	}
	return fromRow(row, targets), nil
}

// getForUpdate locks the route, which must not be archived, until the end of the transaction.
func getForUpdate(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route) (Route, error) {
	if _, err := routedb.New(tx).LockRoute(ctx, routedb.LockRouteParams{OrgID: org, RouteID: id}); err != nil {
		return Route{}, missing(err, id)
	}
	return get(ctx, tx, org, id)
}

func fromRow(row routedb.GetRouteRow, targets []Target) Route {
	found := Route{
		ID: row.RouteID, WorkspaceID: row.WorkspaceID, Name: row.Name, Strategy: Strategy(row.Strategy), Targets: targets,
		CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt,
	}
	if row.WorkspaceName != nil {
		found.WorkspaceName = *row.WorkspaceName
	}
	return found
}

func targetFromRow(row routedb.ListTargetsOfRouteRow) Target {
	return Target{ProviderID: row.ProviderID, ProviderName: row.ProviderName, Model: row.Model, Weight: int(row.Weight)}
}

func taken(err error, in Input, doing string) error {
	if tenant.Violates(err, "route_name_key") {
		return fault.Taken("name", "a route named %q is there already; choose another name or change that one", in.Name)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func missing(err error, id ident.Route) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no route %s", id)
	}
	return fmt.Errorf("route %s: %w", id, err)
}
