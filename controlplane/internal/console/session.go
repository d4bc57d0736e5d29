package console

import (
	"net/http"
	"strings"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/web/component"
	"tollgate.dev/web/signinui"
)

func (c *Console) signIn(v *visit) error {
	next := safePath(v.FormValue("next"))
	if !v.posted() {
		if !v.actor.Org.IsZero() {
			return c.lead(v, next)
		}
		return c.drawSignIn(v, next, "", http.StatusOK)
	}
	err := c.Authn.SignIn(v.Request().Context(), v.FormValue("email"), seal.NewSecret(v.FormValue("password")), v.RealIP())
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.Invalid:
		return c.drawSignIn(v, next, sentence(fault.Of(err).Message), http.StatusUnprocessableEntity)
	case fault.Exhausted:
		return c.drawSignIn(v, next, sentence(fault.Of(err).Message), http.StatusUnprocessableEntity)
	}
	if err != nil {
		return err
	}
	c.renewCSRF(v)
	return c.lead(v, next)
}

func (c *Console) drawSignIn(v *visit, next, message string, status int) error {
	form := signinui.View{
		CSRF: v.csrf(), Next: next, Message: message,
		Email:  component.Field{Name: "email", Label: "E-mail address", Kind: "email", Value: v.FormValue("email"), Autocomplete: "username", Autofocus: true},
		Secret: component.Field{Name: "password", Label: "Password", Kind: "password", Autocomplete: "current-password"},
	}
	return c.draw(v, view{Title: "Sign in", Bare: true, Status: status, Content: signinui.Page(form), Fragment: signinui.Form(form)})
}

func (c *Console) signOut(v *visit) error {
	if err := c.Authn.SignOut(v.Request().Context()); err != nil {
		return err
	}
	c.renewCSRF(v)
	return c.lead(v, "/sign-in")
}

func (c *Console) switchOrg(v *visit) error {
	id, err := ident.Parse[ident.Org](v.FormValue("organization_id"))
	if err != nil {
		return fault.New(fault.NotFound, "there is no such organization")
	}
	if err := c.Authn.Switch(v.Request().Context(), id); err != nil {
		return err
	}
	return c.lead(v, "/")
}

const themeCookie = "tollgate_theme"

func (c *Console) theme(v *visit) error {
	switch choice := v.FormValue("theme"); choice {
	case "light", "dark":
		v.SetCookie(c.cookie(themeCookie, choice, 400*24*3600))
	default:
		v.SetCookie(c.cookie(themeCookie, "", -1))
	}
	return c.lead(v, safePath(v.FormValue("back")))
}

func themeOf(v *visit) string {
	cookie, err := v.Cookie(themeCookie)
	if err != nil || (cookie.Value != "light" && cookie.Value != "dark") {
		return ""
	}
	return cookie.Value
}

// safePath takes a path of this console; anything that could lead elsewhere becomes the overview.
func safePath(path string) string {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}
