package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/usage/internal/usagedb"
)

// hourly is what was spent in each hour (UTC).
type hourly = map[time.Time]money.Amount

// costs are what is asked for: values of some dimensions, each with the places whose cost it is a part of.
type costs struct {
	wanted map[valued][]scope.Place
	found  map[scope.Place]hourly
}

// costByPlace sums up what calls cost in each hour, by where they were made: of all places at once, what is summed up and what is not yet.
func costByPlace(ctx context.Context, tx pgx.Tx, org ident.Org, places []scope.Place, from, to time.Time) (map[scope.Place]hourly, error) {
	from = from.Truncate(time.Hour)
	all := costs{map[valued][]scope.Place{}, make(map[scope.Place]hourly, len(places))}
	asked := usagedb.ListCostsParams{OrgID: org, FromTime: from, Until: to}
	var plain bool
	var tags []string
	for _, place := range places {
		if all.found[place] != nil {
			continue
		}
		all.found[place] = hourly{}
		for _, value := range valuesOf(place) {
			if all.wanted[value] == nil {
				asked.Dimensions, asked.Names, asked.Among = append(asked.Dimensions, value.dimension), append(asked.Names, value.name), append(asked.Among, value.value)
			}
			all.wanted[value] = append(all.wanted[value], place)
			if value.source() == "hour" {
				plain = true
			} else {
				tags = append(tags, value.name)
			}
		}
	}
	rows, err := usagedb.New(tx).ListCosts(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("list costs of %s: %w", org, err)
	}
	for _, r := range rows {
		all.add(valued{slicing{r.Dimension, r.Name}, r.Value}, r.Start, r.CostPico)
	}
	return all.found, all.addFresh(ctx, tx, asked, plain, tags)
}

// addFresh adds what is not summed up yet.
func (c *costs) addFresh(ctx context.Context, tx pgx.Tx, asked usagedb.ListCostsParams, plain bool, tags []string) error {
	if plain {
		rows, err := usagedb.New(tx).ListFreshCosts(ctx, usagedb.ListFreshCostsParams{OrgID: asked.OrgID, FromTime: asked.FromTime, Until: asked.Until})
		if err != nil {
			return fmt.Errorf("list fresh costs of %s: %w", asked.OrgID, err)
		}
		for _, r := range rows {
			c.add(valued{slicing{r.Dimension, ""}, r.Value}, r.Start, r.CostPico)
		}
	}
	if len(tags) > 0 {
		rows, err := usagedb.New(tx).ListFreshTagCosts(ctx, usagedb.ListFreshTagCostsParams{OrgID: asked.OrgID, FromTime: asked.FromTime, Until: asked.Until, Names: tags})
		if err != nil {
			return fmt.Errorf("list fresh costs of %s by label: %w", asked.OrgID, err)
		}
		for _, r := range rows {
			c.add(valued{slicing{r.Dimension, r.Name}, r.Value}, r.Start, r.CostPico)
		}
	}
	return nil
}

func (c *costs) add(value valued, start time.Time, cost money.Amount) {
	for _, place := range c.wanted[value] {
		c.found[place][start.UTC()] = c.found[place][start.UTC()].Add(cost)
	}
}
