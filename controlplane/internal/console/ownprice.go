package console

import (
	"net/url"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/web/component"
	"tollgate.dev/web/priceui"
)

const (
	ownPricesPath = "/prices/own"
	unknownPath   = "/prices/unknown"
)

func (c *Console) ownPrices(v *visit) error {
	ctx := v.Request().Context()
	all, err := c.Prices.Own(ctx, v.actor)
	if err != nil {
		return err
	}
	listed, err := c.listPrices(v)
	if err != nil {
		return err
	}
	list := priceui.OwnList{MayAdd: v.actor.May(authz.PriceWrite)}
	for _, one := range all {
		if one.Kind == price.Ceiling || one.EndedAt != nil && one.EndedAt.Equal(one.EffectiveAt) {
			continue // the ceiling has its page; what was taken back never held
		}
		list.Rows = append(list.Rows, c.ownRow(one, listed, list.MayAdd))
	}
	return c.draw(v, view{Title: "Your prices", Active: "/prices", Crumbs: under("Prices", "/prices"), Content: priceui.OwnPage(list)})
}

// listPrices returns the list price in force of each model.
func (c *Console) listPrices(v *visit) (map[string]price.Price, error) {
	all, err := c.Prices.List(v.Request().Context(), v.actor, "")
	if err != nil {
		return nil, err
	}
	now, listed := c.config.Now(), map[string]price.Price{}
	for _, one := range all { // by rising date
		if one.AboveTokens == 0 && one.Service == "" && !one.EffectiveAt.After(now) {
			listed[one.Catalog+"/"+one.Model] = one
		}
	}
	return listed, nil
}

func (c *Console) ownRow(one price.Own, listed map[string]price.Price, mayEnd bool) priceui.OwnRow {
	now := c.config.Now()
	row := priceui.OwnRow{
		ID: one.ID.String(), Model: one.Model, Catalog: one.Catalog, Input: million(one.InputPico), CachedInput: million(one.CachedInputPico), Output: million(one.OutputPico),
		From: component.At(one.EffectiveAt, "minute"), Until: component.AtPointer(one.EndedAt, "minute"), Note: one.Note, By: one.CreatedBy,
	}
	if one.Model == "" {
		row.Model = "every model"
	}
	if one.Kind == price.Discount {
		row.Discount = percentText(one.DiscountPerMille)
	}
	if list, there := listed[one.Catalog+"/"+one.Model]; there {
		row.ListInput, row.ListOutput = million(list.InputPico), million(list.OutputPico)
	}
	switch {
	case one.Over(now):
		row.State = component.Badge{Text: "past", Tone: component.Plain}
	case one.EffectiveAt.After(now):
		row.State = component.Badge{Text: "to come", Tone: component.Info}
	default:
		row.State = component.Badge{Text: "in force", Tone: component.OK}
	}
	if mayEnd && !one.Over(now) {
		row.EndHref = ownPricesPath + "/" + row.ID + "/end"
	}
	return row
}

// amountFields are the prices of a form, in US dollars per million tokens.
func amountFields(in price.Amounts, wrong mends) []component.Field {
	field := func(name, label, value, help string) component.Field {
		return component.Field{Name: name, Label: label, Value: value, Error: wrong.of(name), Prefix: "$", InputMode: "decimal", Help: help, Optional: true}
	}
	return []component.Field{
		field("input_usd", "Input", in.Input, "Per million tokens."), field("output_usd", "Output", in.Output, "Per million tokens."),
		field("cached_input_usd", "Input read from a cache", in.CachedInput, "Empty: as input."), field("cache_write_usd", "Written to a cache", in.CacheWrite, "Empty: as input."),
		field("cache_write_hour_usd", "Written for an hour", in.CacheWriteHour, "Empty: as for five minutes."), field("reasoning_usd", "Reasoning", in.Reasoning, "Empty: as output."),
		field("request_usd", "Each request", in.Request, "Empty: nothing."), field("image_usd", "Each image made", in.Image, "Empty: nothing. A service such as “hd 1024x1792” is by quality and size."),
		field("character_usd", "A million characters spoken", in.Character, "Empty: nothing."), field("audio_second_usd", "Each second of sound heard", in.AudioSecond, "Empty: nothing."),
		field("search_usd", "Each search of a reranker", in.Search, "Empty: nothing."),
	}
}

func amountsOf(v *visit) price.Amounts {
	return price.Amounts{
		Input: v.FormValue("input_usd"), Output: v.FormValue("output_usd"), CachedInput: v.FormValue("cached_input_usd"), CacheWrite: v.FormValue("cache_write_usd"),
		CacheWriteHour: v.FormValue("cache_write_hour_usd"), Reasoning: v.FormValue("reasoning_usd"), Request: v.FormValue("request_usd"),
		Image: v.FormValue("image_usd"), Character: v.FormValue("character_usd"), AudioSecond: v.FormValue("audio_second_usd"), Search: v.FormValue("search_usd"),
	}
}

func amountNames(others ...string) []string {
	return append(others, "input_usd", "output_usd", "cached_input_usd", "cache_write_usd", "cache_write_hour_usd", "reasoning_usd", "request_usd", "image_usd", "character_usd", "audio_second_usd", "search_usd")
}

func (c *Console) newPrice(v *visit) error {
	if err := v.actor.Require(authz.PriceWrite); err != nil {
		return err
	}
	in := price.Input{
		Kind: price.Kind(v.FormValue("kind")), Catalog: v.FormValue("catalog"), Model: v.FormValue("model"), DiscountPercent: v.FormValue("discount_percent"),
		Note: v.FormValue("note"), Amounts: amountsOf(v),
	}
	if !v.posted() {
		in.Kind, in.Catalog, in.Model = price.Override, v.QueryParam("catalog"), v.QueryParam("model")
	}
	from := v.FormValue("effective_at")
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		var err error
		if in.EffectiveAt, err = formMoment("effective_at", from); err != nil {
			return "", "", err
		}
		made, err := c.Prices.Add(v.Request().Context(), v.actor, in)
		return ownPricesPath, "Your price at " + made.Catalog + " is kept. Edges have it in a moment.", err
	})
	if given {
		return err
	}
	shown := amountNames("kind", "catalog", "model", "discount_percent", "effective_at", "note")
	form := priceui.OwnForm{
		Form: v.frameOf("price-form", "Add price", ownPricesPath, wrong, shown...),
		Kind: component.Field{Name: "kind", Label: "What you pay", Value: string(in.Kind), Error: wrong.of("kind"), Options: []component.Option{
			{Value: string(price.Override), Label: "A price of your own", Help: "For one model, instead of the list."}, {Value: string(price.Discount), Label: "A discount", Help: "Off the list prices of a provider or one model."},
		}},
		Catalog:  component.Field{Name: "catalog", Label: "Catalog", Value: in.Catalog, Error: wrong.of("catalog"), Placeholder: "azure", Help: "The provider's name among the list prices."},
		Model:    component.Field{Name: "model", Label: "Model", Value: in.Model, Error: wrong.of("model"), Placeholder: "gpt-4o", Mono: true, Optional: true, Help: "As the provider calls it. Of a discount, empty means every model."},
		Discount: component.Field{Name: "discount_percent", Label: "Discount", Value: in.DiscountPercent, Error: wrong.of("discount_percent"), Suffix: "%", InputMode: "decimal", Optional: true, Help: "Only with a discount."},
		Amounts:  amountFields(in.Amounts, wrong),
		From:     component.Field{Name: "effective_at", Label: "Holds from", Value: from, Error: wrong.of("effective_at"), Placeholder: "2026-01-31", Optional: true, Help: "A day or a moment in UTC, such as 2026-01-31 or 2026-01-31T12:00:00Z. Empty: from now on."},
		Note:     component.Field{Name: "note", Label: "Note", Value: in.Note, Error: wrong.of("note"), Optional: true, Help: "Such as the number of the contract."},
	}
	return c.draw(v, view{Title: "New price", Active: "/prices", Crumbs: under("Your prices", ownPricesPath), Status: status, Content: priceui.OwnFormPage(form), Fragment: priceui.OwnEdit(form)})
}

// formMoment reads the day or moment of a field; empty is the zero time.
func formMoment(name, text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	var wrong fault.Fields
	wrong.Add(name, "enter a day such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z")
	return time.Time{}, wrong.Err()
}

func (c *Console) endPrice(v *visit) error {
	return c.confirm(v, authz.PriceWrite, "/prices", component.Confirm{
		Title: "End this price?", Text: "From now on the list price holds again. What was charged stays as it is. A price that has not begun is taken back.", Submit: "End price", Cancel: ownPricesPath,
	}, func() (string, string, error) {
		ended, err := c.Prices.End(v.Request().Context(), v.actor, idOf[ident.Price](v, "id"), time.Time{})
		return ownPricesPath, "Your price at " + ended.Catalog + " has ended. The list price holds again.", err
	})
}

func (c *Console) unknownPrices(v *visit) error {
	ctx := v.Request().Context()
	found, err := c.Prices.Unknown(ctx, v.actor)
	if err != nil {
		return err
	}
	in := price.UnknownInput{Policy: price.Policy(v.FormValue("policy")), Amounts: amountsOf(v)}
	if !v.posted() {
		in.Policy = found.Policy
		if in.Amounts, err = c.ceilingShown(v, found); err != nil {
			return err
		}
	}
	wrong, status, given, err := c.send(v, func() (string, string, error) {
		kept, err := c.Prices.SetUnknown(ctx, v.actor, in)
		if kept.Policy == price.ChargeCeiling {
			return unknownPath, "Models without a price are charged at your ceiling from now on.", err
		}
		return unknownPath, "Calls of models without a price are refused from now on.", err
	})
	if given {
		return err
	}
	page := priceui.Unknown{
		Form: v.frameOf("unknown-form", "Save", "/prices", wrong, amountNames("policy")...),
		Policy: component.Field{Name: "policy", Label: "Their calls", Value: string(in.Policy), Error: wrong.of("policy"), Options: []component.Option{
			{Value: string(price.Refuse), Label: "Refuse", Help: "The caller is told to ask for a price."}, {Value: string(price.ChargeCeiling), Label: "Charge at a ceiling", Help: "Flagged in usage, so that you can re-price it later."},
		}},
		Amounts: amountFields(in.Amounts, wrong), MayChange: v.actor.May(authz.PriceWrite), Count: grouped(int64(len(found.Models))) + " models of your routes have no price",
	}
	if len(found.Models) == 1 {
		page.Count = "1 model of your routes has no price"
	}
	for _, one := range found.Models {
		model := priceui.UnpricedModel{Name: one.Model, Provider: one.Provider}
		if page.MayChange {
			model.Href = ownPricesPath + "/new?" + url.Values{"catalog": {one.Catalog}, "model": {one.Model}}.Encode()
		}
		page.Models = append(page.Models, model)
	}
	return c.draw(v, view{Title: "Models without a price", Active: "/prices", Crumbs: under("Prices", "/prices"), Status: status, Content: priceui.UnknownPage(page), Fragment: priceui.UnknownEdit(page)})
}

// ceilingShown returns the ceiling in force, or as a proposal the dearest list price of input and of output.
func (c *Console) ceilingShown(v *visit, found price.Unknown) (price.Amounts, error) {
	usd := func(pico int64) string { return money.FromPico(pico).Times(perMillion, 1).Decimal() }
	if one := found.Ceiling; one != nil {
		shown := price.Amounts{
			Input: usd(one.InputPico), Output: usd(one.OutputPico), CachedInput: usd(one.CachedInputPico), CacheWrite: usd(one.CacheWritePico), CacheWriteHour: usd(one.CacheWriteHourPico),
		}
		if one.ReasoningPico > 0 {
			shown.Reasoning = usd(one.ReasoningPico)
		}
		for into, pico := range map[*string]int64{
			&shown.Request: one.RequestPico, &shown.Image: one.ImagePico, &shown.AudioSecond: one.AudioSecondPico, &shown.Search: one.SearchPico,
		} {
			if pico > 0 {
				*into = money.FromPico(pico).Decimal()
			}
		}
		if one.CharacterPico > 0 {
			shown.Character = usd(one.CharacterPico)
		}
		return shown, nil
	}
	listed, err := c.listPrices(v)
	var input, output int64
	for _, one := range listed {
		input, output = max(input, one.InputPico), max(output, one.OutputPico, one.ReasoningPico)
	}
	return price.Amounts{Input: usd(input), Output: usd(output)}, err
}
