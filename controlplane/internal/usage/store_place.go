package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/usage/internal/usagedb"
)

// hourly is what was spent in each hour (UTC).
type hourly = map[time.Time]money.Amount

// costByPlace sums up what calls cost in each hour, by where they were made.
func costByPlace(ctx context.Context, tx pgx.Tx, org ident.Org, places []scope.Place, from, to time.Time) (map[scope.Place]hourly, error) {
	from = from.Truncate(time.Hour)
	all := make(map[scope.Place]hourly, len(places))
	var plain, tagged []scope.Place
	for _, place := range places {
		if _, known := all[place]; known {
			continue
		}
		all[place] = hourly{}
		if _, _, is := tagOf(place); is {
			tagged = append(tagged, place)
		} else {
			plain = append(plain, place)
		}
	}
	if err := sumPlaces(ctx, tx, org, plain, from, to, all); err != nil {
		return nil, fmt.Errorf("sum costs of %s by place: %w", org, err)
	}
	if err := sumTags(ctx, tx, org, tagged, from, to, all); err != nil {
		return nil, fmt.Errorf("sum costs of %s by label: %w", org, err)
	}
	return all, nil
}

func sumPlaces(ctx context.Context, tx pgx.Tx, org ident.Org, places []scope.Place, from, to time.Time, into map[scope.Place]hourly) error {
	if len(places) == 0 {
		return nil
	}
	type sum struct{ kind, place string }
	asked := usagedb.SumPlacesParams{OrgID: org, FromHour: from, Until: to, Workspaces: []uuid.UUID{}, Agents: []uuid.UUID{}, VirtualKeys: []uuid.UUID{}, Models: []string{}}
	wanted := map[sum][]scope.Place{}
	for _, place := range places {
		key := sum{string(place.Kind), place.ID.String()}
		switch {
		case everywhere(place):
			asked.Whole, key = true, sum{string(scope.Org), ""}
		case place.Kind == scope.Model:
			asked.Models = append(asked.Models, place.Value)
			key.place = place.Value
		case place.Kind == scope.Workspace:
			asked.Workspaces = append(asked.Workspaces, place.ID.UUID)
		case place.Kind == scope.Agent:
			asked.Agents = append(asked.Agents, place.ID.UUID)
		default:
			asked.VirtualKeys = append(asked.VirtualKeys, place.ID.UUID)
		}
		wanted[key] = append(wanted[key], place)
	}
	rows, err := usagedb.New(tx).SumPlaces(ctx, asked)
	for _, row := range rows {
		for _, place := range wanted[sum{row.Kind, row.Place}] {
			into[place][row.Hour.UTC()] = row.CostPico
		}
	}
	return err
}

func sumTags(ctx context.Context, tx pgx.Tx, org ident.Org, places []scope.Place, from, to time.Time, into map[scope.Place]hourly) error {
	if len(places) == 0 {
		return nil
	}
	type tag struct{ name, value string }
	asked := usagedb.SumTagsParams{OrgID: org, FromHour: from, Until: to, Names: []string{}, TagValues: []string{}, WholeNames: []string{}}
	wanted := map[tag]scope.Place{}
	for _, place := range places {
		name, value, _ := tagOf(place)
		if value == "" {
			asked.WholeNames = append(asked.WholeNames, name)
		} else {
			asked.Names, asked.TagValues = append(asked.Names, name), append(asked.TagValues, value)
		}
		wanted[tag{name, value}] = place
	}
	rows, err := usagedb.New(tx).SumTags(ctx, asked)
	for _, row := range rows {
		into[wanted[tag{row.Name, row.Value}]][row.Hour.UTC()] = row.CostPico
	}
	return err
}
