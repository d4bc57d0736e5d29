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
)

// insertVersion keeps what the route is saved as, and forgets what was saved too long ago.
func insertVersion(ctx context.Context, tx pgx.Tx, actor authz.Actor, id ident.Route, in Input, version int32, restores int) error {
	params := routedb.InsertVersionParams{OrgID: actor.Org, RouteID: id, Version: version, Name: in.Name, Spec: in.spec(), ActorName: actor.Name}
	if from := int32(restores); from > 0 {
		params.Restores = &from
	}
	if err := routedb.New(tx).InsertVersion(ctx, params); err != nil {
		return fmt.Errorf("keep version %d of route %s: %w", version, id, err)
	}
	if err := routedb.New(tx).ForgetVersions(ctx, routedb.ForgetVersionsParams{OrgID: actor.Org, RouteID: id, Version: version - versionsKept}); err != nil {
		return fmt.Errorf("forget versions of route %s: %w", id, err)
	}
	return nil
}

// versions returns at most count versions from before one (0: the newest), each with its changes.
func versions(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route, before, count int) ([]Version, error) {
	rows, err := routedb.New(tx).ListVersions(ctx, routedb.ListVersionsParams{OrgID: org, RouteID: id, Before: int32(before), Count: int32(count + 1)})
	if err != nil {
		return nil, fmt.Errorf("list versions of route %s: %w", id, err)
	}
	all := make([]Version, 0, len(rows))
	for _, row := range rows {
		one, err := versionOf(routedb.GetVersionRow(row))
		if err != nil {
			return nil, fmt.Errorf("version %d of route %s: %w", row.Version, id, err)
		}
		all = append(all, one)
	}
	if err := nameProviders(ctx, tx, org, all); err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(all); i++ {
		all[i].Changes = changes(all[i+1].Route.lines(), all[i].Route.lines())
	}
	return all, nil
}

func version(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Route, number int) (Version, error) {
	row, err := routedb.New(tx).GetVersion(ctx, routedb.GetVersionParams{OrgID: org, RouteID: id, Version: int32(number)})
	if errors.Is(err, pgx.ErrNoRows) {
		return Version{}, fault.New(fault.NotFound, "there is no version %d of this route", number)
	}
	if err != nil {
		return Version{}, fmt.Errorf("version %d of route %s: %w", number, id, err)
	}
	return versionOf(row)
}

func versionOf(row routedb.GetVersionRow) (Version, error) {
	in, err := fromSpec(row.Spec)
	if err != nil {
		return Version{}, err
	}
	in.Name = row.Name
	one := Version{Version: int(row.Version), Route: in, SavedAt: row.SavedAt, ActorName: row.ActorName, Changes: []Change{}}
	if row.Restores != nil {
		one.Restores = int(*row.Restores)
	}
	return one, nil
}

// nameProviders writes beside each target, and the mirror, what its provider is called now.
func nameProviders(ctx context.Context, tx pgx.Tx, org ident.Org, all []Version) error {
	var ids []uuid.UUID
	for _, one := range all {
		each(one.Route.Targets, "", func(_ string, target *Target) { ids = append(ids, target.ProviderID.UUID) })
		if one.Route.Mirror != nil {
			ids = append(ids, one.Route.Mirror.ProviderID.UUID)
		}
	}
	rows, err := routedb.New(tx).ListProviderNames(ctx, routedb.ListProviderNamesParams{OrgID: org, Ids: ids})
	if err != nil {
		return fmt.Errorf("list names of providers: %w", err)
	}
	names := map[ident.Provider]string{}
	for _, row := range rows {
		names[row.ProviderID] = row.Name
	}
	for _, one := range all {
		each(one.Route.Targets, "", func(_ string, target *Target) { target.ProviderName = names[target.ProviderID] })
		if mirror := one.Route.Mirror; mirror != nil {
			mirror.ProviderName = names[mirror.ProviderID]
		}
	}
	return nil
}
