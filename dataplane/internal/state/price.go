package state

import (
	"cmp"
	"slices"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Price is what a model costs per token, in pico-USD, from one day on. 0 is free.
type Price struct {
	ID                 wire.ID
	InputPico          int64
	CachedInputPico    int64
	CacheWritePico     int64 // kept for five minutes
	CacheWriteHourPico int64 // kept for an hour
	OutputPico         int64
	ReasoningPico      int64 // 0: billed as output
	AudioInputPico     int64
	AudioOutputPico    int64
	RequestPico        int64    // for each answered request
	ContextTokens      uint32   // 0: unknown
	MaxOutputTokens    uint32   // 0: unknown
	AboveTokens        uint32   // of input, from which on this row holds
	Tiers              []*Price // the rows for longer inputs, by rising AboveTokens; nil: none

	effective time.Time
}

// Tier returns the row that a request with so many tokens of input is wholly billed at.
func (p *Price) Tier(input int64) *Price {
	row := p
	for _, tier := range p.Tiers {
		if input > int64(tier.AboveTokens) {
			row = tier
		}
	}
	return row
}

// catalog is the platform fragment compiled.
type catalog struct {
	byModel map[priceName][]*Price // newest first
}

type priceName struct{ catalog, model string }

// find returns the newest price in force at now, or nil.
func (c *catalog) find(name, model string, now time.Time) *Price {
	if c == nil {
		return nil
	}
	for _, price := range c.byModel[priceName{name, model}] {
		if !price.effective.After(now) {
			return price
		}
	}
	return nil
}

// next returns when the next price comes into force after now; zero: none is announced.
func (c *catalog) next(now time.Time) time.Time {
	var first time.Time
	if c == nil {
		return first
	}
	for _, prices := range c.byModel {
		for _, price := range prices {
			if price.effective.After(now) && (first.IsZero() || price.effective.Before(first)) {
				first = price.effective
			}
		}
	}
	return first
}

func (c *compiler) price(in *wire.Price) {
	out := &Price{
		ID: c.id("id", in.GetId()), effective: time.UnixMilli(in.GetEffectiveUnixMs()), AboveTokens: in.GetAboveTokens(),
		InputPico: c.amount("input_pico", in.GetInputPico()), CachedInputPico: c.amount("cached_input_pico", in.GetCachedInputPico()),
		CacheWritePico:     c.amount("cache_write_pico", in.GetCacheWritePico()),
		CacheWriteHourPico: c.amountOr("cache_write_hour_pico", in.CacheWriteHourPico, in.GetCacheWritePico()),
		OutputPico:         c.amount("output_pico", in.GetOutputPico()), ReasoningPico: c.amount("reasoning_pico", in.GetReasoningPico()),
		AudioInputPico:  c.amountOr("audio_input_pico", in.AudioInputPico, in.GetInputPico()),
		AudioOutputPico: c.amountOr("audio_output_pico", in.AudioOutputPico, in.GetOutputPico()),
		RequestPico:     c.amount("request_pico", in.GetRequestPico()),
		ContextTokens:   in.GetContextTokens(), MaxOutputTokens: in.GetMaxOutputTokens(),
	}
	name := priceName{c.text("catalog", in.GetCatalog()), c.text("model", in.GetModel())}
	c.unique("id", "price "+string(out.ID[:]))
	c.catalog.byModel[name] = append(c.catalog.byModel[name], out)
}

// tiers puts the rows of each model in order, and the tiers of a price behind its first row.
func (c *compiler) tiers() {
	c.item = ""
	for name, rows := range c.catalog.byModel {
		slices.SortFunc(rows, func(a, b *Price) int {
			return cmp.Or(b.effective.Compare(a.effective), cmp.Compare(a.AboveTokens, b.AboveTokens))
		})
		prices := rows[:0]
		for _, row := range rows {
			if row.AboveTokens == 0 {
				prices = append(prices, row)
				continue
			}
			if len(prices) == 0 || !prices[len(prices)-1].effective.Equal(row.effective) {
				c.fail("", "the price of %s/%s above %d tokens has none below", name.catalog, name.model, row.AboveTokens)
			}
			first := prices[len(prices)-1]
			first.Tiers = append(first.Tiers, row)
		}
		c.catalog.byModel[name] = slices.Clip(prices)
	}
}

// pricePicoMax is one USD per token: ten thousand times the dearest price known, and a million of them still fit an int64.
const pricePicoMax = 1_000_000_000_000

func (c *compiler) amount(field string, pico int64) int64 {
	if pico < 0 {
		c.fail(field, "a price must not be negative")
	}
	if pico > pricePicoMax {
		c.fail(field, "a price above one USD per token is not believed")
	}
	return pico
}

// amountOr is amount with what an absent field stands for.
func (c *compiler) amountOr(field string, pico *int64, otherwise int64) int64 {
	if pico == nil {
		return otherwise
	}
	return c.amount(field, *pico)
}
