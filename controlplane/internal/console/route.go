package console

import (
	"net/http"
	"strconv"
	"strings"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

func strategyText(strategy route.Strategy, stickyBy string) string {
	switch strategy {
	case route.Weighted:
		return "by weight"
	case route.Conditional:
		return "by condition"
	case route.Latency:
		return "quickest"
	case route.Cost:
		return "cheapest"
	case route.Sticky:
		return "sticky by " + strings.ReplaceAll(strings.TrimPrefix(stickyBy, "label:"), "_", " ")
	case route.Canary:
		return "canary"
	default:
		return "in order"
	}
}

func (c *Console) newRoute(v *visit) error {
	if err := v.actor.Require(authz.RouteWrite); err != nil {
		return err
	}
	ctx := v.Request().Context()
	workspaces, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return err
	}
	form := routeui.Form{Title: "New route"}
	form.Workspace = component.Field{Name: "workspace_id", Label: "Where", Value: v.FormValue("workspace_id"), Options: []component.Option{{Label: "Every workspace"}}}
	for _, one := range workspaces {
		form.Workspace.Options = append(form.Workspace.Options, component.Option{Value: one.ID.String(), Label: one.Name})
	}
	in := route.Input{Strategy: route.Fallback, Targets: []route.Target{{Weight: 1}}}
	var unread mends
	if v.posted() {
		in, unread = routeInput(v)
	}
	return c.routeForm(v, form, in, unread, "Create route", func() (string, string, error) {
		made, err := c.Routes.Create(ctx, v.actor, in)
		return "/routes", "Callers can now write “" + made.Name + "” as the model.", err
	})
}

func (c *Console) editRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.RouteWrite); err != nil {
		return err
	}
	in := found.Input()
	var unread mends
	if v.posted() {
		in, unread = routeInput(v)
	}
	where := "Every workspace"
	if !found.WorkspaceID.IsZero() {
		where = found.WorkspaceName
	}
	edges, err := c.edgesSeen(v)
	if err != nil {
		return err
	}
	form := routeui.Form{Title: found.Name, Version: strconv.Itoa(found.Version), Links: routeLinks(id, ""), Stops: stopsOf(stoppedAt(edges)[id], found), ResumeHref: "/routes/" + id.String() + "/resume"}
	if found.Cache != nil {
		form.PurgeHref = "/routes/" + id.String() + "/purge-cache"
		if form.Cache.Figures, err = c.cacheFigures(v, found); err != nil {
			return err
		}
	}
	form.Workspace = component.Field{Name: "workspace_id", Label: "Where", Disabled: true, Options: []component.Option{{Label: where}}}
	return c.routeForm(v, form, in, unread, "Save", func() (string, string, error) {
		changed, err := c.Routes.Update(ctx, v.actor, id, in)
		return "/routes", "Route “" + changed.Name + "” is changed; this is version " + strconv.Itoa(changed.Version) + ".", err
	})
}

// routeLinks leads to the pages of a route but the one that is shown.
func routeLinks(id ident.Route, shown string) (links []component.Link) {
	for _, each := range []component.Link{{Label: "Edit", Href: ""}, {Label: "Try it", Href: "/try"}, {Label: "As text", Href: "/text"}, {Label: "Versions", Href: "/versions"}} {
		if each.Href != shown {
			links = append(links, component.Link{Label: each.Label, Href: "/routes/" + id.String() + each.Href})
		}
	}
	return links
}

// routeText is the route as text, a second way to change it.
func (c *Console) routeText(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.RouteWrite); err != nil {
		return err
	}
	text, version := found.Input().Text(), strconv.Itoa(found.Version)
	began := version
	if v.posted() {
		text, began = v.FormValue("text"), v.FormValue("version")
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		in, err := route.Parse(text)
		if err != nil {
			return "", "", err
		}
		in.Version, _ = strconv.Atoi(began) // as in routeInput
		changed, err := c.Routes.Update(ctx, v.actor, id, in)
		return "/routes/" + id.String() + "/text", "Route “" + changed.Name + "” is changed; this is version " + strconv.Itoa(changed.Version) + ".", err
	})
	if given {
		return err
	}
	page := routeui.Text{Form: v.frameOf("route-text", "Save", "/routes", wrong, "text"), Title: "“" + found.Name + "” as text", Links: routeLinks(id, "/text")}
	page.Text = component.Field{Name: "text", Label: "The route", Value: text, Error: wrong.of("text"), Mono: true, Rows: 28}
	if page.Version = began; wrong.overtaken(version) {
		page.Version = version
	}
	page.Message = wrong.placed()
	return c.draw(v, view{Title: page.Title, Active: "/routes", Crumbs: under("Routes", "/routes"), Status: status, Content: routeui.TextPage(page), Fragment: routeui.TextEdit(page)})
}

// overtaken says whether somebody saved another version meanwhile, and then what to do about it: the form is drawn with the version in force,
// so that it can be saved in its place.
func (m mends) overtaken(inForce string) bool {
	if m.fields["version"] == "" {
		return false
	}
	m.fields["version"] = "Somebody saved version " + inForce + " while you were editing. Look at it under Versions, in another tab; saving again puts what stands here in its place."
	return true
}

const versionsShown = 20

func (c *Console) routeVersions(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	before, _ := strconv.Atoi(v.QueryParam("before")) // what is no number is the newest
	page, err := c.Routes.Versions(ctx, v.actor, id, max(before, 0), versionsShown)
	if err != nil {
		return err
	}
	list := routeui.Versions{Title: "Versions of “" + found.Name + "”"}
	if v.actor.May(authz.RouteWrite) {
		list.Links = routeLinks(id, "/versions")
	}
	for _, one := range page.Items {
		row := routeui.Version{Number: strconv.Itoa(one.Version), When: component.At(one.SavedAt, "ago"), Who: one.ActorName, Now: one.Version == found.Version}
		if v.actor.May(authz.UsageRead) {
			row.CallsHref = "/usage?route_id=" + id.String() + "&route_version=" + row.Number
		}
		if one.Restores > 0 {
			row.What = "brought back version " + strconv.Itoa(one.Restores)
		}
		if !row.Now && found.ArchivedAt == nil && v.actor.May(authz.RouteWrite) {
			row.RestoreHref = "/routes/" + id.String() + "/versions/" + row.Number + "/restore"
		}
		for _, change := range one.Changes {
			row.Changes = append(row.Changes, routeui.Change{Added: change.Added, Line: change.Line})
		}
		list.Rows = append(list.Rows, row)
	}
	if page.Next > 0 {
		list.Older = "/routes/" + id.String() + "/versions?before=" + strconv.Itoa(page.Next)
	}
	return c.draw(v, view{Title: list.Title, Active: "/routes", Crumbs: under("Routes", "/routes"), Content: routeui.VersionsPage(list)})
}

func (c *Console) restoreRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	number, back := v.Param("version"), "/routes/"+id.String()+"/versions"
	return c.confirm(v, authz.RouteWrite, "/routes", component.Confirm{
		Title: "Bring back version " + number + " of “" + found.Name + "”?", Text: "Edges serve it within a second. The version in force is kept and can be brought back in turn.", Submit: "Bring back", Cancel: back,
	}, func() (string, string, error) {
		version, _ := strconv.Atoi(number) // what is no number is no version
		_, err := c.Routes.Restore(ctx, v.actor, id, version)
		if wrong, ok := refused(err); ok {
			return back, "Version " + number + " cannot be brought back: " + wrong.placed(), nil
		}
		return back, "Route “" + found.Name + "” is as it was in version " + number + ".", err
	})
}

func (c *Console) archiveRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.RouteWrite, "/routes", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "Calls that name it are answered with 404 within a second.", Submit: "Archive route", Cancel: "/routes",
	}, func() (string, string, error) {
		return "/routes", "Route “" + found.Name + "” is archived.", c.Routes.Archive(ctx, v.actor, id)
	})
}

// routeForm draws the form, after one of its buttons too, or keeps what was sent.
func (c *Console) routeForm(v *visit, form routeui.Form, in route.Input, unread mends, submit string, keep func() (string, string, error)) error {
	providers, err := c.Providers.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	wrong, status := mends{}, http.StatusOK
	switch edit := v.FormValue("edit"); {
	case edit != "":
		in.Targets = edited(in.Targets, edit)
	case len(unread.fields) > 0:
		wrong, status = unread, http.StatusUnprocessableEntity
	default:
		var given bool
		if wrong, status, given, err = c.send(v, keep); given {
			return err
		}
	}
	e := routeEditor{wrong: wrong}
	for _, one := range providers {
		e.providers = append(e.providers, component.Option{Value: one.ID.String(), Label: one.Name})
	}
	if !wrong.overtaken(form.Version) {
		form.Version = strconv.Itoa(in.Version)
	}
	form.Form = v.frameOf("route-form", submit, "/routes", wrong, "name", "workspace_id", "aliases", "time_zone", "strategy", "targets", "sticky_by", "canary", "reliability", "cache", "mirror")
	e.fill(&form, in)
	form.Reliable = reliabilityFields(v, in.Reliability, wrong)
	embedders, err := c.Routes.Embedders(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	recent := form.Cache.Figures
	form.Cache = cacheFields(v, in, embedders, wrong)
	form.Cache.PurgeHref, form.Cache.Figures = form.PurgeHref, recent
	form.Mirror = mirrorFields(v, in, e.providers, wrong)
	if err := c.mirrorBudgets(v, in, &form.Mirror); err != nil {
		return err
	}
	return c.draw(v, view{Title: form.Title, Active: "/routes", Crumbs: under("Routes", "/routes"), Status: status, Content: routeui.FormPage(form), Fragment: routeui.Edit(form)})
}
