package console

import (
	"strconv"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/routeui"
)

func (c *Console) routes(v *visit) error {
	ctx := v.Request().Context()
	all, err := c.Routes.List(ctx, v.actor)
	if err != nil {
		return err
	}
	providers, err := c.Providers.List(ctx, v.actor)
	if err != nil {
		return err
	}
	list := routeui.List{MayAdd: v.actor.May(authz.RouteWrite), HasProvider: len(providers) > 0}
	for _, one := range all {
		row := routeui.Row{ID: one.ID.String(), Name: one.Name, Workspace: "every workspace", Strategy: "in order", Targets: targetsOf(one)}
		if !one.WorkspaceID.IsZero() {
			row.Workspace = one.WorkspaceName
		}
		if one.Strategy == route.Weighted {
			row.Strategy = "by weight"
		}
		if list.MayAdd {
			row.Href = "/routes/" + row.ID
			row.ArchiveHref = row.Href + "/archive"
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "Routes", Active: "/routes", Content: routeui.Page(list)})
}

func targetsOf(one route.Route) []routeui.Target {
	sum := 0
	for _, target := range one.Targets {
		sum += target.Weight
	}
	targets := make([]routeui.Target, len(one.Targets))
	for i, target := range one.Targets {
		targets[i] = routeui.Target{Provider: target.ProviderName, Model: target.Model}
		if one.Strategy == route.Weighted && sum > 0 {
			targets[i].Share = perCent(target.Weight * 1000 / sum)
		}
	}
	return targets
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
	in := routeInput(v)
	if !v.posted() {
		in.Strategy, in.Targets = route.Fallback, []route.Target{{Weight: 1}}
	}
	return c.routeForm(v, form, in, "Create route", func() (string, string, error) {
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
	in := route.Input{Name: found.Name, Strategy: found.Strategy, Targets: found.Targets}
	if v.posted() {
		in = routeInput(v)
	}
	where := "Every workspace"
	if !found.WorkspaceID.IsZero() {
		where = found.WorkspaceName
	}
	form := routeui.Form{Title: found.Name}
	form.Workspace = component.Field{Name: "workspace_id", Label: "Where", Disabled: true, Options: []component.Option{{Label: where}}}
	return c.routeForm(v, form, in, "Save", func() (string, string, error) {
		changed, err := c.Routes.Update(ctx, v.actor, id, in)
		return "/routes", "Route “" + changed.Name + "” is changed.", err
	})
}

// routeInput reads the form, its targets row by row. A provider or weight that cannot be read is refused by the noun.
func routeInput(v *visit) route.Input {
	place, _ := ident.Parse[ident.Workspace](v.FormValue("workspace_id"))
	in := route.Input{Name: v.FormValue("name"), WorkspaceID: place, Strategy: route.Strategy(v.FormValue("strategy"))}
	values, err := v.FormParams()
	if err != nil {
		return in
	}
	providers, models, weights := values["target_provider"], values["target_model"], values["target_weight"]
	for i := range min(len(providers), len(models), len(weights)) {
		id, _ := ident.Parse[ident.Provider](providers[i])
		weight, err := strconv.Atoi(weights[i])
		if err != nil {
			weight = -1
		}
		in.Targets = append(in.Targets, route.Target{ProviderID: id, Model: models[i], Weight: weight})
	}
	return in
}

func (c *Console) routeForm(v *visit, form routeui.Form, in route.Input, submit string, keep func() (string, string, error)) error {
	providers, err := c.Providers.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	wrong, status := mends{}, 200
	switch v.FormValue("edit") {
	case "add":
		in.Targets = append(in.Targets, route.Target{Weight: 1})
	case "remove":
		in.Targets = in.Targets[:max(len(in.Targets)-1, 0)]
	default:
		var given bool
		if wrong, status, given, err = c.send(v, keep); given {
			return err
		}
	}
	form.Form = v.frameOf("route-form", submit, "/routes", wrong, "name", "workspace_id", "strategy", "targets")
	form.Name = component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Mono: true, Help: "What callers write as the model."}
	form.Workspace.Error = wrong.of("workspace_id")
	form.Strategy = component.Field{Name: "strategy", Label: "Which target answers", Value: string(in.Strategy), Error: wrong.of("strategy"), Options: []component.Option{
		{Value: string(route.Fallback), Label: "In order", Help: "The first; the next one when it fails."}, {Value: string(route.Weighted), Label: "By weight", Help: "Calls are shared among the targets."},
	}}
	form.Error = wrong.of("targets")
	for i, target := range in.Targets {
		form.Targets = append(form.Targets, targetFields(i, target, providers, wrong))
	}
	return c.draw(v, view{Title: form.Title, Active: "/routes", Crumbs: under("Routes", "/routes"), Status: status, Content: routeui.FormPage(form), Fragment: routeui.Edit(form)})
}

func targetFields(i int, target route.Target, providers []provider.Provider, wrong mends) routeui.TargetFields {
	number, at := strconv.Itoa(i+1), "targets["+strconv.Itoa(i)+"]"
	fields := routeui.TargetFields{
		Provider: component.Field{Name: "target_provider", ID: "target-provider-" + number, Label: "Provider", Value: target.ProviderID.String(), Error: wrong.of(at+".provider_id", at)},
		Model:    component.Field{Name: "target_model", ID: "target-model-" + number, Label: "Model", Value: target.Model, Error: wrong.of(at + ".model"), Mono: true, Placeholder: "gpt-4o-mini"},
		Weight:   component.Field{Name: "target_weight", ID: "target-weight-" + number, Label: "Weight", Value: strconv.Itoa(max(target.Weight, 0)), Error: wrong.of(at + ".weight"), InputMode: "numeric"},
	}
	for _, one := range providers {
		fields.Provider.Options = append(fields.Provider.Options, component.Option{Value: one.ID.String(), Label: one.Name})
	}
	return fields
}

func (c *Console) archiveRoute(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Route](v, "id")
	found, err := c.Routes.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.RouteWrite); err != nil {
		return err
	}
	if v.posted() {
		if err := c.Routes.Archive(ctx, v.actor, id); err != nil {
			return err
		}
		return c.done(v, "/routes", "Route “"+found.Name+"” is archived.")
	}
	return c.ask(v, "/routes", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "Calls that name it are answered with 404 within a second.", Submit: "Archive route", Cancel: "/routes",
	})
}
