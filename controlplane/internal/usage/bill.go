package usage

import (
	"encoding/json"

	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/dataplane/wire"
)

// BillLine is the tokens of one class with what they cost. Tokens of a class that costs like others are with them.
type BillLine struct {
	Class  string
	Tokens int64 // or other units; 0: the request itself
	Price  money.Amount
	Cost   money.Amount
}

// Bill returns what the cost is made of, less the discount, each class once; nothing without a price.
func (d Detail) Bill() []BillLine {
	if d.Price == nil {
		return nil
	}
	row := d.Price.tariff()
	if d.Discount != nil {
		row = row.Discounted(uint32(max(d.Discount.DiscountPerMille, 0)), wire.ID{})
	}
	var lines []BillLine
	used := d.InputTokens + d.CachedInputTokens + d.CacheWriteTokens + d.OutputTokens
	add := func(class string, tokens, pico int64) {
		if tokens > 0 {
			price := money.FromPico(pico)
			lines = append(lines, BillLine{class, tokens, price, price.Times(tokens, 1)})
		}
	}
	part := func(class string, tokens *int64, count, pico, like int64) {
		if pico != like {
			add(class, count, pico)
			*tokens -= count
		}
	}
	input, writes, output := d.InputTokens, d.CacheWriteTokens, d.OutputTokens
	part("Audio in", &input, d.AudioInputTokens, row.AudioInputPico, row.InputPico)
	part("Images in", &input, d.ImageInputTokens, row.ImageInputPico, row.InputPico)
	add("Input", input, row.InputPico)
	add("Input read from a cache", d.CachedInputTokens, row.CachedInputPico)
	part("Written to a cache for an hour", &writes, d.CacheHourTokens, row.CacheWriteHourPico, row.CacheWritePico)
	add("Input written to a cache", writes, row.CacheWritePico)
	if row.ReasoningPico > 0 {
		part("Reasoning", &output, d.ReasoningTokens, row.ReasoningPico, row.OutputPico)
	}
	part("Audio out", &output, d.AudioOutputTokens, row.AudioOutputPico, row.OutputPico)
	part("Images out", &output, d.ImageOutputTokens, row.ImageOutputPico, row.OutputPico)
	add("Output", output, row.OutputPico)
	var unit units
	_ = json.Unmarshal(d.Units, &unit) // they are written by ingest alone
	add("Images made", unit.Images, row.ImagePico)
	add("Characters spoken", unit.Characters, row.CharacterPico)
	if unit.AudioMs > 0 && row.AudioSecondPico > 0 {
		cost := (&wire.Tariff{AudioSecondPico: row.AudioSecondPico}).Cost(&wire.Tokens{AudioMs: unit.AudioMs})
		lines = append(lines, BillLine{"Sound heard, in milliseconds, by the second", unit.AudioMs, money.FromPico(row.AudioSecondPico), money.FromPico(cost)})
	}
	add("Searches", unit.Searches, row.SearchPico)
	used += unit.Images + unit.Characters + unit.AudioMs + unit.Searches
	if row.RequestPico > 0 && (d.Reported || used > 0) {
		lines = append(lines, BillLine{Class: "The request itself", Price: money.FromPico(row.RequestPico), Cost: money.FromPico(row.RequestPico)})
	}
	return lines
}

func (p *Price) tariff() *wire.Tariff {
	return &wire.Tariff{
		InputPico: p.InputPico, CachedInputPico: p.CachedInputPico, CacheWritePico: p.CacheWritePico, CacheWriteHourPico: p.CacheWriteHourPico,
		OutputPico: p.OutputPico, ReasoningPico: p.ReasoningPico, AudioInputPico: p.AudioInputPico, AudioOutputPico: p.AudioOutputPico,
		ImageInputPico: p.ImageInputPico, ImageOutputPico: p.ImageOutputPico, RequestPico: p.RequestPico,
		ImagePico: p.ImagePico, CharacterPico: p.CharacterPico, AudioSecondPico: p.AudioSecondPico, SearchPico: p.SearchPico,
	}
}
