package publish

import (
	"time"

	"tollgate.dev/controlplane/internal/price"
	"tollgate.dev/dataplane/wire"
)

// priceItems turns the price catalog into the items of the platform fragment.
func priceItems(prices []price.Price) (map[string][]byte, error) {
	b := &builder{items: make(map[string][]byte, len(prices))}
	for _, in := range prices {
		b.add("price", in.ID.String(), priceBody(in.Wire()))
	}
	return b.items, b.err
}

func priceBody(in *wire.Price) *wire.ItemBody {
	return &wire.ItemBody{Body: &wire.ItemBody_Price{Price: in}}
}

// inForceAt keeps the organization's own prices that are in force at a time or will be.
func inForceAt(at time.Time) func(price.Own) bool {
	return func(own price.Own) bool {
		return !own.Over(at) && (own.EndedAt == nil || own.EndedAt.After(own.EffectiveAt))
	}
}
