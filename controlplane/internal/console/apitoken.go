package console

import (
	"net/http"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/apitoken"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/apitokenui"
	"tollgate.dev/web/component"
)

const tokensPath = "/settings/api-tokens"

func (c *Console) apiTokens(v *visit) error {
	all, err := c.Tokens.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	list := apitokenui.List{MayAdd: v.actor.May(authz.APITokenWrite), APIURL: c.apiURL(v)}
	for _, one := range all {
		row := apitokenui.Row{
			ID: one.ID.String(), Name: one.Name, Role: string(one.Role), State: tokenState(one, c.config.Now()),
			Created: component.At(one.CreatedAt, "day"), Expires: component.AtPointer(one.ExpiresAt, "minute"), Revoked: component.AtPointer(one.RevokedAt, "minute"),
		}
		if list.MayAdd && one.RevokedAt == nil && v.actor.Role.Covers(one.Role) {
			row.RevokeHref = tokensPath + "/" + row.ID + "/revoke"
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "API tokens", Active: "/settings", Crumbs: under("Settings", "/settings"), Content: apitokenui.Page(list)})
}

func tokenState(one apitoken.APIToken, now time.Time) component.Badge {
	switch {
	case one.RevokedAt != nil:
		return component.Badge{Text: keyRevoked, Tone: component.Bad}
	case !one.Live(now):
		return component.Badge{Text: keyExpired, Tone: component.Warn}
	default:
		return component.Badge{Text: keyActive, Tone: component.OK}
	}
}

func (c *Console) newAPIToken(v *visit) error {
	if err := v.actor.Require(authz.APITokenWrite); err != nil {
		return err
	}
	in, misread := tokenInput(v)
	wrong, status := mends{}, http.StatusOK
	if v.posted() {
		err := misread.Err()
		if err == nil {
			var given bool
			if given, err = c.makeToken(v, in); given {
				return err
			}
		}
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	} else {
		in.Role = authz.Viewer
	}
	form := apitokenui.Form{
		Form:    v.frameOf("api-token-form", "Create token", tokensPath, wrong, "name", "role", "expires_at"),
		Name:    component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Help: "What the program is called; the audit shows it beside each change."},
		Role:    component.Field{Name: "role", Label: "Role", Value: string(in.Role), Error: wrong.of("role"), Options: rolesBelow(v.actor.Role)},
		Expires: component.Field{Name: "expires_at", Label: "Expires on", Kind: "date", Value: v.FormValue("expires_at"), Error: wrong.of("expires_at"), Optional: true, Help: "Refused from the beginning of this day, UTC."},
	}
	return c.draw(v, view{
		Title: "New API token", Active: "/settings", Crumbs: tokenCrumbs(), Status: status, Content: apitokenui.FormPage(form), Fragment: apitokenui.Edit(form),
	})
}

// tokenInput reads the form, and what of it cannot be read.
func tokenInput(v *visit) (apitoken.Input, fault.Fields) {
	var misread fault.Fields
	in := apitoken.Input{Name: v.FormValue("name"), Role: authz.Role(v.FormValue("role"))}
	if text := strings.TrimSpace(v.FormValue("expires_at")); text != "" {
		end, err := time.Parse(dateLayout, text)
		if err != nil {
			misread.Add("expires_at", "enter a day such as 2027-01-31")
		}
		in.ExpiresAt = &end
	}
	return in, misread
}

// makeToken makes the token and draws it: the only page that ever holds its text. Given is false when nothing was made.
func (c *Console) makeToken(v *visit, in apitoken.Input) (given bool, err error) {
	made, text, err := c.Tokens.Create(v.Request().Context(), v.actor, in)
	if err != nil {
		return false, err
	}
	shown := apitokenui.CreatedPage(apitokenui.Created{
		Name: made.Name, Role: string(made.Role), Token: text.Reveal(),
		Curl: "curl " + c.apiURL(v) + "/organization \\\n  -H 'Authorization: Bearer " + text.Reveal() + "'",
	})
	v.wholePage()
	return true, c.draw(v, view{Title: "Your new API token", Active: "/settings", Crumbs: tokenCrumbs(), Content: shown, Fragment: shown, Whole: true})
}

func (c *Console) revokeAPIToken(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.APIToken](v, "id")
	found, err := c.Tokens.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.APITokenWrite, "/settings", component.Confirm{
		Title: "Revoke “" + found.Name + "”?", Text: "Its next call is refused. This cannot be taken back; the program that uses it stops working.",
		Submit: "Revoke token", Cancel: tokensPath,
	}, func() (string, string, error) {
		_, err := c.Tokens.Revoke(ctx, v.actor, id)
		return tokensPath, "API token “" + found.Name + "” is revoked.", err
	})
}

func tokenCrumbs() []component.Link {
	return append(under("Settings", "/settings"), component.Link{Label: "API tokens", Href: tokensPath})
}

// rolesBelow lists the roles that somebody of this role may give.
func rolesBelow(role authz.Role) []component.Option {
	var options []component.Option
	for _, option := range roleOptions(true) {
		if role.Covers(authz.Role(option.Value)) {
			options = append(options, option)
		}
	}
	return options
}

// apiURL is where this browser reaches the admin API.
func (c *Console) apiURL(v *visit) string {
	scheme := "http://"
	if c.config.Secure {
		scheme = "https://"
	}
	return scheme + v.Request().Host + "/api/v1"
}
