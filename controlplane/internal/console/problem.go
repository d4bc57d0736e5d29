package console

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/web/component"
	"tollgate.dev/web/problemui"
)

// trouble says how a kind of fault looks in the browser.
type trouble struct {
	status int
	icon   string
	title  string
	advice string
}

func troubleOf(kind fault.Kind) trouble {
	switch kind {
	case fault.Invalid:
		return trouble{http.StatusUnprocessableEntity, "circle-alert", "This could not be taken", "Go back, mend it and send it again."}
	case fault.Forbidden:
		return trouble{http.StatusForbidden, "lock", "You may not do this", "Load the page again; if it still says so, ask an owner or admin of the organization."}
	case fault.NotFound:
		return trouble{http.StatusNotFound, "search", "There is nothing here", "It may have been archived, or belong to another organization: look at the switcher in the navigation."}
	case fault.Conflict:
		return trouble{http.StatusConflict, "triangle-alert", "This cannot be done now", "Look at what stands in the way, then try again."}
	case fault.Exhausted:
		return trouble{http.StatusTooManyRequests, "triangle-alert", "Too many attempts", "Wait a little, then try again."}
	case fault.Unavailable:
		return trouble{http.StatusServiceUnavailable, "server", "Not available right now", "Edges go on serving meanwhile. Try again in a moment."}
	default:
		return trouble{http.StatusInternalServerError, "triangle-alert", "Something went wrong on our side", "Nothing was half done. Try again; if it happens again, tell whoever runs this console the time."}
	}
}

// problem shows an error: the page to sign in, a message above the page that asked, or a page of its own.
func (c *Console) problem(v *visit, err error) error {
	if v.Response().Committed {
		c.config.Logger.Error("answer broke off", "error", err, "path", v.Path())
		return nil
	}
	what := fault.Of(err)
	if what.Kind == fault.Unauthenticated {
		return c.askToSignIn(v)
	}
	if what.Kind == fault.Internal {
		c.config.Logger.Error("page failed", "error", err, "method", v.Request().Method, "path", v.Path())
	}
	look := troubleOf(what.Kind)
	shown := problemui.View{
		Status: http.StatusText(look.status), Icon: look.icon, Title: look.title, Message: sentence(what.Message), Advice: look.advice,
		Link: component.Link{Label: "To the overview", Href: "/"},
	}
	w := view{Title: look.title, Status: look.status, Content: problemui.Page(shown), Fragment: problemui.Fragment(shown)}
	if v.actor.Org.IsZero() {
		w.Bare, w.Content = true, problemui.Alone(shown)
	}
	if drawn := c.draw(v, w); drawn != nil {
		c.config.Logger.Error("problem page failed", "error", drawn)
		return v.String(look.status, look.title)
	}
	return nil
}

func (c *Console) askToSignIn(v *visit) error {
	target := "/sign-in"
	if next := v.Request().URL.RequestURI(); v.Request().Method == http.MethodGet && next != "/" && !strings.HasSuffix(v.Path(), "/live") {
		target += "?next=" + url.QueryEscape(next)
	}
	return c.lead(v, target)
}

func (c *Console) nothing(*visit) error {
	return fault.New(fault.NotFound, "no page has this address")
}

func sentence(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// mends are the messages of a refused form by field.
type mends struct {
	fields  map[string]string
	message string
}

// refused says what to mend in a form; false when err is no matter of its fields.
func refused(err error) (mends, bool) {
	what := fault.Of(err)
	if what.Kind != fault.Invalid && what.Kind != fault.Conflict {
		return mends{}, false
	}
	m := mends{fields: map[string]string{}}
	for _, field := range what.Fields {
		m.fields[field.Name] = sentence(field.Message)
	}
	if len(m.fields) == 0 {
		m.message = sentence(what.Message)
	}
	return m, true
}

// of returns the message of the first of these fields that has one.
func (m mends) of(names ...string) string {
	for _, name := range names {
		if text := m.fields[name]; text != "" {
			return text
		}
	}
	return ""
}

// under returns the messages of these fields and of what is below them.
func (m mends) under(names ...string) string {
	var found []string
	for _, field := range slices.Sorted(maps.Keys(m.fields)) {
		for _, name := range names {
			if field == name || strings.HasPrefix(field, name+"[") || strings.HasPrefix(field, name+".") {
				found = append(found, m.fields[field])
			}
		}
	}
	return strings.Join(found, " ")
}

// placed returns all messages, each after its field.
func (m mends) placed() string {
	text := m.message
	for _, field := range slices.Sorted(maps.Keys(m.fields)) {
		text = strings.TrimSpace(text + " " + field + ": " + m.fields[field])
	}
	return text
}

// rest collects the messages of fields that the form does not show.
func (m mends) rest(shown ...string) string {
	text := m.message
	for name, message := range m.fields {
		known := false
		for _, one := range shown {
			known = known || one == name || strings.HasPrefix(name, one+"[") || strings.HasPrefix(name, one+".")
		}
		if !known {
			text = strings.TrimSpace(text + " " + message)
		}
	}
	return text
}
