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

// costByPlace sums up what calls cost in each hour, by where they were made.
func costByPlace(ctx context.Context, tx pgx.Tx, org ident.Org, places []scope.Place, from, to time.Time) (map[scope.Place]map[time.Time]money.Amount, error) {
	asked := usagedb.SumPlacesParams{OrgID: org, FromHour: from.Truncate(time.Hour), Until: to, Ids: []uuid.UUID{}, Models: []string{}}
	for _, place := range places {
		switch {
		case place.Kind == scope.Org:
			asked.Whole = true
		case place.Kind == scope.Model:
			asked.Models = append(asked.Models, place.Value)
		case place.Kind.ByID():
			asked.Ids = append(asked.Ids, place.ID.UUID)
		}
	}
	rows, err := usagedb.New(tx).SumPlaces(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("sum costs of %s by place: %w", org, err)
	}
	all := map[scope.Place]map[time.Time]money.Amount{}
	for _, row := range rows {
		place := scope.Place{Kind: scope.Kind(row.Kind)}
		if place.Kind.ByID() {
			if place.ID, err = ident.Parse[ident.Scope](row.Place); err != nil {
				return nil, fmt.Errorf("sum costs of %s by place: %w", org, err)
			}
		} else {
			place.Value = row.Place
		}
		if all[place] == nil {
			all[place] = map[time.Time]money.Amount{}
		}
		all[place][row.Hour.UTC()] = row.CostPico
	}
	return all, nil
}
