package state

import (
	"cmp"
	"slices"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Price is what a model costs per token, in pico-USD, from one day on.
type Price struct {
	ID              wire.ID
	InputPico       int64
	CachedInputPico int64
	CacheWritePico  int64
	OutputPico      int64
	ReasoningPico   int64  // 0: billed as output
	ContextTokens   uint32 // 0: unknown
	MaxOutputTokens uint32 // 0: unknown

	effective time.Time
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
		ID: c.id("id", in.GetId()), effective: time.UnixMilli(in.GetEffectiveUnixMs()),
		InputPico: c.amount("input_pico", in.GetInputPico()), CachedInputPico: c.amount("cached_input_pico", in.GetCachedInputPico()),
		CacheWritePico: c.amount("cache_write_pico", in.GetCacheWritePico()), OutputPico: c.amount("output_pico", in.GetOutputPico()),
		ReasoningPico: c.amount("reasoning_pico", in.GetReasoningPico()),
		ContextTokens: in.GetContextTokens(), MaxOutputTokens: in.GetMaxOutputTokens(),
	}
	name := priceName{c.text("catalog", in.GetCatalog()), c.text("model", in.GetModel())}
	c.unique("id", "price "+string(out.ID[:]))
	list := append(c.catalog.byModel[name], out)
	slices.SortFunc(list, func(a, b *Price) int { return cmp.Compare(b.effective.UnixMilli(), a.effective.UnixMilli()) })
	c.catalog.byModel[name] = list
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
