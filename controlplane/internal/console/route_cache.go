package console

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

const (
	cacheMode = "cache.mode"
	cacheTTL  = "cache.ttl_seconds"
	cacheUser = "cache.per_end_user"
	cacheLike = "cache.threshold"
	cacheBy   = "cache.embedding_model"
	cacheOff  = "off"
)

// cacheInput reads the section of the form; nil: nothing is kept. What cannot be read is refused by the noun.
func cacheInput(v *visit) *route.Cache {
	mode := v.FormValue(cacheMode)
	if mode == cacheOff || mode == "" {
		return nil
	}
	in := &route.Cache{Mode: route.CacheMode(mode), PerEndUser: v.FormValue(cacheUser) != ""}
	if in.Mode == route.CacheSemantic { // the fields stand in the form whatever is chosen
		in.EmbeddingModel, in.Threshold = v.FormValue(cacheBy), -1
		if like, err := strconv.ParseFloat(strings.TrimSpace(v.FormValue(cacheLike)), 64); err == nil && like != 0 {
			in.Threshold = like
		}
	}
	if d, err := time.ParseDuration(strings.ReplaceAll(v.FormValue(cacheTTL), " ", "")); err == nil {
		in.TTLSeconds = int(min(d/time.Second, 1<<30))
	}
	return in
}

// cacheFields fills the section of the form.
func cacheFields(v *visit, of route.Input, embedders []route.Embedder, wrong mends) routeui.Cache {
	section := routeui.Cache{Summary: "Off: every call is asked of a provider.", Label: route.CacheLabel + "=" + of.Name}
	mode, ttl, perUser, by, like := cacheOff, "10m", false, "", "0.95"
	if in := of.Cache; in != nil {
		mode, perUser, by = string(in.Mode), in.PerEndUser, in.EmbeddingModel
		section.Open, section.Summary = true, "The same call again is answered for nothing."
		if in.Mode == route.CacheSemantic {
			section.Summary = "The same question, or one like it, is answered again."
		}
		if in.TTLSeconds > 0 {
			ttl = route.DurationText(time.Duration(in.TTLSeconds) * time.Second)
		}
		if in.Threshold > 0 {
			like = strconv.FormatFloat(in.Threshold, 'f', -1, 64)
		}
	}
	if v.posted() {
		ttl, by, like = v.FormValue(cacheTTL), v.FormValue(cacheBy), v.FormValue(cacheLike)
	}
	section.Mode = component.Field{Name: cacheMode, Label: "Which answers serve again", Value: mode, Error: wrong.of(cacheMode), Options: []component.Option{
		{Value: cacheOff, Label: "None", Help: "Nothing is kept."},
		{Value: string(route.CacheExact), Label: "Of the same call", Help: "All that decides the answer is the same."},
		{Value: string(route.CacheSemantic), Label: "Of a similar question too", Help: "The user’s last words may be others, if they mean nearly the same."},
	}}
	section.Model = component.Field{Name: cacheBy, Label: "Compared by", Value: by, Error: wrong.of(cacheBy), Options: embedderOptions(embedders, by), Help: "A route to an embedding model, such as text-embedding-3-small, that the callers of this one can reach."}
	section.Threshold = component.Field{Name: cacheLike, Label: "Similarity", Value: like, Error: wrong.of(cacheLike), InputMode: "decimal", Help: "From 0.5 to 1. 0.95 takes other words for the same question; 0.99 hardly more than other spelling. Models differ: try with yours."}
	section.TTL = component.Field{Name: cacheTTL, Label: "Kept for", Value: ttl, Error: wrong.of(cacheTTL), Help: "From 1s to 720h. A call may ask for less with x-tollgate-cache: max-age=60, no-cache or no-store."}
	section.PerEndUser = component.Field{Name: cacheUser, Label: "Each end user has answers of their own", Value: "yes", Checked: perUser, Error: wrong.of(cacheUser), Help: "Else the calls of a workspace share them. Calls that name no end user are not cached then."}
	return section
}

// embedderOptions are the routes that embed; what is set already is one of them, also when it embeds no more.
func embedderOptions(all []route.Embedder, set string) []component.Option {
	options := []component.Option{{Label: "Choose a route"}}
	known := func(name string) bool {
		return slices.ContainsFunc(options, func(o component.Option) bool { return o.Value == name })
	}
	for _, one := range all {
		label := one.Name
		if !one.WorkspaceID.IsZero() {
			label += " (of a workspace)"
		}
		if !known(one.Name) {
			options = append(options, component.Option{Value: one.Name, Label: label})
		}
	}
	if !known(set) {
		options = append(options, component.Option{Value: set, Label: set + " (does not embed)"})
	}
	return options
}

// cacheFigures are what the cache of a route did in a week; nil for those who may not see usage.
func (c *Console) cacheFigures(v *visit, found route.Route) ([]component.Stat, error) {
	if !v.actor.May(authz.UsageRead) {
		return nil, nil
	}
	end := c.config.Now().UTC().Truncate(time.Hour).Add(time.Hour)
	s := span{from: end.Add(-week), to: end}
	a, err := c.apartOf(v, s, usage.Where{RouteID: found.ID})
	if err != nil {
		return nil, err
	}
	figures := []component.Stat{
		{Label: "Hits in 7 days", Value: grouped(a.same.Events + a.alike.Events), Note: grouped(a.same.Events) + " of the same call, " + grouped(a.alike.Events) + " of similar questions", TestID: "cache-hits"},
		{Label: "Saved", Value: a.kept().USD(), Note: "what the answers had cost", TestID: "cache-saved"},
	}
	if found.Cache.Mode != route.CacheSemantic {
		return figures, nil
	}
	compared, err := c.totalOf(v, usage.SpendQuery{From: s.from, To: s.to, GroupBy: usage.ByOutcome, Where: usage.Where{LabelName: route.CacheLabel, LabelValue: found.Name}})
	if err != nil {
		return nil, err
	}
	return append(figures, component.Stat{Label: "Comparing", Value: compared.Cost.USD(), Note: callsText(compared.Events) + " of " + found.Cache.EmbeddingModel, TestID: "cache-compared"}), nil
}

// purgeRoute forgets what edges keep for a route.
func (c *Console) purgeRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	back := "/routes/" + id.String()
	return c.confirm(v, authz.RouteWrite, "/routes", component.Confirm{
		Title: "Forget the kept answers of “" + found.Name + "”?", Text: "The same calls are asked of its providers again, within a second on every edge, and paid for again.", Submit: "Forget them", Cancel: back,
	}, func() (string, string, error) {
		_, err := c.Routes.Purge(ctx, v.actor, id)
		return back, "The kept answers of “" + found.Name + "” are forgotten.", err
	})
}
