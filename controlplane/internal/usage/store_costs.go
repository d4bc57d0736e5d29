package usage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/usage/internal/usagedb"
)

// costsBy lists what each value of some groups cost in the hours of a range, of all groups at once: what is summed up and what is not yet.
func costsBy(ctx context.Context, tx pgx.Tx, org ident.Org, groups []Group, from, to time.Time) ([]Hourly, error) {
	asked := usagedb.ListCostsByParams{OrgID: org, FromTime: from.Truncate(time.Hour), Until: to}
	called := map[Group]names{}
	for _, group := range groups {
		some, err := namesOf(ctx, tx, org, group)
		if err != nil {
			return nil, err
		}
		asked.Dimensions, called[group] = append(asked.Dimensions, string(group)), some
	}
	type place struct{ dimension, value string }
	found := map[place]int{}
	var all []Hourly
	add := func(at place, start time.Time, cost money.Amount) {
		i, known := found[at]
		if !known {
			i, found[at] = len(all), len(all)
			one := Hourly{Group: Group(at.dimension), Costs: hourly{}}
			one.GroupID, one.GroupName = called[one.Group].of(at.value)
			all = append(all, one)
		}
		all[i].Costs[start.UTC()] = all[i].Costs[start.UTC()].Add(cost)
	}
	rows, err := usagedb.New(tx).ListCostsBy(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("list costs of %s by hour: %w", org, err)
	}
	for _, r := range rows {
		add(place{r.Dimension, r.Value}, r.Start, r.CostPico)
	}
	fresh, err := usagedb.New(tx).ListFreshCosts(ctx, usagedb.ListFreshCostsParams{OrgID: org, FromTime: asked.FromTime, Until: to})
	if err != nil {
		return nil, fmt.Errorf("list fresh costs of %s: %w", org, err)
	}
	for _, r := range fresh {
		if slices.Contains(groups, Group(r.Dimension)) && r.CostPico.Sign() != 0 {
			add(place{r.Dimension, r.Value}, r.Start, r.CostPico)
		}
	}
	return all, nil
}
