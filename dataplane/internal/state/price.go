package state

import "tollgate.dev/dataplane/wire"

// Price is what a model costs per token, in pico-USD.
type Price = wire.Tariff

// price compiles one dated row into a table.
func (c *compiler) price(into *wire.Tariffs, in *wire.Price) {
	id := c.id("id", in.GetId())
	for _, each := range []struct {
		field string
		pico  int64
	}{
		{"input_pico", in.GetInputPico()},
		{"cached_input_pico", in.GetCachedInputPico()},
		{"cache_write_pico", in.GetCacheWritePico()},
		{"cache_write_hour_pico", in.GetCacheWriteHourPico()},
		{"output_pico", in.GetOutputPico()},
		{"reasoning_pico", in.GetReasoningPico()},
		{"audio_input_pico", in.GetAudioInputPico()},
		{"audio_output_pico", in.GetAudioOutputPico()},
		{"image_input_pico", in.GetImageInputPico()},
		{"image_output_pico", in.GetImageOutputPico()},
		{"request_pico", in.GetRequestPico()},
		{"image_pico", in.GetImagePico()},
		{"character_pico", in.GetCharacterPico()},
		{"audio_second_pico", in.GetAudioSecondPico()},
		{"search_pico", in.GetSearchPico()},
	} {
		c.amount(each.field, each.pico)
	}
	c.unique("id", "price "+string(id[:]))
	if until := in.GetUntilUnixMs(); until != 0 && until <= in.GetEffectiveUnixMs() {
		c.fail("until_unix_ms", "the price ends before it begins")
	}
	if err := into.Add(in); err != nil {
		c.fail("id", "%v", err)
	}
}

// listPrice compiles a row of the catalog.
func (c *compiler) listPrice(in *wire.Price) {
	c.text("catalog", in.GetCatalog())
	c.text("model", in.GetModel())
	if in.GetKind() != wire.PriceKind_PRICE_KIND_UNSPECIFIED {
		c.fail("kind", "the catalog has only list prices")
	}
	c.price(c.catalog, in)
}

// ownPrice compiles what an organization pays instead.
func (c *compiler) ownPrice(in *wire.Price) {
	switch in.GetKind() {
	case wire.PriceKind_PRICE_KIND_OVERRIDE:
		c.text("catalog", in.GetCatalog())
		c.text("model", in.GetModel())
	case wire.PriceKind_PRICE_KIND_DISCOUNT:
		c.text("catalog", in.GetCatalog())
		if in.GetDiscountPerMille() == 0 || in.GetDiscountPerMille() >= 1000 {
			c.fail("discount_per_mille", "a discount is 1 to 999 thousandths")
		}
	case wire.PriceKind_PRICE_KIND_CEILING:
	default:
		c.fail("kind", "a list price belongs to the platform fragment")
	}
	c.price(c.base.prices, in)
}

// arrange puts the rows of a table in order.
func (c *compiler) arrange(table *wire.Tariffs) {
	c.item = ""
	if err := table.Arrange(); err != nil {
		c.fail("", "%v", err)
	}
}

// pricePicoMax is one USD per token: ten thousand times the dearest price known, and a million of them still fit an int64.
const pricePicoMax = 1_000_000_000_000

func (c *compiler) amount(field string, pico int64) {
	if pico < 0 {
		c.fail(field, "a price must not be negative")
	}
	if pico > pricePicoMax {
		c.fail(field, "a price above one USD per token is not believed")
	}
}
