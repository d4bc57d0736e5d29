package console

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/component"
	"tollgate.dev/web/layout"
)

// visit is one request of a browser and who makes it.
type visit struct {
	echo.Context
	actor authz.Actor // zero when nobody is signed in
}

// view is what a handler wants to be seen.
type view struct {
	Title    string
	Active   string // path of the page's entry in the navigation
	Crumbs   []component.Link
	Content  templ.Component
	Fragment templ.Component // for htmx, when it is less than Content
	Status   int             // 0: 200
	Bare     bool            // without navigation
	Live     bool
	Whole    bool // Fragment takes the whole page's place: title and breadcrumb come with it
}

// visit makes a handler of do. With signedIn it asks who is there first.
func (c *Console) visit(do func(*visit) error, signedIn bool) echo.HandlerFunc {
	return func(ec echo.Context) error {
		v := &visit{Context: ec}
		actor, err := c.Authn.Actor(ec.Request().Context(), ec.RealIP())
		if err == nil {
			v.actor = actor
		} else if signedIn {
			return c.problem(v, err)
		}
		if err := do(v); err != nil {
			return c.problem(v, err)
		}
		return nil
	}
}

func (v *visit) csrf() string {
	token, _ := v.Get(csrfKey).(string)
	return token
}

func (v *visit) htmx() bool { return v.Request().Header.Get("HX-Request") == "true" }

func (v *visit) posted() bool { return v.Request().Method == http.MethodPost }

// draw renders into a buffer and only then writes the status, so that a page is whole or an error.
func (c *Console) draw(v *visit, w view) error {
	var content templ.Component
	if v.htmx() && w.Fragment != nil {
		content = w.Fragment
	} else {
		page, err := c.frame(v, w)
		if err != nil {
			return err
		}
		shell := layout.Shell
		if w.Bare {
			shell = layout.Bare
		}
		content = shell(page)
	}
	ctx := component.WithStatic(v.Request().Context(), c.assets.Prefix())
	var out bytes.Buffer
	if err := content.Render(templ.WithChildren(ctx, w.Content), &out); err != nil {
		return err
	}
	if v.htmx() && w.Whole {
		if err := layout.Renewed(layout.Page{Title: w.Title, Crumbs: w.Crumbs}).Render(ctx, &out); err != nil {
			return err
		}
	}
	status := w.Status
	if status == 0 {
		status = http.StatusOK
	}
	v.Response().Header().Set("Vary", "HX-Request")
	return v.HTMLBlob(status, out.Bytes())
}

// wholePage puts htmx's answer into the place of the whole page, not of the form that asked.
func (v *visit) wholePage() {
	if v.htmx() {
		v.Response().Header().Set("HX-Retarget", "#main")
		v.Response().Header().Set("HX-Reswap", "innerHTML")
	}
}

// render draws one fragment to text, for live updates.
func (c *Console) render(v *visit, content templ.Component) (string, error) {
	var out strings.Builder
	err := content.Render(component.WithStatic(v.Request().Context(), c.assets.Prefix()), &out)
	return out.String(), err
}

func (c *Console) frame(v *visit, w view) (layout.Page, error) {
	page := layout.Page{Title: w.Title, Crumbs: w.Crumbs, Static: c.assets.Prefix(), CSRF: v.csrf(), Path: v.Request().URL.RequestURI(), Live: w.Live, Theme: themeOf(v)}
	if w.Bare {
		return page, nil
	}
	memberships, err := c.Authn.Organizations(v.Request().Context())
	if err != nil {
		return page, err
	}
	for _, m := range memberships {
		one := layout.Org{ID: m.OrgID.String(), Name: m.Name, Initials: initials(m.Name), Current: m.OrgID == v.actor.Org}
		if one.Current {
			page.Org = one
		}
		page.Orgs = append(page.Orgs, one)
	}
	page.Person = layout.Person{Name: v.actor.Name, Initials: initials(v.actor.Name), Role: string(v.actor.Role)}
	open, err := c.Alerts.CountOpen(v.Request().Context(), v.actor)
	if err != nil {
		return page, err
	}
	page.Nav = navigation(v.actor, w.Active, open)
	page.Flash = c.takeFlash(v)
	return page, nil
}

func navigation(actor authz.Actor, active string, openAlerts int) []layout.Group {
	item := func(label, href, icon string) layout.Item {
		return layout.Item{Label: label, Href: href, Icon: icon, Current: href == active}
	}
	alerts := item("Alerts", "/alerts", "triangle-alert")
	if openAlerts > 0 {
		alerts.Count, alerts.CountOf = grouped(int64(openAlerts)), "open"
	}
	last := []layout.Item{item("Settings", "/settings", "settings")}
	if actor.May(authz.AuditRead) {
		last = append([]layout.Item{item("Audit", "/audit", "history")}, last...)
	}
	if actor.May(authz.MemberRead) {
		last = append([]layout.Item{item("Members", "/members", "users")}, last...)
	}
	return []layout.Group{
		{Items: []layout.Item{item("Overview", "/", "layout-dashboard"), item("Spend", "/spend", "chart-column"), item("Usage", "/usage", "list"), alerts}},
		{Title: "Control", Items: []layout.Item{
			item("Virtual keys", "/virtual-keys", "key-round"), item("Budgets", "/budgets", "wallet"), item("Rate limits", "/rate-limits", "gauge"),
			item("Routes", "/routes", "git-branch"), item("Guardrails", "/guardrails", "shield-check"),
		}},
		{Title: "Connect", Items: []layout.Item{
			item("Agents", "/agents", "bot"), item("Workspaces", "/workspaces", "layers"), item("Providers", "/providers", "plug"), item("Prices", "/prices", "database"), item("Edges", "/edges", "server"), item("Channels", "/channels", "radio"),
		}},
		{Title: "Organization", Items: last},
	}
}

const flashCookie = "tollgate_flash"

// done leads to another page with a message about what was done.
func (c *Console) done(v *visit, href, text string) error {
	v.SetCookie(c.cookie(flashCookie, base64.RawURLEncoding.EncodeToString([]byte(text)), 60))
	return c.lead(v, href)
}

func (c *Console) lead(v *visit, href string) error {
	if v.htmx() {
		v.Response().Header().Set("HX-Redirect", href)
		return v.NoContent(http.StatusOK)
	}
	return v.Redirect(http.StatusSeeOther, href)
}

func (c *Console) takeFlash(v *visit) []layout.Flash {
	cookie, err := v.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	v.SetCookie(c.cookie(flashCookie, "", -1))
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(text) == 0 || len(text) > 500 {
		return nil
	}
	return []layout.Flash{{Tone: component.OK, Text: string(text)}}
}

// idOf reads an id from the path; what is no id names nothing.
func idOf[T ~struct{ uuid.UUID }](v *visit, name string) T {
	id, err := ident.Parse[T](v.Param(name))
	if err != nil {
		var none T
		return none
	}
	return id
}

// initials takes the first letters of up to two words; of an e-mail address, of the part before the @.
func initials(name string) string {
	name, _, _ = strings.Cut(name, "@")
	out := ""
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '.' || r == '-' || r == '_' }) {
		if len([]rune(out)) < 2 {
			out += strings.ToUpper(string([]rune(word)[:1]))
		}
	}
	return out
}
