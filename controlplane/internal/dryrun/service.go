package dryrun

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/dataplane/wire"
)

// Service is how people try routes.
type Service struct {
	db     *tenant.DB
	routes *route.Service
	keys   *virtualkey.Service
	now    func() time.Time
}

// New returns a Service over the tenants' database.
func New(db *tenant.DB, routes *route.Service, keys *virtualkey.Service, now func() time.Time) *Service {
	return &Service{db, routes, keys, now}
}

// Run says what an edge would do with a call of the route.
func (s *Service) Run(ctx context.Context, actor authz.Actor, id ident.Route, in Request) (Result, error) {
	found, err := s.routes.Get(ctx, actor, id)
	if err != nil {
		return Result{}, err
	}
	if err := in.judge(); err != nil {
		return Result{}, err
	}
	if !in.VirtualKeyID.IsZero() {
		key, err := s.keys.Get(ctx, actor, in.VirtualKeyID)
		if err != nil {
			return Result{}, err
		}
		in.Key, in.Workspace, in.Agent = key.Name, key.WorkspaceName, key.AgentName
	}
	tree, err := s.routes.Tree(found)
	if err != nil {
		return Result{}, err
	}
	world := &stage{request: in, call: in.call(found, s.now(), tree.Zone), held: make([]string, len(found.Leaves()))}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		world.prices, err = pricesOf(ctx, tx, actor.Org, found.Leaves(), world.call.At)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	out := result(found, tree, world)
	out.Notes = notes(found, out.Targets)
	return out, nil
}

// notes says what a route does beside choosing a target.
func notes(found route.Route, targets []Target) []string {
	all := []string{}
	if found.Cache != nil && len(targets) > 0 {
		all = append(all, fmt.Sprintf("For %s a kept answer of %s / %s serves the same call for nothing.", time.Duration(found.Cache.TTLSeconds)*time.Second, targets[0].Provider, targets[0].Model))
	}
	if m := found.Mirror; m != nil {
		all = append(all, fmt.Sprintf("%d.%d%% of the calls that were answered are put to %s / %s too, if a hard budget for the label %s=%s holds them.", m.SharePerMille/10, m.SharePerMille%10, m.ProviderName, m.Model, route.MirrorLabel, found.Name))
	}
	return all
}

// pricesOf returns what the targets cost at a time, as edges find it.
func pricesOf(ctx context.Context, tx pgx.Tx, org ident.Org, targets []route.Target, at time.Time) ([]*wire.Tariff, error) {
	list, err := price.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	own, err := price.ListOwn(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	providers, err := provider.List(ctx, tx, org)
	if err != nil {
		return nil, err
	}
	catalog, ours, names := wire.NewTariffs(), wire.NewTariffs(), map[ident.Provider]string{}
	for _, each := range list {
		if err := catalog.Add(each.Wire()); err != nil {
			return nil, fmt.Errorf("read the price catalog: %w", err)
		}
	}
	for _, each := range own {
		if each.EndedAt != nil && !each.EndedAt.After(each.EffectiveAt) {
			continue
		}
		if err := ours.Add(each.Wire()); err != nil {
			return nil, fmt.Errorf("read prices of %s: %w", org, err)
		}
	}
	if err := catalog.Arrange(); err != nil {
		return nil, fmt.Errorf("arrange the price catalog: %w", err)
	}
	if err := ours.Arrange(); err != nil {
		return nil, fmt.Errorf("arrange prices of %s: %w", org, err)
	}
	for _, each := range providers {
		names[each.ID] = each.Catalog
	}
	prices := make([]*wire.Tariff, len(targets))
	for i, target := range targets {
		prices[i] = ours.Schedule(catalog, names[target.ProviderID], target.Model).At(at)
	}
	return prices, nil
}
