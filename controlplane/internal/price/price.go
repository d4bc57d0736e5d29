// Package price keeps what models cost per token, dated: the catalog, for all organizations alike, and what an organization pays instead.
// It refuses floating point, and to treat a price that it does not have as nothing.
package price

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// Price is what a model costs from a date on, in pico-USD per token of each class. 0 is free. Rows that differ in AboveTokens alone are
// the tiers of one price: a request is wholly billed at the row with the largest AboveTokens that its input exceeds. Rows that differ in
// Service hold where the provider says that it served so. An event names the row that it was billed at.
type Price struct {
	ID                 ident.Price `json:"id"`
	Catalog            string      `json:"catalog"` // the provider's name here
	Model              string      `json:"model"`
	EffectiveAt        time.Time   `json:"effective_at"`
	Service            string      `json:"service"`      // batch, flex, priority; empty: every other
	AboveTokens        int32       `json:"above_tokens"` // of input; 0: the first tier
	InputPico          int64       `json:"input_pico"`
	CachedInputPico    int64       `json:"cached_input_pico"`
	CacheWritePico     int64       `json:"cache_write_pico"`      // kept for five minutes
	CacheWriteHourPico int64       `json:"cache_write_hour_pico"` // kept for an hour
	OutputPico         int64       `json:"output_pico"`
	ReasoningPico      int64       `json:"reasoning_pico"` // 0: billed as output
	AudioInputPico     int64       `json:"audio_input_pico"`
	AudioOutputPico    int64       `json:"audio_output_pico"`
	ImageInputPico     int64       `json:"image_input_pico"`
	ImageOutputPico    int64       `json:"image_output_pico"`
	RequestPico        int64       `json:"request_pico"`      // for each answered request
	ImagePico          int64       `json:"image_pico"`        // for each image made; Service may name its quality and size
	CharacterPico      int64       `json:"character_pico"`    // for each character spoken
	AudioSecondPico    int64       `json:"audio_second_pico"` // for each second of sound that is heard
	SearchPico         int64       `json:"search_pico"`       // for each search of a reranker
	ContextTokens      int32       `json:"context_tokens"`    // 0: unknown
	MaxOutputTokens    int32       `json:"max_output_tokens"` // 0: unknown
}

// Kind is what an organization's own price is.
type Kind string

// The kinds.
const (
	Override Kind = "override" // the price of one model, instead of all rows of the catalog for it
	Discount Kind = "discount" // taken off the catalog's prices of a provider, or of one model of it
	Ceiling  Kind = "ceiling"  // charged for models that have no price
)

// Own is what an organization pays instead of the catalog's prices. Nothing of it is changed later but its end. A model's own price goes
// before any discount, a model's discount before its provider's; of several in force the one that began last holds.
type Own struct {
	Price
	Kind             Kind       `json:"kind"`
	EndedAt          *time.Time `json:"ended_at,omitempty"` // not in force from then on; none: no end. At effective_at: it never was
	DiscountPerMille int32      `json:"discount_per_mille"` // of a discount
	Note             string     `json:"note"`
	CreatedBy        string     `json:"created_by"`
	CreatedAt        time.Time  `json:"created_at"`
}

// Holds says whether the price is in force.
func (o Own) Holds(at time.Time) bool {
	return !o.EffectiveAt.After(at) && (o.EndedAt == nil || at.Before(*o.EndedAt))
}

// Over says whether the price is not in force any more and never will be.
func (o Own) Over(at time.Time) bool { return o.EndedAt != nil && !at.Before(*o.EndedAt) }

//go:embed catalog.csv
var files embed.FS

const catalogFile = "catalog.csv"

// pricePicoMax is one USD: no edge believes a price above that.
const pricePicoMax = 1_000_000_000_000

// namespace makes the ids of the catalog's rows the same everywhere (UUIDv5 of all that a row says).
var namespace = uuid.MustParse("6f6c6c74-7465-5072-8963-654361746c67")

// identify gives the row the id of what it says: a row that says something else is another.
func (p *Price) identify() {
	p.ID = ident.Price{UUID: uuid.NewSHA1(namespace, []byte(strings.Join(said(*p), "\n")))}
}

// said is all that a row says. Units that it has no price for are left out, so that rows from before there were any keep their ids.
func said(p Price) []string {
	values := record(Own{Price: p})
	if units := values[unitColumn : unitColumn+unitCount]; strings.Join(units, "") == "" {
		return slices.Concat(values[:unitColumn], values[unitColumn+unitCount:])
	}
	return values
}

// Embedded returns the price table that comes with the program.
func Embedded() ([]Price, error) {
	file, err := files.Open(catalogFile)
	if err != nil {
		return nil, fmt.Errorf("open the price table: %w", err)
	}
	defer func() { _ = file.Close() }()
	return Parse(file)
}

// mayServe says whether the row's service is one: of images, what they are billed by.
func (p Price) mayServe() bool {
	return p.Service == "" || slices.Contains(services[:], p.Service) || p.ImagePico > 0 && len(p.Service) <= serviceMax && !strings.ContainsFunc(p.Service, unicode.IsControl)
}

const serviceMax = 64 // bytes

// Wire returns the row as it travels.
func (p Price) Wire() *wire.Price {
	return &wire.Price{
		Id: p.ID.Bytes(), Catalog: p.Catalog, Model: p.Model, EffectiveUnixMs: p.EffectiveAt.UnixMilli(), AboveTokens: uint32(max(p.AboveTokens, 0)), Service: p.Service,
		InputPico: p.InputPico, CachedInputPico: p.CachedInputPico, CacheWritePico: p.CacheWritePico, CacheWriteHourPico: unless(p.CacheWritePico, p.CacheWriteHourPico),
		OutputPico: p.OutputPico, ReasoningPico: p.ReasoningPico,
		AudioInputPico: unless(p.InputPico, p.AudioInputPico), AudioOutputPico: unless(p.OutputPico, p.AudioOutputPico),
		ImageInputPico: unless(p.InputPico, p.ImageInputPico), ImageOutputPico: unless(p.OutputPico, p.ImageOutputPico),
		ImagePico: p.ImagePico, CharacterPico: p.CharacterPico, AudioSecondPico: p.AudioSecondPico, SearchPico: p.SearchPico,
		RequestPico: p.RequestPico, ContextTokens: uint32(max(p.ContextTokens, 0)), MaxOutputTokens: uint32(max(p.MaxOutputTokens, 0)),
	}
}

// Wire returns the row as it travels.
func (o Own) Wire() *wire.Price {
	out := o.Price.Wire()
	out.DiscountPerMille = uint32(max(o.DiscountPerMille, 0))
	if o.EndedAt != nil {
		out.UntilUnixMs = o.EndedAt.UnixMilli()
	}
	switch o.Kind {
	case Override:
		out.Kind = wire.PriceKind_PRICE_KIND_OVERRIDE
	case Discount:
		out.Kind = wire.PriceKind_PRICE_KIND_DISCOUNT
	case Ceiling:
		out.Kind = wire.PriceKind_PRICE_KIND_CEILING
	}
	return out
}

// unless leaves an amount out that is the default.
func unless(otherwise, pico int64) *int64 {
	if pico == otherwise {
		return nil
	}
	return &pico
}
