package console

import (
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/org"
	"tollgate.dev/web/component"
	"tollgate.dev/web/orgui"
)

func (c *Console) settings(v *visit) error {
	ctx := v.Request().Context()
	found, err := c.Orgs.Get(ctx, v.actor)
	if err != nil {
		return err
	}
	name, full := found.Name, string(found.WhenSpoolFull)
	if v.posted() {
		name, full = v.FormValue("name"), v.FormValue("when_spool_full")
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		choice := org.WhenSpoolFull(full)
		after, err := c.Orgs.Update(ctx, v.actor, org.Change{Name: &name, WhenSpoolFull: &choice})
		said := "The settings are saved. Edges have them within a second."
		if after.Name != found.Name {
			said = "The organization is now called “" + after.Name + "”."
		}
		return "/settings", said, err
	})
	if given {
		return err
	}
	s := orgui.Settings{
		ID: found.ID.String(), Name: found.Name, Slug: found.Slug, Created: component.At(found.CreatedAt, "day"), Role: string(v.actor.Role), MayChange: v.actor.May(authz.OrgWrite),
		WhenFull: whenFull(found.WhenSpoolFull), Tokens: tokensIf(v.actor.May(authz.APITokenRead)),
		Form: orgui.Form{
			Form: v.frameOf("organization-form", "Save", "", wrong, "name", "when_spool_full"),
			Name: component.Field{Name: "name", Label: "Name", Value: name, Error: wrong.of("name"), Help: "The slug stays as it is."},
			Full: component.Field{
				Name: "when_spool_full", Label: "When an edge has no room to record usage", Value: full, Error: wrong.of("when_spool_full"),
				Help: "It happens when the disk of an edge is full. Calls that a hard budget holds are refused in any case, so that no budget is passed.",
				Options: []component.Option{
					{Value: string(org.Refuse), Label: "Refuse calls", Help: "Callers get 503 and try again, on another edge if there is one. Every call that is served is on the bill."},
					{Value: string(org.Serve), Label: "Serve calls all the same", Help: "Some ten thousand records wait in an edge's memory. What is beyond that, or dies with the edge, costs money and is missing from spend, runs and soft budgets; it is counted and shown as calls not recorded."},
				},
			},
		},
	}
	return c.draw(v, view{Title: "Organization settings", Active: "/settings", Status: status, Content: orgui.Page(s), Fragment: orgui.Edit(s.Form)})
}

func whenFull(choice org.WhenSpoolFull) string {
	if choice == org.Serve {
		return "Calls that no hard budget holds are served without a record when an edge has no room for one."
	}
	return "Calls are refused when an edge has no room to record them."
}

func tokensIf(may bool) string {
	if may {
		return tokensPath
	}
	return ""
}
