package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/virtualkey"
	"tollgate.dev/web/component"
	"tollgate.dev/web/setupui"
	"tollgate.dev/web/virtualkeyui"
)

// The states of a virtual key as people read them.
const (
	keyActive  = "active"
	keyExpired = "expired"
	keyRevoked = "revoked"
)

func keyState(key virtualkey.VirtualKey, now time.Time) string {
	switch {
	case key.RevokedAt != nil:
		return keyRevoked
	case key.ExpiresAt != nil && !key.ExpiresAt.After(now):
		return keyExpired
	default:
		return keyActive
	}
}

func (c *Console) virtualKeys(v *visit) error {
	ctx := v.Request().Context()
	all, err := c.VirtualKeys.List(ctx, v.actor)
	if err != nil {
		return err
	}
	workspaces, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return err
	}
	list := virtualkeyui.List{MayAdd: v.actor.May(authz.VirtualKeyWrite), HasWorkspace: len(workspaces) > 0}
	all, list.Sifted = sift(v, all, "Name, agent, workspace, model or state", func(one virtualkey.VirtualKey) string {
		return strings.Join(append([]string{one.Name, one.Prefix, one.AgentName, one.WorkspaceName, keyState(one, c.config.Now())}, one.AllowedModels...), "\n")
	})
	for _, one := range all {
		list.Rows = append(list.Rows, keyRow(one, c.config.Now(), list.MayAdd))
	}
	return c.draw(v, view{Title: "Virtual keys", Active: "/virtual-keys", Content: virtualkeyui.Page(list)})
}

func keyRow(one virtualkey.VirtualKey, now time.Time, mayChange bool) virtualkeyui.Row {
	state := keyState(one, now)
	row := virtualkeyui.Row{
		ID: one.ID.String(), Name: one.Name, Prefix: one.Prefix, Agent: one.AgentName, Workspace: one.WorkspaceName, Models: one.AllowedModels, Limit: "none",
		State:   component.Badge{Text: state, Tone: map[string]component.Tone{keyActive: component.OK, keyExpired: component.Warn, keyRevoked: component.Bad}[state]},
		Created: component.At(one.CreatedAt, "day"), Expires: component.AtPointer(one.ExpiresAt, "minute"), Revoked: component.AtPointer(one.RevokedAt, "minute"),
	}
	if one.RequestsPerMinute > 0 {
		row.Limit = grouped(int64(one.RequestsPerMinute)) + " a minute"
	}
	if state == keyActive {
		row.SetupHref = "/virtual-keys/" + row.ID + "/setup"
	}
	if mayChange && state != keyRevoked {
		row.Href = "/virtual-keys/" + row.ID
		row.RevokeHref = row.Href + "/revoke"
	}
	return row
}

func (c *Console) newVirtualKey(v *visit) error {
	if err := v.actor.Require(authz.VirtualKeyWrite); err != nil {
		return err
	}
	owners, err := c.ownerOptions(v)
	if err != nil {
		return err
	}
	in, misread := keyInput(v)
	wrong, status := mends{}, http.StatusOK
	if v.posted() {
		if in.WorkspaceID, in.AgentID, err = c.ownerOf(v, v.FormValue("owner")); err != nil {
			return err
		}
		made, text, err := virtualkey.VirtualKey{}, "", misread.Err()
		if err == nil {
			made, text, err = c.makeKey(v, in)
		}
		if err == nil {
			return c.showKey(v, made, text)
		}
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	form := keyForm(v, in, wrong)
	form.Title = "New virtual key"
	form.Owner = component.Field{Name: "owner", Label: "Stands for", Value: v.FormValue("owner"), Options: owners, Error: wrong.of("workspace_id", "agent_id"), Help: "The agent whose spend it is. It cannot be moved to another workspace later."}
	form.Form = v.frameOf("virtual-key-form", "Create key", "/virtual-keys", wrong, "name", "workspace_id", "agent_id", "allowed_models", "expires_at", "requests_per_minute", "priority", "fields_not_carried", "allows_proxy")
	return c.draw(v, view{Title: form.Title, Active: "/virtual-keys", Crumbs: under("Virtual keys", "/virtual-keys"), Status: status, Content: virtualkeyui.FormPage(form), Fragment: virtualkeyui.Edit(form)})
}

func (c *Console) makeKey(v *visit, in virtualkey.Input) (virtualkey.VirtualKey, string, error) {
	made, text, err := c.VirtualKeys.Create(v.Request().Context(), v.actor, in)
	if err != nil {
		return made, "", err
	}
	return made, text.Reveal(), nil
}

// showKey draws a key right after it was made: the only page that ever holds its text.
func (c *Console) showKey(v *visit, made virtualkey.VirtualKey, text string) error {
	models, err := c.modelsOf(v, made)
	if err != nil {
		return err
	}
	shown := virtualkeyui.Created{Name: made.Name, Setup: setupui.Fill(made.Name, c.config.EdgeURL, text, models)}
	v.wholePage()
	return c.draw(v, view{Title: "Your new key", Active: "/virtual-keys", Crumbs: under("Virtual keys", "/virtual-keys"), Content: virtualkeyui.CreatedPage(shown), Fragment: virtualkeyui.CreatedPage(shown), Whole: true})
}

// keyInLines stands for a key that is not shown any more.
const keyInLines = "YOUR_VIRTUAL_KEY"

// setUpVirtualKey shows how programs use a key.
func (c *Console) setUpVirtualKey(v *visit) error {
	found, err := c.VirtualKeys.Get(v.Request().Context(), v.actor, idOf[ident.VirtualKey](v, "id"))
	if err != nil {
		return err
	}
	models, err := c.modelsOf(v, found)
	if err != nil {
		return err
	}
	page := setupui.Fill(found.Name, c.config.EdgeURL, keyInLines, models)
	return c.draw(v, view{Title: "Set up " + found.Name, Active: "/virtual-keys", Crumbs: under("Virtual keys", "/virtual-keys"), Content: setupui.SetupPage(page)})
}

// modelsOf names the routes that a key may call.
func (c *Console) modelsOf(v *visit, key virtualkey.VirtualKey) (models []string, err error) {
	routes, err := c.Routes.List(v.Request().Context(), v.actor)
	if err != nil {
		return nil, err
	}
	for _, one := range routes {
		here := one.WorkspaceID.IsZero() || one.WorkspaceID == key.WorkspaceID
		if here && (len(key.AllowedModels) == 0 || slices.Contains(key.AllowedModels, one.Name)) {
			models = append(models, one.Name)
		}
	}
	slices.Sort(models)
	return slices.Compact(models), nil
}

// ownerOptions lists workspaces and their agents as "workspace:<id>" and "agent:<id>".
func (c *Console) ownerOptions(v *visit) ([]component.Option, error) {
	ctx := v.Request().Context()
	workspaces, err := c.Workspaces.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	agents, err := c.Agents.List(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	var options []component.Option
	for _, place := range workspaces {
		for _, one := range agents {
			if one.WorkspaceID == place.ID {
				options = append(options, component.Option{Value: "agent:" + one.ID.String(), Label: one.Name + " (" + place.Name + ")"})
			}
		}
		options = append(options, component.Option{Value: "workspace:" + place.ID.String(), Label: "No agent, only the workspace " + place.Name})
	}
	return options, nil
}

func (c *Console) ownerOf(v *visit, value string) (ident.Workspace, ident.Agent, error) {
	kind, text, _ := strings.Cut(value, ":")
	if kind == "workspace" {
		id, _ := ident.Parse[ident.Workspace](text)
		return id, ident.Agent{}, nil
	}
	id, err := ident.Parse[ident.Agent](text)
	if err != nil {
		return ident.Workspace{}, ident.Agent{}, nil //nolint:nilerr // the noun says that a workspace is missing
	}
	found, err := c.Agents.Get(v.Request().Context(), v.actor, id)
	return found.WorkspaceID, id, err
}

const dateLayout = "2006-01-02"

// keyInput reads what can be changed later too, and what of it cannot be read.
func keyInput(v *visit) (virtualkey.Input, fault.Fields) {
	var misread fault.Fields
	in := virtualkey.Input{
		Name: v.FormValue("name"), AllowedModels: linesOf(v.FormValue("allowed_models")), Priority: virtualkey.Priority(v.FormValue("priority")),
		FieldsNotCarried: virtualkey.Handling(v.FormValue("fields_not_carried")), AllowsProxy: v.FormValue("allows_proxy") != "",
	}
	if text := strings.TrimSpace(v.FormValue("expires_at")); text != "" {
		day, err := time.Parse(dateLayout, text)
		if err != nil {
			misread.Add("expires_at", "enter a day such as 2027-01-31")
		}
		in.ExpiresAt = &day
	}
	if text := strings.TrimSpace(v.FormValue("requests_per_minute")); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 0 {
			misread.Add("requests_per_minute", "enter a whole number, or nothing for no limit")
		}
		in.RequestsPerMinute = limit
	}
	return in, misread
}

func keyForm(v *visit, in virtualkey.Input, wrong mends) virtualkeyui.Form {
	models, expires, limit := strings.Join(in.AllowedModels, "\n"), "", ""
	if in.ExpiresAt != nil {
		expires = in.ExpiresAt.UTC().Format(dateLayout)
	}
	if in.RequestsPerMinute > 0 {
		limit = strconv.Itoa(in.RequestsPerMinute)
	}
	if v.posted() {
		models, expires, limit = v.FormValue("allowed_models"), v.FormValue("expires_at"), v.FormValue("requests_per_minute")
	}
	return virtualkeyui.Form{
		Name:    component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Help: "Where it runs, such as “production”."},
		Models:  component.Field{Name: "allowed_models", Label: "Allowed models", Value: models, Error: wrong.of("allowed_models"), Optional: true, Mono: true, Help: "Names of routes, one on each line. Empty: every route of the workspace."},
		Expires: component.Field{Name: "expires_at", Label: "Expires on", Kind: "date", Value: expires, Error: wrong.of("expires_at"), Optional: true, Help: "Refused from the beginning of this day, UTC."},
		Limit:   component.Field{Name: "requests_per_minute", Label: "Requests per minute", Value: limit, Error: wrong.of("requests_per_minute"), InputMode: "numeric", Optional: true, Help: "Empty: no limit."},
		Priority: component.Field{Name: "priority", Label: "When calls wait for a provider", Value: string(cmp.Or(in.Priority, virtualkey.Normal)), Error: wrong.of("priority"), Options: []component.Option{
			{Value: string(virtualkey.High), Label: "First in its workspace"},
			{Value: string(virtualkey.Normal), Label: "In the order of coming"},
			{Value: string(virtualkey.Low), Label: "Last in its workspace"},
		}, Help: "Workspaces take turns, whatever the priorities of their keys."},
		Fields: component.Field{Name: "fields_not_carried", Label: "Settings that the model's provider does not have", Value: string(cmp.Or(in.FieldsNotCarried, virtualkey.Refuse)), Error: wrong.of("fields_not_carried"), Options: []component.Option{
			{Value: string(virtualkey.Refuse), Label: "Refuse the call and name the field"},
			{Value: string(virtualkey.Drop), Label: "Leave them out and name them in the answer's header"},
		}, Help: "Where a call is translated for a provider of another format, such as seed for Claude. Messages and tools are never left out."},
		Proxy: component.Field{
			Name: "allows_proxy", Label: "May call providers as they are", Value: "on", Checked: in.AllowsProxy, Error: wrong.of("allows_proxy"),
			Help: "At /proxy/{provider}/…, any path of the providers behind its models, also what no route describes. Budgets, limits and guardrails hold there too.",
		},
	}
}

func (c *Console) editVirtualKey(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.VirtualKey](v, "id")
	found, err := c.VirtualKeys.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.VirtualKeyWrite); err != nil {
		return err
	}
	in := virtualkey.Input{
		Name: found.Name, AgentID: found.AgentID, AllowedModels: found.AllowedModels, ExpiresAt: found.ExpiresAt, RequestsPerMinute: found.RequestsPerMinute,
		Priority: found.Priority, FieldsNotCarried: found.FieldsNotCarried, AllowsProxy: found.AllowsProxy,
	}
	var misread fault.Fields
	if v.posted() {
		in, misread = keyInput(v)
		in.AgentID = found.AgentID
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		if err := misread.Err(); err != nil {
			return "", "", err
		}
		changed, err := c.VirtualKeys.Update(ctx, v.actor, id, in)
		return "/virtual-keys", "Key “" + changed.Name + "” is changed.", err
	})
	if given {
		return err
	}
	form := keyForm(v, in, wrong)
	form.Title = found.Name
	owner := "No agent, only the workspace " + found.WorkspaceName
	if found.AgentName != "" {
		owner = found.AgentName + " (" + found.WorkspaceName + ")"
	}
	form.Owner = component.Field{Name: "owner", Label: "Stands for", Disabled: true, Options: []component.Option{{Label: owner}}}
	form.Form = v.frameOf("virtual-key-form", "Save", "/virtual-keys", wrong, "name", "allowed_models", "expires_at", "requests_per_minute", "priority", "fields_not_carried", "allows_proxy")
	return c.draw(v, view{Title: form.Title, Active: "/virtual-keys", Crumbs: under("Virtual keys", "/virtual-keys"), Status: status, Content: virtualkeyui.FormPage(form), Fragment: virtualkeyui.Edit(form)})
}

func (c *Console) revokeVirtualKey(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.VirtualKey](v, "id")
	found, err := c.VirtualKeys.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.VirtualKeyWrite, "/virtual-keys", component.Confirm{
		Title: "Revoke “" + found.Name + "”?", Text: "Every edge refuses it within a second, also in the middle of a stream. This cannot be taken back; programs that use it stop working.",
		Submit: "Revoke key", Cancel: "/virtual-keys",
	}, func() (string, string, error) {
		_, err := c.VirtualKeys.Revoke(ctx, v.actor, id)
		return "/virtual-keys", "Key “" + found.Name + "” is revoked at every edge that is connected.", err
	})
}
