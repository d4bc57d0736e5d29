package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
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
		if all[i], err = fromRow(routedb.GetRouteRow(row), byRoute[row.RouteID]); err != nil {
			return nil, err
		}
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
func judgeTargets(ctx context.Context, tx pgx.Tx, wrong *fault.Fields, org ident.Org, in *Input) (err error) {
	in.everyTarget(func(place string, target *Target) {
		_, failed := routedb.New(tx).HoldProvider(ctx, routedb.HoldProviderParams{OrgID: org, ProviderID: target.ProviderID})
		if errors.Is(failed, pgx.ErrNoRows) {
			err = errors.Join(err, judgeGone(ctx, tx, wrong, org, place+".provider_id", target.ProviderID))
		} else if failed != nil && err == nil {
			err = fmt.Errorf("look up provider %s: %w", target.ProviderID, failed)
		}
	})
	return err
}

// judgeGone notes a provider that cannot be called: it is archived, or was never the organization's.
func judgeGone(ctx context.Context, tx pgx.Tx, wrong *fault.Fields, org ident.Org, field string, id ident.Provider) error {
	rows, err := routedb.New(tx).ListProviderNames(ctx, routedb.ListProviderNamesParams{OrgID: org, Ids: []uuid.UUID{id.UUID}})
	if err != nil {
		return fmt.Errorf("look up provider %s: %w", id, err)
	}
	if len(rows) == 0 {
		wrong.Add(field, "choose a provider of this organization")
	} else {
		wrong.Add(field, "the provider %q is archived; choose another one", rows[0].Name)
	}
	return nil
}

// judgeCache notes an embedding model that calls of the route would not find, or that does not embed.
func judgeCache(ctx context.Context, tx pgx.Tx, wrong *fault.Fields, org ident.Org, in *Input) error {
	if in.Cache == nil || in.Cache.Mode != CacheSemantic || in.Cache.EmbeddingModel == "" {
		return nil
	}
	named, err := embedders(ctx, tx, org, in.Cache.EmbeddingModel)
	if err != nil {
		return err
	}
	for _, each := range named { // the workspace's own comes first
		if each.WorkspaceID.IsZero() || each.WorkspaceID == in.WorkspaceID {
			if !each.embeds {
				wrong.Add(embeddingModel, "the route %q leads to no model that embeds; name one that leads to a model such as text-embedding-3-small", each.Name)
			}
			return nil
		}
	}
	if in.WorkspaceID.IsZero() {
		wrong.Add(embeddingModel, "no route of every workspace has the name %q; create one to an embedding model, or name another", in.Cache.EmbeddingModel)
	} else {
		wrong.Add(embeddingModel, "no route that the workspace can call has the name %q; create one to an embedding model, or name another", in.Cache.EmbeddingModel)
	}
	return nil
}

// named is a name that leads to a route.
type named struct {
	Embedder
	embeds bool
}

// embedders lists names of routes, or only one name in each place that has it, the workspaces' before that of all.
func embedders(ctx context.Context, tx pgx.Tx, org ident.Org, name string) ([]named, error) {
	rows, err := routedb.New(tx).ListEmbedders(ctx, routedb.ListEmbeddersParams{OrgID: org, Kinds: embeddingKinds(), Name: name})
	if err != nil {
		return nil, fmt.Errorf("list embedding models of %s: %w", org, err)
	}
	all := make([]named, len(rows))
	for i, row := range rows {
		all[i] = named{Embedder{row.Name, ident.Workspace{UUID: row.Place}}, row.Embeds}
	}
	return all, nil
}

func insert(ctx context.Context, tx pgx.Tx, actor authz.Actor, in Input) (Route, error) {
	id, spec := ident.New[ident.Route](), in.spec()
	err := routedb.New(tx).InsertRoute(ctx, routedb.InsertRouteParams{
		OrgID: actor.Org, RouteID: id, WorkspaceID: in.WorkspaceID, Name: in.Name, Strategy: string(in.Strategy), Spec: spec,
	})
	if err != nil {
		return Route{}, taken(err, in, "name", in.Name, "insert route")
	}
	if err := insertParts(ctx, tx, actor, id, in, 1, 0); err != nil {
		return Route{}, err
	}
	return get(ctx, tx, actor.Org, id)
}

// insertParts writes the names and targets of a route and its version.
func insertParts(ctx context.Context, tx pgx.Tx, actor authz.Actor, id ident.Route, in Input, version int32, restores int) (err error) {
	queries := routedb.New(tx)
	for i, name := range append([]string{in.Name}, in.Aliases...) {
		err := queries.InsertName(ctx, routedb.InsertNameParams{OrgID: actor.Org, Place: in.WorkspaceID.UUID, Name: name, RouteID: id})
		field := "name"
		if i > 0 {
			field = fmt.Sprintf("aliases[%d]", i-1)
		}
		if err != nil {
			return taken(err, in, field, name, "insert name of route")
		}
	}
	position := int32(0)
	in.everyTarget(func(_ string, target *Target) {
		failed := queries.InsertTarget(ctx, routedb.InsertTargetParams{
			OrgID: actor.Org, RouteID: id, Position: position, ProviderID: target.ProviderID, Model: target.Model, Weight: int32(target.Weight),
		})
		if failed != nil && err == nil {
			err = fmt.Errorf("insert target %d of route %s: %w", position, id, failed)
		}
		position++
	})
	if err != nil {
		return err
	}
	return insertVersion(ctx, tx, actor, id, in, version, restores)
}

func update(ctx context.Context, tx pgx.Tx, actor authz.Actor, id ident.Route, in Input, restores int) (Route, error) {
	queries := routedb.New(tx)
	version, err := queries.UpdateRoute(ctx, routedb.UpdateRouteParams{OrgID: actor.Org, RouteID: id, Name: in.Name, Strategy: string(in.Strategy), Spec: in.spec()})
	if errors.Is(err, pgx.ErrNoRows) {
		return Route{}, missing(err, id)
	}
	if err != nil {
		return Route{}, taken(err, in, "name", in.Name, "update route")
	}
	if err := queries.DeleteTargets(ctx, routedb.DeleteTargetsParams{OrgID: actor.Org, RouteID: id}); err != nil {
		return Route{}, fmt.Errorf("delete targets of route %s: %w", id, err)
	}
	if err := queries.DeleteNames(ctx, routedb.DeleteNamesParams{OrgID: actor.Org, RouteID: id}); err != nil {
		return Route{}, fmt.Errorf("delete names of route %s: %w", id, err)
	}
	if err := insertParts(ctx, tx, actor, id, in, version, restores); err != nil {
		return Route{}, err
	}
	return get(ctx, tx, actor.Org, id)
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route) error {
	if _, err := routedb.New(tx).ArchiveRoute(ctx, routedb.ArchiveRouteParams{OrgID: org, RouteID: id}); err != nil {
		return fmt.Errorf("archive route %s: %w", id, err)
	}
	if err := routedb.New(tx).DeleteNames(ctx, routedb.DeleteNamesParams{OrgID: org, RouteID: id}); err != nil {
		return fmt.Errorf("delete names of route %s: %w", id, err)
	}
	return nil
}

func forgetAnswers(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route) (Route, error) {
	if _, err := routedb.New(tx).ForgetAnswers(ctx, routedb.ForgetAnswersParams{OrgID: org, RouteID: id}); err != nil {
		return Route{}, fmt.Errorf("forget the answers of route %s: %w", id, err)
	}
	return get(ctx, tx, org, id)
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
	return fromRow(row, targets)
}

// getForUpdate locks the route, which must not be archived, until the end of the transaction.
func getForUpdate(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route) (Route, error) {
	if _, err := routedb.New(tx).LockRoute(ctx, routedb.LockRouteParams{OrgID: org, RouteID: id}); err != nil {
		return Route{}, missing(err, id)
	}
	return get(ctx, tx, org, id)
}

// fromRow makes a route of its row and its targets, which have the names of their providers.
func fromRow(row routedb.GetRouteRow, targets []Target) (Route, error) {
	in := Input{Name: row.Name, WorkspaceID: row.WorkspaceID, Aliases: []string{}, Strategy: Strategy(row.Strategy), Targets: targets}
	if row.Spec != nil {
		var err error
		if in, err = fromSpec(row.Spec); err != nil {
			return Route{}, fmt.Errorf("read route %s: %w", row.RouteID, err)
		}
		at := 0
		in.everyTarget(func(_ string, target *Target) {
			if at < len(targets) {
				target.ProviderName = targets[at].ProviderName
			}
			at++
		})
	}
	found := routeOf(in)
	found.ID, found.WorkspaceID, found.Name, found.Version = row.RouteID, row.WorkspaceID, row.Name, int(row.Version)
	found.CacheEpoch, found.CreatedAt, found.ArchivedAt = int(row.CacheEpoch), row.CreatedAt, row.ArchivedAt
	if row.WorkspaceName != nil {
		found.WorkspaceName = *row.WorkspaceName
	}
	return found, nil
}

func targetFromRow(row routedb.ListTargetsOfRouteRow) Target {
	return Target{ProviderID: row.ProviderID, ProviderName: row.ProviderName, Model: row.Model, Weight: int(row.Weight)}
}

func taken(err error, in Input, field, name, doing string) error {
	if tenant.Violates(err, "route_name_key") || tenant.Violates(err, "route_name_pkey") {
		return fault.Taken(field, "a route is called %q there already; choose another name or change that one", name)
	}
	return fmt.Errorf("%s %s: %w", doing, in.Name, err)
}

func missing(err error, id ident.Route) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no route %s", id)
	}
	return fmt.Errorf("route %s: %w", id, err)
}
