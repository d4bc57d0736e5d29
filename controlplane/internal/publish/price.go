package publish

import (
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/dataplane/wire"
)

// priceItems turns the price catalog into the items of the platform fragment.
func priceItems(prices []price.Price) (map[string][]byte, error) {
	b := &builder{items: make(map[string][]byte, len(prices))}
	for _, in := range prices {
		b.add("price", in.ID.String(), &wire.ItemBody{Body: &wire.ItemBody_Price{Price: &wire.Price{
			Id: in.ID.Bytes(), Catalog: in.Catalog, Model: in.Model, EffectiveUnixMs: in.EffectiveAt.UnixMilli(),
			InputPico: in.InputPico, CachedInputPico: in.CachedInputPico, CacheWritePico: in.CacheWritePico, OutputPico: in.OutputPico,
			ReasoningPico: in.ReasoningPico, ContextTokens: uint32(max(in.ContextTokens, 0)), MaxOutputTokens: uint32(max(in.MaxOutputTokens, 0)),
		}}})
	}
	return b.items, b.err
}
