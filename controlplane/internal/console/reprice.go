package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/reprice"
	"tollgate.dev/web/component"
	"tollgate.dev/web/priceui"
)

const repricePath = "/prices/reprice"

func (c *Console) repricings(v *visit) error {
	all, err := c.Reprices.List(v.Request().Context(), v.actor)
	if err != nil {
		return err
	}
	list := priceui.RepriceList{MayStart: v.actor.May(authz.PriceWrite)}
	for _, one := range all {
		list.Rows = append(list.Rows, repriceRow(one, v.actor.May(authz.AuditRead)))
		list.Running = list.Running || one.DoneAt == nil
	}
	return c.draw(v, view{Title: "Re-price", Active: "/prices", Crumbs: under("Prices", "/prices"), Content: priceui.RepricePage(list), Fragment: priceui.RepriceTable(list)})
}

func repriceRow(one reprice.Reprice, mayAudit bool) priceui.RepriceRow {
	row := priceui.RepriceRow{
		ID: one.ID.String(), Reason: one.Reason, What: chosenText(one.Input), From: component.At(one.From, "minute"), Until: component.At(one.Until, "minute"),
		State: component.Badge{Text: "done", Tone: component.OK}, Seen: grouped(one.Seen), Changed: grouped(one.Changed), Before: one.Before.USD(), After: one.After.USD(),
		Difference: signed(one.After.Sub(one.Before)), By: one.CreatedBy, Created: component.At(one.CreatedAt, "minute"),
	}
	if one.DoneAt == nil {
		row.State = component.Badge{Text: "under way, " + reached(one), Tone: component.Info}
	}
	if one.LeftOut > 0 {
		row.LeftOut = grouped(one.LeftOut) + " left out"
	}
	if mayAudit {
		row.Audit = "/audit?" + url.Values{"subject": {row.ID}}.Encode()
	}
	return row
}

// reached is how far a job has come in its range of time.
func reached(one reprice.Reprice) string {
	const whole = 100
	return strconv.FormatInt(int64(one.ReachedAt.Sub(one.From))/max(int64(one.Until.Sub(one.From))/whole, 1), 10) + "%"
}

func chosenText(in reprice.Input) string {
	switch {
	case in.Catalog == "" && in.Model == "":
		return "every model"
	case in.Catalog == "":
		return in.Model
	case in.Model == "":
		return in.Catalog + "/*"
	default:
		return in.Catalog + "/" + in.Model
	}
}

// signed writes an amount with its sign.
func signed(amount money.Amount) string {
	if amount.Sign() > 0 {
		return "+" + amount.USD()
	}
	return amount.USD()
}

// newReprice shows what a job would change, and starts it when it is sent again from there.
func (c *Console) newReprice(v *visit) error {
	if err := v.actor.Require(authz.PriceWrite); err != nil {
		return err
	}
	var preview *priceui.RepricePreview
	var wrong mends
	status := http.StatusOK
	if v.posted() {
		in, err := repriceInput(v)
		if err == nil && v.FormValue("start") != "" {
			if _, err = c.Reprices.Start(v.Request().Context(), v.actor, in); err == nil {
				return c.done(v, repricePath, "Re-pricing has begun. You may leave this page: it goes on by itself.")
			}
		} else if err == nil {
			preview, err = c.preview(v, in)
		}
		if err != nil {
			var known bool
			if wrong, known = refused(err); !known {
				return err
			}
			status = http.StatusUnprocessableEntity
		}
	}
	field := func(name, label, placeholder, help string, optional bool) component.Field {
		return component.Field{Name: name, Label: label, Value: v.FormValue(name), Error: wrong.of(name), Placeholder: placeholder, Help: help, Optional: optional}
	}
	form := priceui.RepriceForm{
		Form:    v.frameOf("reprice-form", "", repricePath, wrong, "catalog", "model", "from", "until", "reason"),
		Catalog: field("catalog", "Catalog", "azure", "The provider's name among the list prices. Empty: every one.", true),
		Model:   field("model", "Model", "gpt-4o", "As the provider calls it. Empty: every one.", true),
		From:    field("from", "From", "2026-01-31", "A day or a moment in UTC, such as 2026-01-31 or 2026-01-31T12:00:00Z.", false),
		Until:   field("until", "Until", "2026-02-28", "Not included. Empty: now.", true),
		Reason:  field("reason", "Reason", "Contract 4711 came late", "It stands in the audit and at every call that is corrected.", false),
		Preview: preview,
	}
	return c.draw(v, view{
		Title: "Re-price usage", Active: "/prices", Crumbs: under("Re-price", repricePath), Status: status, Content: priceui.RepriceFormPage(form), Fragment: priceui.RepriceEdit(form),
	})
}

// repriceInput reads the form; only jobs demand the reason, but nobody should learn that after the preview.
func repriceInput(v *visit) (in reprice.Input, err error) {
	in = reprice.Input{Catalog: v.FormValue("catalog"), Model: v.FormValue("model"), Reason: v.FormValue("reason")}
	if in.From, err = formMoment("from", v.FormValue("from")); err != nil {
		return in, err
	}
	if in.Until, err = formMoment("until", v.FormValue("until")); err != nil {
		return in, err
	}
	var wrong fault.Fields
	if strings.TrimSpace(in.Reason) == "" {
		wrong.Add("reason", "say why; it stands in the audit and at every call that is corrected")
	}
	return in, wrong.Err()
}

func (c *Console) preview(v *visit, in reprice.Input) (*priceui.RepricePreview, error) {
	if in.Until.IsZero() {
		in.Until = c.config.Now() // what is started is what was shown
	}
	found, err := c.Reprices.Preview(v.Request().Context(), v.actor, in)
	if err != nil {
		return nil, err
	}
	shown := &priceui.RepricePreview{
		Figures: []component.Stat{
			{Label: "Difference", Value: signed(found.After.Sub(found.Before)), Note: found.Before.USD() + " → " + found.After.USD(), TestID: "preview-difference"},
			{Label: "Calls to correct", Value: grouped(found.Changed), Note: "of " + grouped(found.Seen) + " looked at"},
		},
		Start: found.Changed > 0 || !found.Whole,
	}
	note := func(when bool, text string) {
		if when {
			shown.Notes = append(shown.Notes, text)
		}
	}
	note(found.Seen == 0, "No call of that time and model reached a provider.")
	note(found.Seen > 0 && found.Changed == 0 && found.Whole, "Every call costs in your books what it was charged: there is nothing to correct.")
	note(!found.Whole, "There is too much for a preview: these are the figures of the oldest part. The job does all of it.")
	note(found.LeftOut > 0, grouped(found.LeftOut)+" calls are left out: their cost cannot be told again from what is kept.")
	shown.Chosen = []component.Field{
		{Name: "catalog", Value: in.Catalog},
		{Name: "model", Value: in.Model},
		{Name: "from", Value: v.FormValue("from")},
		{Name: "until", Value: in.Until.UTC().Format(time.RFC3339Nano)},
		{Name: "reason", Value: in.Reason},
	}
	return shown, nil
}
