package console

import (
	"net/http"

	"tollgate.dev/controlplane/internal/agent"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/agentui"
	"tollgate.dev/web/component"
)

func (c *Console) agents(v *visit) error {
	ctx := v.Request().Context()
	all, err := c.Agents.List(ctx, v.actor)
	if err != nil {
		return err
	}
	keys, err := c.VirtualKeys.List(ctx, v.actor)
	if err != nil {
		return err
	}
	workspaces, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return err
	}
	month, err := c.monthByAgent(v)
	if err != nil {
		return err
	}
	count := map[ident.Agent]int{}
	for _, one := range keys {
		if keyState(one, c.config.Now()) == keyActive {
			count[one.AgentID]++
		}
	}
	list := agentui.List{MayAdd: v.actor.May(authz.AgentWrite), HasWorkspace: len(workspaces) > 0}
	all, list.Sifted = sift(v, all, "Name, description or workspace", func(one agent.Agent) string {
		return one.Name + "\n" + one.Description + "\n" + one.WorkspaceName
	})
	for _, one := range all {
		row := agentui.Row{
			ID: one.ID.String(), Name: one.Name, Description: one.Description, Workspace: one.WorkspaceName,
			Keys: count[one.ID], Month: month[one.ID.String()].USD(), Created: component.At(one.CreatedAt, "day"),
		}
		if list.MayAdd {
			row.Href = "/agents/" + row.ID
			row.ArchiveHref = row.Href + "/archive"
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "Agents", Active: "/agents", Content: agentui.Page(list)})
}

func (c *Console) newAgent(v *visit) error {
	if err := v.actor.Require(authz.AgentWrite); err != nil {
		return err
	}
	ctx := v.Request().Context()
	workspaces, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return err
	}
	place, _ := ident.Parse[ident.Workspace](v.FormValue("workspace_id"))
	in := agent.Input{WorkspaceID: place, Name: v.FormValue("name"), Description: v.FormValue("description")}
	form := agentui.Form{Title: "New agent"}
	form.Workspace = component.Field{Name: "workspace_id", Label: "Workspace", Value: v.FormValue("workspace_id"), Help: "An agent stays in its workspace."}
	for _, one := range workspaces {
		form.Workspace.Options = append(form.Workspace.Options, component.Option{Value: one.ID.String(), Label: one.Name})
	}
	return c.agentForm(v, form, in, "Create agent", func() (string, error) {
		made, err := c.Agents.Create(ctx, v.actor, in)
		return "Agent “" + made.Name + "” is there. Give it a virtual key next.", err
	})
}

func (c *Console) editAgent(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Agent](v, "id")
	found, err := c.Agents.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.AgentWrite); err != nil {
		return err
	}
	in := agent.Input{Name: found.Name, Description: found.Description}
	if v.posted() {
		in = agent.Input{Name: v.FormValue("name"), Description: v.FormValue("description")}
	}
	form := agentui.Form{Title: found.Name}
	form.Workspace = component.Field{Name: "workspace_id", Label: "Workspace", Disabled: true, Options: []component.Option{{Label: found.WorkspaceName}}, Help: "An agent stays in its workspace."}
	return c.agentForm(v, form, in, "Save", func() (string, error) {
		changed, err := c.Agents.Update(ctx, v.actor, id, in)
		return "Agent “" + changed.Name + "” is changed.", err
	})
}

func (c *Console) agentForm(v *visit, form agentui.Form, in agent.Input, submit string, keep func() (string, error)) error {
	var wrong mends
	status := http.StatusOK
	if v.posted() {
		text, err := keep()
		if err == nil {
			return c.done(v, "/agents", text)
		}
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	form.Form = v.frameOf("agent-form", submit, "/agents", wrong, "workspace_id", "name", "description")
	form.Workspace.Error = wrong.of("workspace_id")
	form.Name = component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name")}
	form.Description = component.Field{Name: "description", Label: "Description", Value: in.Description, Error: wrong.of("description"), Optional: true, Help: "What it does and who looks after it."}
	return c.draw(v, view{Title: form.Title, Active: "/agents", Crumbs: under("Agents", "/agents"), Status: status, Content: agentui.FormPage(form), Fragment: agentui.Edit(form)})
}

func (c *Console) archiveAgent(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Agent](v, "id")
	found, err := c.Agents.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.AgentWrite, "/agents", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "It disappears from lists and forms. Its keys keep working – revoke them if they should not – and its spend keeps its name.",
		Submit: "Archive agent", Cancel: "/agents",
	}, func() (string, string, error) {
		return "/agents", "Agent “" + found.Name + "” is archived.", c.Agents.Archive(ctx, v.actor, id)
	})
}
