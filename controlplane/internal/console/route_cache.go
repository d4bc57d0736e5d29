package console

import (
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

const (
	cacheMode = "cache.mode"
	cacheTTL  = "cache.ttl_seconds"
	cacheUser = "cache.per_end_user"
	cacheOff  = "off"
)

// cacheInput reads the section of the form; nil: nothing is kept. What cannot be read is refused by the noun.
func cacheInput(v *visit) *route.Cache {
	mode := v.FormValue(cacheMode)
	if mode == cacheOff || mode == "" {
		return nil
	}
	in := &route.Cache{Mode: route.CacheMode(mode), PerEndUser: v.FormValue(cacheUser) != ""}
	if d, err := time.ParseDuration(strings.ReplaceAll(v.FormValue(cacheTTL), " ", "")); err == nil {
		in.TTLSeconds = int(min(d/time.Second, 1<<30))
	}
	return in
}

// cacheFields fills the section of the form.
func cacheFields(v *visit, in *route.Cache, wrong mends) routeui.Cache {
	section := routeui.Cache{Summary: "Off: every call is asked of a provider."}
	mode, ttl, perUser := cacheOff, "10m", false
	if in != nil {
		mode, perUser = string(in.Mode), in.PerEndUser
		section.Open, section.Summary = true, "The same call again is answered for nothing."
		if in.TTLSeconds > 0 {
			ttl = durationText(time.Duration(in.TTLSeconds) * time.Second)
		}
	}
	if v.posted() {
		ttl = v.FormValue(cacheTTL)
	}
	section.Mode = component.Field{Name: cacheMode, Label: "Which answers serve again", Value: mode, Error: wrong.of(cacheMode), Options: []component.Option{
		{Value: cacheOff, Label: "None", Help: "Nothing is kept."},
		{Value: string(route.CacheExact), Label: "Of the same call", Help: "Every byte that decides the answer is the same."},
	}}
	section.TTL = component.Field{Name: cacheTTL, Label: "Kept for", Value: ttl, Error: wrong.of(cacheTTL), Help: "From 1s to 720h. A call may ask for less with x-tollgate-cache: max-age=60, no-cache or no-store."}
	section.PerEndUser = component.Field{Name: cacheUser, Label: "Each end user has answers of their own", Value: "yes", Checked: perUser, Error: wrong.of(cacheUser), Help: "Else the calls of a workspace share them. Calls that name no end user are not cached then."}
	return section
}

// purgeRoute forgets what edges keep for a route.
func (c *Console) purgeRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.RouteWrite); err != nil {
		return err
	}
	back := "/routes/" + id.String()
	if v.posted() {
		if _, err := c.Routes.Purge(ctx, v.actor, id); err != nil {
			return err
		}
		return c.done(v, back, "The kept answers of “"+found.Name+"” are forgotten.")
	}
	return c.ask(v, "/routes", component.Confirm{
		Title: "Forget the kept answers of “" + found.Name + "”?", Text: "The same calls are asked of its providers again, within a second on every edge, and paid for again.", Submit: "Forget them", Cancel: back,
	})
}
