package usage

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
)

// hourly is what was spent in each hour (UTC).
type hourly = map[time.Time]money.Amount

// costByPlace sums up what calls cost in each hour, by where they were made.
func costByPlace(ctx context.Context, tx pgx.Tx, org ident.Org, places []scope.Place, from, to time.Time) (map[scope.Place]hourly, error) {
	from = from.Truncate(time.Hour)
	all := make(map[scope.Place]hourly, len(places))
	wanted := map[slicing]map[string][]scope.Place{}
	for _, place := range places {
		if all[place] != nil {
			continue
		}
		all[place] = hourly{}
		by, value := slicingOf(place)
		if wanted[by] == nil {
			wanted[by] = map[string][]scope.Place{}
		}
		wanted[by][value] = append(wanted[by][value], place)
	}
	for by, values := range wanted {
		rows, err := costsOf(ctx, tx, org, by, slices.Sorted(maps.Keys(values)), from, to)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			value := rows[i].key
			if whole(by) {
				value = ""
			}
			for _, place := range values[value] {
				all[place][rows[i].start] = all[place][rows[i].start].Add(rows[i].Cost)
			}
		}
	}
	return all, nil
}

// costsOf lists sums by hour of some values, or of all of them where they are asked for together.
func costsOf(ctx context.Context, tx pgx.Tx, org ident.Org, by slicing, values []string, from, to time.Time) ([]row, error) {
	if whole(by) {
		return slicesOf(ctx, tx, org, by, ByHour, from, to, row{}, slicesMax)
	}
	return slicesAmong(ctx, tx, org, by, ByHour, from, to, values)
}
