package console

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/web/component"
	"tollgate.dev/web/providerui"
)

func (c *Console) providers(v *visit) error {
	all, err := c.Providers.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	list := providerui.List{MayAdd: v.actor.May(authz.ProviderWrite)}
	all, list.Sifted = sift(v, all, "Name, kind or address", func(one provider.Provider) string {
		return one.Name + " " + kindText(one.Kind) + " " + one.BaseURL
	})
	edges, err := c.edgesSeen(v)
	if err != nil {
		return err
	}
	for _, one := range all {
		row := providerRow(one)
		row.Held = heldBackAt(edges, one.ID)
		if n := refusedOf(edges, one); n > 0 {
			row.Credentials = component.Badge{Text: strconv.Itoa(n) + " of " + strconv.Itoa(len(one.Credentials)) + " refused", Tone: component.Bad}
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "Providers", Active: "/providers", Content: providerui.Page(list)})
}

func providerRow(one provider.Provider) providerui.Row {
	row := providerui.Row{
		Name: one.Name, Href: "/providers/" + one.ID.String(), Kind: kindText(one.Kind), BaseURL: one.BaseURL,
		Credentials: component.Badge{Text: strconv.Itoa(len(one.Credentials)) + " in use", Tone: component.OK}, Created: component.At(one.CreatedAt, "day"),
	}
	if len(one.Credentials) == 0 {
		row.Credentials = component.Badge{Text: "none", Tone: component.Bad}
	}
	return row
}

func (c *Console) provider(v *visit) error {
	found, err := c.Providers.Get(v.Request().Context(), v.actor, idOf[ident.Provider](v, "id"))
	if err != nil {
		return err
	}
	return c.drawProvider(v, found, mends{}, "", http.StatusOK)
}

func (c *Console) drawProvider(v *visit, found provider.Provider, wrong mends, name string, status int) error {
	row := providerRow(found)
	d := providerui.Detail{
		Row: row, Catalog: found.Catalog, Network: "public addresses only", Queue: queueText(found), MayChange: v.actor.May(authz.ProviderWrite) && found.ArchivedAt == nil,
		EditHref: row.Href + "/edit", ArchiveHref: row.Href + "/archive",
	}
	if found.ChatOnly {
		d.Kind += ", Chat Completions alone"
	}
	if found.PrivateNetwork {
		d.Network = "may be a private or loopback address"
	}
	edges, err := c.edgesSeen(v)
	if err != nil {
		return err
	}
	d.HeldBack = heldBack(edges, found.ID)
	for _, one := range found.Credentials {
		credential := providerui.Credential{ID: one.ID.String(), Name: one.Name, Identity: one.Identity, State: component.Badge{Text: "in use", Tone: component.OK}, Created: component.At(one.CreatedAt, "day")}
		if d.MayChange {
			credential.RetireHref = row.Href + "/credentials/" + credential.ID + "/retire"
		}
		if credential.Refused, credential.RefusedSince = refusal(edges, one.ID); credential.Refused != "" {
			credential.State = component.Badge{Text: "refused", Tone: component.Bad}
			d.Refused = true
		}
		d.Credentials, d.InUse = append(d.Credentials, credential), true
	}
	retired, err := c.Providers.Retired(v.Request().Context(), v.actor, found.ID)
	if err != nil {
		return err
	}
	for _, one := range retired {
		d.Credentials = append(d.Credentials, providerui.Credential{
			ID: one.ID.String(), Name: one.Name, Identity: one.Identity, State: component.Badge{Text: "retired", Tone: component.Plain},
			Created: component.At(one.CreatedAt, "day"), Retired: component.AtPointer(one.RetiredAt, "minute"),
		})
	}
	d.CredentialForm = providerui.CredentialForm{
		Form:   component.Form{ID: "credential-form", Action: row.Href + "/credentials", CSRF: v.csrf(), Submit: "Add credential", Message: wrong.rest("name", "secret")},
		Name:   component.Field{Name: "name", ID: "credential-name", Label: "Name", Value: name, Error: wrong.of("name"), Help: "To tell it from the others."},
		Secret: component.Field{Name: "secret", ID: "credential-secret", Label: "API key", Kind: "password", Autocomplete: "new-password", Error: wrong.of("secret"), Help: "Or, for Bedrock and Azure, a JSON object. Stored encrypted; never shown again."},
	}
	if found.Kind == provider.Vertex {
		d.Place = found.Project + ", " + found.Region
		d.CredentialForm.Account = accountField("secret")
		d.CredentialForm.Secret, d.CredentialForm.Account.Error = component.Field{}, wrong.of("secret")
	}
	return c.draw(v, view{Title: found.Name, Active: "/providers", Crumbs: under("Providers", "/providers"), Status: status, Content: providerui.DetailPage(d), Fragment: providerui.CredentialEdit(d.CredentialForm)})
}

func (c *Console) addCredential(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Provider](v, "id")
	found, err := c.Providers.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if !v.posted() {
		return c.lead(v, "/providers/"+id.String())
	}
	in := provider.CredentialInput{Name: v.FormValue("name"), Secret: secretOf(v, "secret", found.Kind)}
	added, err := c.Providers.AddCredential(ctx, v.actor, id, in)
	if err == nil {
		return c.done(v, "/providers/"+id.String(), "Credential “"+added.Name+"” is added. Edges use it from now on.")
	}
	wrong, ok := refused(err)
	if !ok {
		return err
	}
	return c.drawProvider(v, found, wrong, in.Name, http.StatusUnprocessableEntity)
}

func (c *Console) retireCredential(v *visit) error {
	ctx, id, credential := v.Request().Context(), idOf[ident.Provider](v, "id"), idOf[ident.Credential](v, "credential")
	found, err := c.Providers.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	back := "/providers/" + id.String()
	name := "this credential"
	for _, one := range found.Credentials {
		if one.ID == credential {
			name = "“" + one.Name + "”"
		}
	}
	return c.confirm(v, authz.ProviderWrite, "/providers", component.Confirm{
		Title: "Retire " + name + "?", Text: "Edges stop using it within a second. This cannot be taken back; add another one first if calls must go on.",
		Submit: "Retire credential", Cancel: back,
	}, func() (string, string, error) {
		return back, "The credential is retired.", c.Providers.RetireCredential(ctx, v.actor, id, credential)
	})
}

func (c *Console) newProvider(v *visit) error {
	if err := v.actor.Require(authz.ProviderWrite); err != nil {
		return err
	}
	in := providerInput(v)
	in.Kind = provider.Kind(v.FormValue("kind"))
	in.Credential = secretOf(v, "credential", in.Kind)
	form := providerui.Form{
		Title:      "New provider",
		Account:    accountField("credential"),
		Credential: component.Field{Name: "credential", Label: "API key", Kind: "password", Autocomplete: "new-password", Optional: true, Help: "Or, for Bedrock and Azure, a JSON object. Stored encrypted; never shown again. It can also be added later."},
	}
	if !v.posted() {
		in.Kind = provider.OpenAI
		form.Presets = presets(v.QueryParam("preset"), &in)
	}
	form.Kind = component.Field{Name: "kind", Label: "Speaks the format of", Value: string(in.Kind), Options: kindOptions()}
	return c.providerForm(v, form, in, "Create provider", "/providers", func() (string, string, error) {
		made, err := c.Providers.Create(v.Request().Context(), v.actor, in)
		return "/providers/" + made.ID.String(), "Provider “" + made.Name + "” is connected. A route makes its models callable.", err
	})
}

func providerInput(v *visit) provider.Input {
	compatible := v.FormValue("compatible") != ""
	return provider.Input{
		Name: v.FormValue("name"), BaseURL: v.FormValue("base_url"), Catalog: v.FormValue("catalog"), PrivateNetwork: v.FormValue("private_network") != "",
		MaxConcurrency: countOf(v, "max_concurrency", 1), QueueLength: countOf(v, "queue_length", 1), QueueWaitMS: countOf(v, "queue_wait", 1000),
		Region: v.FormValue("region"), Project: v.FormValue("project"), APIVersion: v.FormValue("api_version"), Compatible: &compatible, ChatOnly: v.FormValue("chat_only") != "",
	}
}

// countOf reads a whole number of some unit; nothing is 0, and what is no number is refused by the noun.
func countOf(v *visit, field string, unit int) int {
	text := strings.TrimSpace(v.FormValue(field))
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n > math.MaxInt32/unit {
		return -1
	}
	return n * unit
}

func (c *Console) editProvider(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Provider](v, "id")
	found, err := c.Providers.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.ProviderWrite); err != nil {
		return err
	}
	in := provider.Input{
		Name: found.Name, BaseURL: found.BaseURL, Catalog: found.Catalog, PrivateNetwork: found.PrivateNetwork,
		MaxConcurrency: found.MaxConcurrency, QueueLength: found.QueueLength, QueueWaitMS: found.QueueWaitMS,
		Region: found.Region, Project: found.Project, APIVersion: found.APIVersion, Compatible: &found.Compatible, ChatOnly: found.ChatOnly,
	}
	if v.posted() {
		in = providerInput(v)
	}
	back := "/providers/" + id.String()
	form := providerui.Form{Title: found.Name}
	form.Kind = component.Field{Name: "kind", Label: "Speaks the format of", Value: string(found.Kind), Disabled: true, Options: []component.Option{{Value: string(found.Kind), Label: kindText(found.Kind)}}}
	return c.providerForm(v, form, in, "Save", back, func() (string, string, error) {
		changed, err := c.Providers.Update(ctx, v.actor, id, in)
		return back, "Provider “" + changed.Name + "” is changed.", err
	})
}

func (c *Console) providerForm(v *visit, form providerui.Form, in provider.Input, submit, back string, keep func() (string, string, error)) error {
	var wrong mends
	status := http.StatusOK
	if v.posted() {
		href, text, err := keep()
		if err == nil {
			return c.done(v, href, text)
		}
		var ok bool
		if wrong, ok = refused(err); !ok {
			return err
		}
		status = http.StatusUnprocessableEntity
	}
	form.Form = v.frameOf("provider-form", submit, back, wrong, "name", "kind", "base_url", "catalog", "private_network", "credential", "max_concurrency", "queue_length", "queue_wait_ms", "region", "project", "api_version", "compatible", "chat_only")
	form.Name = component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Mono: true, Help: "Lower-case letters, digits and hyphens."}
	form.Kind.Error = wrong.of("kind")
	form.BaseURL = component.Field{Name: "base_url", Label: "Base URL", Value: in.BaseURL, Error: wrong.of("base_url"), Mono: true, Placeholder: "https://api.openai.com"}
	form.Catalog = component.Field{Name: "catalog", Label: "Price catalog", Value: in.Catalog, Error: wrong.of("catalog"), Mono: true, Optional: true, Help: "Left empty, the format's own, such as openai, anthropic or amazon-bedrock."}
	form.Compatible = component.Field{Name: "compatible", Label: "Knows the common part of OpenAI's format alone", Value: "yes", Checked: in.Compatible != nil && *in.Compatible, Error: wrong.of("compatible"), Help: "For every server of that format but OpenAI's own: it is asked with max_tokens and the role system."}
	form.ChatOnly = component.Field{Name: "chat_only", Label: "Only Chat Completions", Value: "yes", Checked: in.ChatOnly, Error: wrong.of("chat_only"), Help: "For a server of OpenAI's format that has no Responses API, or not for each of its models: calls of Responses, such as Codex's, are translated."}
	form.Region = component.Field{Name: "region", Label: "Region", Value: in.Region, Error: wrong.of("region"), Mono: true, Optional: true, Placeholder: "eu-central-1", Help: "Bedrock's, which signatures name, or Vertex AI's location, such as europe-west4 or global. Left empty, the one in the address."}
	form.Project = component.Field{Name: "project", Label: "Project", Value: in.Project, Error: wrong.of("project"), Mono: true, Optional: true, Placeholder: "my-project-1", Help: "At Google Cloud. Left empty, the service account's own."}
	form.APIVersion = component.Field{Name: "api_version", Label: "API version", Value: in.APIVersion, Error: wrong.of("api_version"), Mono: true, Optional: true, Placeholder: "2024-10-21", Help: "Of Azure's dated API. Left empty, the API without dates."}
	form.PrivateNetwork = component.Field{Name: "private_network", Label: "On a private network", Value: "yes", Checked: in.PrivateNetwork, Error: wrong.of("private_network"), Help: "Allow this address to be private or loopback, for models that you host. Edges must allow it too."}
	form.MaxConcurrency = countField(v, "max_concurrency", "Calls at a time", in.MaxConcurrency, wrong.of("max_concurrency"), "Over all edges. Empty: no limit.")
	form.QueueLength = countField(v, "queue_length", "Calls that may wait", in.QueueLength, wrong.of("queue_length"), "On each edge. Empty: none waits.")
	form.QueueWait = countField(v, "queue_wait", "Longest wait, in seconds", in.QueueWaitMS/1000, wrong.of("queue_wait_ms"), "Then the call is refused with 429.")
	form.Credential.Error = wrong.of("credential")
	if form.Account.Name != "" && in.Kind == provider.Vertex {
		form.Credential.Error, form.Account.Error = "", form.Credential.Error
	}
	return c.draw(v, view{Title: form.Title, Active: "/providers", Crumbs: under("Providers", "/providers"), Status: status, Content: providerui.FormPage(form), Fragment: providerui.Edit(form)})
}

func countField(v *visit, name, label string, n int, wrong, help string) component.Field {
	text := ""
	if n > 0 {
		text = strconv.Itoa(n)
	}
	if v.posted() {
		text = v.FormValue(name)
	}
	return component.Field{Name: name, Label: label, Value: text, Error: wrong, InputMode: "numeric", Optional: true, Help: help}
}

// queueText says how many calls a provider carries at a time and how many wait.
func queueText(one provider.Provider) string {
	switch {
	case one.MaxConcurrency == 0:
		return "no limit"
	case one.QueueLength == 0:
		return grouped(int64(one.MaxConcurrency)) + " at a time; none waits"
	default:
		wait := time.Duration(one.QueueWaitMS) * time.Millisecond
		return grouped(int64(one.MaxConcurrency)) + " at a time; " + grouped(int64(one.QueueLength)) + " may wait on each edge, up to " + route.DurationText(wait)
	}
}

func (c *Console) archiveProvider(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Provider](v, "id")
	found, err := c.Providers.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.ProviderWrite, "/providers", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "Its credentials leave every edge. A provider that a route still uses cannot be archived.",
		Submit: "Archive provider", Cancel: "/providers/" + id.String(),
	}, func() (string, string, error) {
		return "/providers", "Provider “" + found.Name + "” is archived.", c.Providers.Archive(ctx, v.actor, id)
	})
}
