package console

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/web/component"
	"tollgate.dev/web/priceui"
)

const (
	perMillion   = 1_000_000
	picoScaleMax = (1<<63 - 1) / perMillion // a price beyond it is not shown per million
)

func (c *Console) prices(v *visit) error {
	search := strings.TrimSpace(v.QueryParam("search"))
	all, err := c.Prices.List(v.Request().Context(), v.actor, search)
	if err != nil {
		return err
	}
	list := priceui.List{
		Download: "/prices/catalog.csv?" + url.Values{"search": {search}}.Encode(),
		Search:   component.Field{Name: "search", Label: "Catalog or model", Kind: "search", Value: search, Placeholder: "gpt-4o"},
		Count:    grouped(int64(len(all))) + " prices",
	}
	if len(all) == 1 {
		list.Count = "1 price"
	}
	if search != "" {
		list.Clear = "/prices"
	}
	rows := make([]priceui.Row, len(all))
	for i, one := range all {
		rows[i] = priceRow(one)
		rows[i].State = priceState(all, i, c.config.Now())
	}
	list.Rows, list.Paging = pageOf(v, rows, pageLong)
	return c.draw(v, view{Title: "Prices", Active: "/prices", Content: priceui.Page(list)})
}

// unitText says what is charged by other units than tokens.
func unitText(one price.Price) string {
	var parts []string
	for _, each := range []struct {
		pico int64
		per  string
	}{{one.ImagePico, "an image"}, {one.AudioSecondPico, "a second of sound"}, {one.SearchPico, "a search"}} {
		if each.pico > 0 {
			parts = append(parts, "$"+money.FromPico(each.pico).Decimal()+" "+each.per)
		}
	}
	if one.CharacterPico > 0 {
		parts = append(parts, million(one.CharacterPico)+" a million characters")
	}
	return strings.Join(parts, ", ")
}

func priceRow(one price.Price) priceui.Row {
	row := priceui.Row{
		ID: one.ID.String(), Model: one.Model, Catalog: one.Catalog, Input: million(one.InputPico), CachedInput: million(one.CachedInputPico),
		CacheWrite: million(one.CacheWritePico), Output: million(one.OutputPico), Reasoning: "as output", From: component.At(one.EffectiveAt, "day"),
		Context: cmp.Or(limitText(one.ContextTokens), "–"), Longest: cmp.Or(limitText(one.MaxOutputTokens), "–"),
	}
	if one.ReasoningPico > 0 {
		row.Reasoning = million(one.ReasoningPico)
	}
	if one.AboveTokens > 0 {
		row.Tier = "above " + grouped(int64(one.AboveTokens)) + " tokens in"
	}
	if one.RequestPico > 0 {
		row.Request = "and $" + money.FromPico(one.RequestPico).Decimal() + " a request"
	}
	row.Request = strings.TrimSpace(row.Request + " " + unitText(one))
	row.HourWrite = unlessSame(one.CacheWriteHourPico, one.CacheWritePico)
	row.AudioInput, row.AudioOutput = unlessSame(one.AudioInputPico, one.InputPico), unlessSame(one.AudioOutputPico, one.OutputPico)
	return row
}

// unlessSame writes a price of a class that mostly costs the same as another; nothing when it does, or has no price of its own.
func unlessSame(pico, other int64) string {
	if pico == 0 || pico == other {
		return ""
	}
	return million(pico)
}

// priceState marks the prices of a model that are not in force: of those that have begun, the last ones are, one for each tier. The
// list is sorted by catalog, model and date.
func priceState(all []price.Price, i int, now time.Time) component.Badge {
	one := all[i]
	if one.EffectiveAt.After(now) {
		return component.Badge{Text: "to come", Tone: component.Info}
	}
	for _, next := range all[i+1:] { // the tiers of one price have the same date
		if next.Catalog != one.Catalog || next.Model != one.Model {
			break
		}
		if next.EffectiveAt.After(one.EffectiveAt) && !next.EffectiveAt.After(now) {
			return component.Badge{Text: "past", Tone: component.Plain}
		}
	}
	return component.Badge{}
}

// million writes a price per token as one per million tokens.
func million(pico int64) string {
	if pico > picoScaleMax {
		return "$" + money.FromPico(pico).Decimal() + " a token"
	}
	return "$" + money.FromPico(pico*perMillion).Decimal()
}

func limitText(tokens int32) string {
	if tokens == 0 {
		return ""
	}
	return grouped(int64(tokens))
}

// percentText writes thousandths as percents.
func percentText[T int | int32](perMille T) string {
	text := strconv.Itoa(int(perMille / 10))
	if rest := perMille % 10; rest != 0 {
		text += "." + strconv.Itoa(int(rest))
	}
	return text + "%"
}
