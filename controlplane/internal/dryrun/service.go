package dryrun

import (
	"context"
	"fmt"
	"strings"
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
	fleet  fleet
	reader reader
	now    func() time.Time
}

// New returns a Service over the tenants' database.
func New(db *tenant.DB, routes *route.Service, keys *virtualkey.Service, fleet fleet, reader reader, now func() time.Time) *Service {
	return &Service{db, routes, keys, fleet, reader, now}
}

// Run says what an edge would do with a call of the route.
func (s *Service) Run(ctx context.Context, actor authz.Actor, id ident.Route, in Request) (Result, error) {
	found, err := s.routes.Get(ctx, actor, id)
	if err != nil {
		return Result{}, err
	}
	if err := in.judge(s.reader); err != nil {
		return Result{}, err
	}
	if in, err = in.with(s.reader, s.now()); err != nil {
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
	world := &stage{request: in, call: in.call(found, s.now(), tree.Zone)}
	if world.heard, err = s.listen(ctx, actor, found, in.EdgeID); err != nil {
		return Result{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		providers, err := provider.List(ctx, tx, actor.Org)
		if err != nil {
			return err
		}
		world.reaches = s.reached(world.call.Dialect, found.Leaves(), providers)
		world.prices, err = pricesOf(ctx, tx, actor.Org, found.Leaves(), providers, world.call.At)
		return err
	})
	if err != nil {
		return Result{}, err
	}
	out := result(found, tree, world)
	out.Notes = append(notes(found, out.Targets), world.heard.notes...)
	if note := elsewhere(world.call.Model, found); note != "" {
		out.Notes = append([]string{note}, out.Notes...)
	}
	return out, nil
}

// reached says which targets a dialect reaches.
func (s *Service) reached(dialect string, targets []route.Target, providers []provider.Provider) []bool {
	kinds := map[ident.Provider]*wire.Provider{}
	for _, each := range providers {
		kind := wire.ProviderKind_value["PROVIDER_KIND_"+strings.ToUpper(string(each.Kind))]
		kinds[each.ID] = &wire.Provider{Kind: wire.ProviderKind(kind), ChatOnly: each.ChatOnly, Compatible: each.Compatible}
	}
	reaches := make([]bool, len(targets))
	for i, target := range targets {
		reaches[i] = s.reader.Reaches(dialect, kinds[target.ProviderID], target.Model)
	}
	return reaches
}

// notes says what a route does beside choosing a target.
func notes(found route.Route, targets []Target) []string {
	all := []string{}
	if kept := found.Cache; kept != nil && len(targets) > 0 {
		all = append(all, fmt.Sprintf("For %s a kept answer of %s / %s serves the same call for nothing.", route.DurationText(time.Duration(kept.TTLSeconds)*time.Second), targets[0].Provider, targets[0].Model))
		if kept.Mode == route.CacheSemantic {
			all = append(all, fmt.Sprintf("It serves a call too whose last words are like those by %g or more, which costs an embedding by %s.", kept.Threshold, kept.EmbeddingModel))
		}
	}
	if m := found.Mirror; m != nil {
		all = append(all, fmt.Sprintf("%s of the calls that were answered are put to %s / %s too, if a hard budget for the label %s=%s holds them.", m.Share(), m.ProviderName, m.Model, route.MirrorLabel, found.Name))
	}
	return all
}

// pricesOf returns what the targets cost at a time, as edges find it.
func pricesOf(ctx context.Context, tx pgx.Tx, org ident.Org, targets []route.Target, providers []provider.Provider, at time.Time) ([]*wire.Tariff, error) {
	list, err := price.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	own, err := price.ListOwn(ctx, tx, org)
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
