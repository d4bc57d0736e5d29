package price

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
)

// fields reads the values of one line and notes what is wrong with them.
type fields struct {
	values []string
	at     map[string]int
	line   int
	wrong  fault.Fields
}

func (f *fields) fail(column, format string, args ...any) {
	f.wrong.Add(fmt.Sprintf("line %d, %s", f.line, column), format, args...)
}

func (f *fields) text(column string) string {
	i, there := f.at[column]
	if !there || i >= len(f.values) {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(f.values[i], "\x00", ""), ""))
}

func (f *fields) row(own bool) Own {
	o := Own{Kind: Override}
	o.Catalog, o.Model, o.Service, o.Note = f.text("catalog"), f.text("model"), f.text("service"), f.text("note")
	o.EffectiveAt = f.date("effective")
	if f.text("until") != "" {
		until := f.date("until")
		o.EndedAt = &until
		if !until.After(o.EffectiveAt) {
			f.fail("until", "the end must be after the beginning")
		}
	}
	if o.Catalog == "" {
		f.fail("catalog", "it must be given")
	}
	if len(o.Note) > noteMax || len(o.Catalog) > nameMax || len(o.Model) > nameMax {
		f.fail("note", "catalog, model and note have at most %d characters", noteMax)
	}
	if percent := f.text("percent_off"); percent != "" {
		f.discount(&o, percent)
		return o
	}
	if o.Model == "" {
		f.fail("model", "it must be given")
	}
	f.amounts(&o.Price)
	if !o.Price.mayServe() {
		f.fail("service", "write batch, flex or priority, of images their quality and size as in \"hd 1024x1792\", or leave it empty")
	}
	if !own {
		o.Kind = ""
	}
	return o
}

func (f *fields) discount(o *Own, percent string) {
	o.Kind = Discount
	var err error
	if o.DiscountPerMille, err = parsePercent(percent); err != nil {
		f.fail("percent_off", "%v", err)
	}
	for _, column := range columns[7:24] {
		if f.text(column) != "" {
			f.fail(column, "a line with percent_off has no prices of its own; leave it empty")
		}
	}
	if o.Service != "" || f.text("above_tokens") != "" {
		f.fail("percent_off", "a discount holds for every tier and service; leave service and above_tokens empty")
	}
}

func (f *fields) amounts(p *Price) {
	p.AboveTokens = f.tokens("above_tokens")
	p.InputPico, p.OutputPico = f.pico("input", unwritten), f.pico("output", unwritten)
	p.CachedInputPico, p.CacheWritePico = f.pico("cached_input", p.InputPico), f.pico("cache_write", p.InputPico)
	p.CacheWriteHourPico = f.pico("cache_write_hour", p.CacheWritePico)
	p.ReasoningPico = f.pico("reasoning", 0)
	p.AudioInputPico, p.AudioOutputPico = f.pico("audio_input", p.InputPico), f.pico("audio_output", p.OutputPico)
	p.ImageInputPico, p.ImageOutputPico = f.pico("image_input", p.InputPico), f.pico("image_output", p.OutputPico)
	p.RequestPico = f.pico("request", 0)
	p.ImagePico, p.CharacterPico = f.pico("image", 0), f.pico("character", 0)
	p.AudioSecondPico, p.SearchPico = f.pico("audio_second", 0), f.pico("search", 0)
	p.ContextTokens, p.MaxOutputTokens = f.tokens("context_tokens"), f.tokens("max_output_tokens")
	if p.CacheWriteHourPico < p.CacheWritePico && len(f.wrong) == 0 {
		f.fail("cache_write_hour", "a cache write for an hour must not be cheaper than one for five minutes")
	}
}

// unwritten is the default of a price that must be written: nothing is free by leaving it out.
const unwritten = -1

// pico returns the price in a column; empty is the default.
func (f *fields) pico(column string, otherwise int64) int64 {
	text := f.text(column)
	if text == "" && otherwise != unwritten {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > pricePicoMax {
		f.fail(column, "%q is not a whole number of pico-USD per token from 0 to %d", text, int64(pricePicoMax))
		return 0
	}
	return n
}

// tokens returns the number of tokens in a column; empty is 0.
func (f *fields) tokens(column string) int32 {
	text := f.text(column)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		f.fail(column, "%q is not a number of tokens", text)
		return 0
	}
	return int32(n)
}

// date reads a day, from its beginning in UTC on, or a moment.
func (f *fields) date(column string) time.Time {
	text := f.text(column)
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil {
		f.fail(column, "%q is not a date such as 2026-01-31 or 2026-01-31T12:00:00Z", text)
	}
	return at.UTC().Truncate(time.Millisecond)
}

// parsePercent reads a discount in percent with at most one decimal.
func parsePercent(text string) (perMille int32, err error) {
	whole, tenth, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(text), "%"), ".")
	n, err := strconv.ParseUint(whole+(tenth + "0")[:1], 10, 16)
	if err != nil || len(tenth) > 1 || n == 0 || n >= 1000 {
		return 0, fmt.Errorf("%q is not a discount in percent between 0.1 and 99.9", text)
	}
	return int32(n), nil
}
