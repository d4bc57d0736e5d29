package console

import (
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/web/component"
	"tollgate.dev/web/orgui"
)

func (c *Console) settings(v *visit) error {
	ctx := v.Request().Context()
	found, err := c.Orgs.Get(ctx, v.actor)
	if err != nil {
		return err
	}
	name := found.Name
	if v.posted() {
		name = v.FormValue("name")
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		renamed, err := c.Orgs.Rename(ctx, v.actor, name)
		return "/settings", "The organization is now called “" + renamed.Name + "”.", err
	})
	if given {
		return err
	}
	s := orgui.Settings{
		ID: found.ID.String(), Name: found.Name, Slug: found.Slug, Created: component.At(found.CreatedAt, "day"), Role: string(v.actor.Role), MayChange: v.actor.May(authz.OrgWrite),
		Tokens: tokensIf(v.actor.May(authz.APITokenRead)),
		Form: orgui.Form{
			Form: v.frameOf("organization-form", "Rename", "", wrong, "name"),
			Name: component.Field{Name: "name", Label: "Name", Value: name, Error: wrong.of("name"), Help: "The slug stays as it is."},
		},
	}
	return c.draw(v, view{Title: "Organization settings", Active: "/settings", Status: status, Content: orgui.Page(s), Fragment: orgui.Edit(s.Form)})
}

func tokensIf(may bool) string {
	if may {
		return tokensPath
	}
	return ""
}
