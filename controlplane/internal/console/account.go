package console

import (
	"net/http"
	"strings"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/web/accountui"
	"tollgate.dev/web/component"
)

// account shows who is signed in and changes their password.
func (c *Console) account(v *visit) error {
	ctx := v.Request().Context()
	wrong, status := mends{}, http.StatusOK
	if v.posted() {
		err := c.Authn.ChangePassword(ctx, v.actor, seal.NewSecret(v.FormValue("current_password")), seal.NewSecret(v.FormValue("new_password")))
		if err == nil {
			c.renewCSRF(v)
			return c.done(v, "/account", "Your password is changed. Everywhere else you are signed out.")
		}
		var ok bool
		if fault.KindOf(err) == fault.Exhausted {
			wrong, ok = mends{message: sentence(fault.Of(err).Message)}, true
		} else {
			wrong, ok = refused(err)
		}
		if !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	memberships, err := c.Authn.Organizations(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(memberships))
	for i, one := range memberships {
		names[i] = one.Name + " (" + string(one.Role) + ")"
	}
	shown := accountui.Account{
		Email: v.actor.Name, Role: string(v.actor.Role), Organizations: strings.Join(names, ", "),
		Form: accountui.Form{
			Form: v.frameOf("password-form", "Change password", "", wrong, "current_password", "new_password"), Username: v.actor.Name,
			Current: component.Field{Name: "current_password", Label: "Current password", Kind: "password", Autocomplete: "current-password", Error: wrong.of("current_password")},
			Next:    component.Field{Name: "new_password", Label: "New password", Kind: "password", Autocomplete: "new-password", Error: wrong.of("new_password"), Help: "At least 10 characters; a few words that nobody else would put together are best."},
		},
	}
	return c.draw(v, view{Title: "Your account", Active: "/account", Status: status, Content: accountui.Page(shown), Fragment: accountui.Edit(shown.Form)})
}
