package publish

import (
	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/dataplane/wire"
)

// priceItems turns the price catalog into the items of the platform fragment.
func priceItems(prices []price.Price) (map[string][]byte, error) {
	b := &builder{items: make(map[string][]byte, len(prices))}
	for _, in := range prices {
		b.add("price", in.ID.String(), priceBody(in))
	}
	return b.items, b.err
}

func priceBody(in price.Price) *wire.ItemBody {
	return &wire.ItemBody{Body: &wire.ItemBody_Price{Price: &wire.Price{
		Id: in.ID.Bytes(), Catalog: in.Catalog, Model: in.Model, EffectiveUnixMs: in.EffectiveAt.UnixMilli(), AboveTokens: uint32(max(in.AboveTokens, 0)),
		InputPico: in.InputPico, CachedInputPico: in.CachedInputPico, CacheWritePico: in.CacheWritePico, CacheWriteHourPico: unless(in.CacheWritePico, in.CacheWriteHourPico),
		OutputPico: in.OutputPico, ReasoningPico: in.ReasoningPico,
		AudioInputPico: unless(in.InputPico, in.AudioInputPico), AudioOutputPico: unless(in.OutputPico, in.AudioOutputPico),
		RequestPico: in.RequestPico, ContextTokens: uint32(max(in.ContextTokens, 0)), MaxOutputTokens: uint32(max(in.MaxOutputTokens, 0)),
	}}}
}

// unless leaves an amount out that is the default.
func unless(otherwise, pico int64) *int64 {
	if pico == otherwise {
		return nil
	}
	return &pico
}
