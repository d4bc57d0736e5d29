package console

import (
	"net/http"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/workspace"
	"tollgate.dev/web/component"
	"tollgate.dev/web/workspaceui"
)

func (c *Console) workspaces(v *visit) error {
	ctx := v.Request().Context()
	all, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return err
	}
	agents, err := c.Agents.List(ctx, v.actor)
	if err != nil {
		return err
	}
	keys, err := c.VirtualKeys.List(ctx, v.actor)
	if err != nil {
		return err
	}
	agentCount, keyCount := map[ident.Workspace]int{}, map[ident.Workspace]int{}
	for _, one := range agents {
		agentCount[one.WorkspaceID]++
	}
	for _, one := range keys {
		if keyState(one, c.config.Now()) == keyActive {
			keyCount[one.WorkspaceID]++
		}
	}
	list := workspaceui.List{MayAdd: v.actor.May(authz.WorkspaceWrite)}
	for _, one := range all {
		row := workspaceui.Row{Name: one.Name, Slug: one.Slug, Agents: agentCount[one.ID], Keys: keyCount[one.ID], Created: component.At(one.CreatedAt, "day")}
		if list.MayAdd {
			row.Href = "/workspaces/" + one.ID.String()
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "Workspaces", Active: "/workspaces", Content: workspaceui.Page(list)})
}

func (c *Console) newWorkspace(v *visit) error {
	if err := v.actor.Require(authz.WorkspaceWrite); err != nil {
		return err
	}
	in := workspace.Input{Name: v.FormValue("name"), Slug: v.FormValue("slug")}
	var wrong mends
	status := http.StatusOK
	if v.posted() {
		made, err := c.Workspaces.Create(v.Request().Context(), v.actor, in)
		if err == nil {
			return c.done(v, "/workspaces", "Workspace “"+made.Name+"” is there. Agents and keys can be created in it.")
		}
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	form := workspaceui.Form{
		Form: v.frameOf("workspace-form", "Create workspace", "/workspaces", wrong, "name", "slug"), Title: "New workspace",
		Name: component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Autofocus: true},
		Slug: component.Field{Name: "slug", Label: "Slug", Value: in.Slug, Error: wrong.of("slug"), Mono: true, Optional: true, Help: "For addresses and scripts: lower-case letters, digits, hyphens. Made from the name when left empty; never changes."},
	}
	return c.draw(v, view{Title: form.Title, Active: "/workspaces", Crumbs: under("Workspaces", "/workspaces"), Status: status, Content: workspaceui.FormPage(form), Fragment: workspaceui.Edit(form)})
}

func (c *Console) editWorkspace(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Workspace](v, "id")
	found, err := c.Workspaces.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.WorkspaceWrite); err != nil {
		return err
	}
	name, status := found.Name, http.StatusOK
	var wrong mends
	if v.posted() {
		name = v.FormValue("name")
		renamed, err := c.Workspaces.Rename(ctx, v.actor, id, name)
		if err == nil {
			return c.done(v, "/workspaces", "The workspace is now called “"+renamed.Name+"”.")
		}
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	form := workspaceui.Form{
		Form: v.frameOf("workspace-form", "Rename", "/workspaces", wrong, "name"), Title: found.Name, PurgeHref: "/workspaces/" + id.String() + "/purge-cache",
		Name: component.Field{Name: "name", Label: "Name", Value: name, Error: wrong.of("name")},
		Slug: component.Field{Name: "slug", Label: "Slug", Value: found.Slug, Disabled: true, Mono: true, Help: "Never changes."},
	}
	return c.draw(v, view{Title: found.Name, Active: "/workspaces", Crumbs: under("Workspaces", "/workspaces"), Status: status, Content: workspaceui.FormPage(form), Fragment: workspaceui.Edit(form)})
}

// purgeWorkspace forgets what edges keep for the workspace's calls.
func (c *Console) purgeWorkspace(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Workspace](v, "id")
	found, err := c.Workspaces.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	back := "/workspaces/" + id.String()
	return c.confirm(v, authz.WorkspaceWrite, "/workspaces", component.Confirm{
		Title: "Forget the kept answers of “" + found.Name + "”?", Text: "Its calls of every route are asked of providers again, within a second on every edge, and paid for again.", Submit: "Forget them", Cancel: back,
	}, func() (string, string, error) {
		_, err := c.Workspaces.Purge(ctx, v.actor, id)
		return back, "The kept answers of “" + found.Name + "” are forgotten.", err
	})
}
