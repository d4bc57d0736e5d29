package console

import (
	"strconv"
	"strings"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/guardrail"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/web/component"
	"tollgate.dev/web/guardrailui"
)

const wordsShown = 4

func (c *Console) guardrails(v *visit) error {
	all, err := c.Guardrails.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	list := guardrailui.List{MayAdd: v.actor.May(authz.GuardrailWrite)}
	for _, one := range all {
		row := guardrailui.Row{
			ID: one.ID.String(), Name: one.Name, Scope: scopeText(one.Scope, one.ScopeName, ""), Words: one.Words[:min(len(one.Words), wordsShown)],
			Action: component.Badge{Text: "block", Tone: component.Bad}, Created: component.At(one.CreatedAt, "day"),
		}
		if one.Action == guardrail.Flag {
			row.Action = component.Badge{Text: "flag", Tone: component.Warn}
		}
		if more := len(one.Words) - wordsShown; more > 0 {
			row.More = "and " + strconv.Itoa(more) + " more"
		}
		if list.MayAdd {
			row.Href = "/guardrails/" + row.ID
			row.ArchiveHref = row.Href + "/archive"
		}
		list.Rows = append(list.Rows, row)
	}
	return c.draw(v, view{Title: "Guardrails", Active: "/guardrails", Content: guardrailui.Page(list)})
}

func (c *Console) newGuardrail(v *visit) error {
	if err := v.actor.Require(authz.GuardrailWrite); err != nil {
		return err
	}
	options, err := c.scopeOptions(v)
	if err != nil {
		return err
	}
	in := guardrailInput(v)
	in.Scope, in.ScopeID = scopeOf(v.FormValue("target"))
	if !v.posted() {
		in.Scope, in.Action = scope.Org, guardrail.Block
	}
	form := guardrailui.Form{Title: "New guardrail"}
	form.Target = component.Field{Name: "target", Label: "Applies to", Value: scopeValue(in.Scope, in.ScopeID), Options: options}
	return c.guardrailForm(v, form, in, "Create guardrail", func() (string, string, error) {
		made, err := c.Guardrails.Create(v.Request().Context(), v.actor, in)
		return "/guardrails", "Guardrail “" + made.Name + "” is on.", err
	})
}

func guardrailInput(v *visit) guardrail.Input {
	return guardrail.Input{Name: v.FormValue("name"), Action: guardrail.Action(v.FormValue("action")), Words: linesOf(v.FormValue("words"))}
}

func (c *Console) editGuardrail(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Guardrail](v, "id")
	found, err := c.Guardrails.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	if err := v.actor.Require(authz.GuardrailWrite); err != nil {
		return err
	}
	in := guardrail.Input{Name: found.Name, Action: found.Action, Words: found.Words}
	if v.posted() {
		in = guardrailInput(v)
	}
	in.Scope, in.ScopeID = found.Scope, found.ScopeID
	form := guardrailui.Form{Title: found.Name}
	form.Target = component.Field{Name: "target", Label: "Applies to", Disabled: true, Options: []component.Option{{Label: scopeText(found.Scope, found.ScopeName, "")}}}
	return c.guardrailForm(v, form, in, "Save", func() (string, string, error) {
		changed, err := c.Guardrails.Update(ctx, v.actor, id, in)
		return "/guardrails", "Guardrail “" + changed.Name + "” is changed.", err
	})
}

func (c *Console) guardrailForm(v *visit, form guardrailui.Form, in guardrail.Input, submit string, keep func() (string, string, error)) error {
	wrong, status, given, err := c.send(v, keep)
	if given {
		return err
	}
	form.Form = v.frameOf("guardrail-form", submit, "/guardrails", wrong, "name", "scope", "scope_id", "action", "words")
	form.Target.Error = wrong.of("scope", "scope_id")
	form.Name = component.Field{Name: "name", Label: "Name", Value: in.Name, Error: wrong.of("name"), Help: "Callers read it when a call is blocked."}
	form.Action = component.Field{Name: "action", Label: "When a word is found", Value: string(in.Action), Error: wrong.of("action"), Options: []component.Option{
		{Value: string(guardrail.Block), Label: "Block", Help: "The call is refused."}, {Value: string(guardrail.Flag), Label: "Flag", Help: "The call passes and is marked."},
	}}
	words := strings.Join(in.Words, "\n")
	if v.posted() {
		words = v.FormValue("words")
	}
	form.Words = component.Field{Name: "words", Label: "Words", Value: words, Error: wrong.of("words"), Rows: 8, Help: "One on each line."}
	return c.draw(v, view{Title: form.Title, Active: "/guardrails", Crumbs: under("Guardrails", "/guardrails"), Status: status, Content: guardrailui.FormPage(form), Fragment: guardrailui.Edit(form)})
}

func (c *Console) archiveGuardrail(v *visit) error {
	ctx, id := v.Request().Context(), idOf[ident.Guardrail](v, "id")
	found, err := c.Guardrails.Get(ctx, v.actor, id)
	if err != nil {
		return err
	}
	return c.confirm(v, authz.GuardrailWrite, "/guardrails", component.Confirm{
		Title: "Archive “" + found.Name + "”?", Text: "Within a second no edge checks these words any more.", Submit: "Archive guardrail", Cancel: "/guardrails",
	}, func() (string, string, error) {
		return "/guardrails", "Guardrail “" + found.Name + "” is archived. It checks nothing any more.", c.Guardrails.Archive(ctx, v.actor, id)
	})
}
