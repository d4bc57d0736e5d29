package console

import (
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/member"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/web/component"
	"tollgate.dev/web/memberui"
)

// roleTexts says what each role may do, in the order of their power.
func roleTexts() []memberui.Role {
	return []memberui.Role{
		{Name: string(authz.Owner), Text: "Everything. The last owner cannot be removed."},
		{Name: string(authz.Admin), Text: "Everything in this organization."},
		{Name: string(authz.Finance), Text: "Budgets and the audit; sees the rest."},
		{Name: string(authz.Developer), Text: "Agents, virtual keys and routes; sees the rest."},
		{Name: string(authz.Viewer), Text: "Sees spend, usage and configuration; changes nothing."},
	}
}

func roleOptions(help bool) []component.Option {
	var options []component.Option
	for _, role := range roleTexts() {
		option := component.Option{Value: role.Name, Label: role.Name}
		if help {
			option.Help = role.Text
		}
		options = append(options, option)
	}
	return options
}

func (c *Console) members(v *visit) error {
	all, err := c.Members.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	list := memberui.List{MayAdd: v.actor.May(authz.MemberWrite), Roles: roleTexts()}
	for _, one := range all {
		row := memberui.Row{
			ID: one.UserID.String(), Name: one.Name, Email: one.Email, Initials: initials(one.Name), Role: string(one.Role), You: one.UserID.UUID == v.actor.ID,
			Joined: component.At(one.CreatedAt, "day"),
		}
		if list.MayAdd && !row.You {
			row.CSRF, row.Action, row.RemoveHref = v.csrf(), "/members/"+row.ID+"/role", "/members/"+row.ID+"/remove"
			row.Change = component.Field{Name: "role", Value: row.Role, Options: roleOptions(false)}
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "Members", Active: "/members", Content: memberui.Page(list)})
}

func (c *Console) newMember(v *visit) error {
	if err := v.actor.Require(authz.MemberWrite); err != nil {
		return err
	}
	in := member.Input{Email: v.FormValue("email"), Name: v.FormValue("name"), Role: authz.Role(v.FormValue("role")), Password: seal.NewSecret(v.FormValue("password"))}
	if !v.posted() {
		in.Role = authz.Developer
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		added, err := c.Members.Add(v.Request().Context(), v.actor, in)
		return "/members", added.Email + " is now a member.", err
	})
	if given {
		return err
	}
	form := memberui.Form{
		Form:   v.frameOf("member-form", "Add member", "/members", wrong, "email", "name", "role", "password"),
		Email:  component.Field{Name: "email", Label: "E-mail address", Kind: "email", Value: in.Email, Error: wrong.of("email")},
		Name:   component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name")},
		Role:   component.Field{Name: "role", Label: "Role", Value: string(in.Role), Error: wrong.of("role"), Options: roleOptions(true)},
		Secret: component.Field{Name: "password", Label: "First password", Kind: "password", Autocomplete: "new-password", Error: wrong.of("password"), Help: "For somebody new. Hand it over on a safe way."},
	}
	return c.draw(v, view{Title: "Add a member", Active: "/members", Crumbs: under("Members", "/members"), Status: status, Content: memberui.FormPage(form), Fragment: memberui.Edit(form)})
}

func (c *Console) setRole(v *visit) error {
	if !v.posted() {
		return c.lead(v, "/members")
	}
	changed, err := c.Members.SetRole(v.Request().Context(), v.actor, idOf[ident.User](v, "id"), authz.Role(v.FormValue("role")))
	if err != nil {
		return err
	}
	return c.done(v, "/members", changed.Email+" is now "+string(changed.Role)+".")
}

func (c *Console) removeMember(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.User](v, "id")
	found, err := c.Members.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.MemberWrite, "/members", component.Confirm{
		Title: "Remove " + found.Name + "?", Text: found.Email + " loses access to this organization at once. What they did stays in the audit; API tokens and virtual keys that they made go on.", Submit: "Remove member", Cancel: "/members",
	}, func() (string, string, error) {
		return "/members", found.Email + " is no longer a member.", c.Members.Remove(ctx, v.actor, id)
	})
}
