package console

import (
	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/component"
	"tollgate.dev/web/usageui"
)

// billLines lays the bill out by class of tokens.
func billLines(one usage.Detail) []usageui.Line {
	var lines []usageui.Line
	for _, line := range one.Bill() {
		if line.Tokens == 0 {
			lines = append(lines, usageui.Line{Class: line.Class, Tokens: "1", Price: line.Price.USD() + " each", Cost: line.Cost.USD()})
			continue
		}
		lines = append(lines, usageui.Line{Class: line.Class, Tokens: grouped(line.Tokens), Price: line.Price.Times(perMillion, 1).USD(), Cost: line.Cost.USD()})
	}
	return lines
}

// priceFacts says which price a call was charged at.
func priceFacts(one usage.Detail) []usageui.Fact {
	if one.Price == nil {
		return nil
	}
	kinds := map[string]string{"list": "the catalog's", "override": "your own", "ceiling": "the ceiling for models without a price"}
	list := facts("Price", kinds[one.Price.Kind], "~Model", one.Price.Model, "Catalog", one.Price.Catalog)
	list = append(list, usageui.Fact{Name: "Since", At: component.At(one.Price.EffectiveAt, "day")})
	above, less := "", ""
	if one.Price.AboveTokens > 0 {
		above = "above " + grouped(int64(one.Price.AboveTokens)) + " tokens in"
	}
	if one.Discount != nil {
		less = percentText(one.Discount.DiscountPerMille) + " off the list price"
	}
	return append(list, facts("Tier", above, "Service", one.ServiceTier, "Discount", less, "~Price id", one.PriceID.String(), "~Discount id", one.DiscountID.String())...)
}
