package price

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/money"
)

const (
	nameMax      = 200
	noteMax      = 200
	tokensPerUSD = 1_000_000 // prices are written in US dollars per million tokens
)

// Amounts are prices as people write them: US dollars per million tokens, Request for each answered request. Input and Output must be
// given; an empty cached input, cache write, audio or image costs as other input or output, an empty hour as five minutes, empty reasoning as output.
type Amounts struct {
	Input          string `json:"input_usd"`
	CachedInput    string `json:"cached_input_usd"`
	CacheWrite     string `json:"cache_write_usd"`
	CacheWriteHour string `json:"cache_write_hour_usd"`
	Output         string `json:"output_usd"`
	Reasoning      string `json:"reasoning_usd"`
	AudioInput     string `json:"audio_input_usd"`
	AudioOutput    string `json:"audio_output_usd"`
	ImageInput     string `json:"image_input_usd"`
	ImageOutput    string `json:"image_output_usd"`
	Request        string `json:"request_usd"`
	Image          string `json:"image_usd"`        // for each image made
	Character      string `json:"character_usd"`    // for a million characters spoken
	AudioSecond    string `json:"audio_second_usd"` // for each second of sound that is heard
	Search         string `json:"search_usd"`       // for each search
}

// Input is what a caller sets for a price of the organization's own. An empty Kind is Override, without EffectiveAt it holds from now on.
type Input struct {
	Kind            Kind       `json:"kind"` // override or discount
	Catalog         string     `json:"catalog"`
	Model           string     `json:"model"` // of a discount: empty for every model of the provider
	EffectiveAt     time.Time  `json:"effective_at"`
	EndsAt          *time.Time `json:"ends_at"`
	Service         string     `json:"service"`
	AboveTokens     int32      `json:"above_tokens"`
	DiscountPercent string     `json:"discount_percent"` // of a discount, such as 15 or 7.5
	Note            string     `json:"note"`
	Amounts
}

// Policy says what happens to calls of models that have no price.
type Policy string

// The policies.
const (
	Refuse        Policy = "refuse"
	ChargeCeiling Policy = "ceiling"
)

// UnknownInput is what a caller sets for models that have no price.
type UnknownInput struct {
	Policy Policy `json:"policy"`
	Amounts
}

// clean returns the price and says what is wrong with the input.
func (in Input) clean(now time.Time) (Own, fault.Fields) {
	var wrong fault.Fields
	own := Own{Kind: in.Kind, Note: strings.TrimSpace(in.Note), Price: Price{
		Catalog: strings.TrimSpace(in.Catalog), Model: strings.TrimSpace(in.Model), EffectiveAt: in.EffectiveAt, Service: in.Service, AboveTokens: in.AboveTokens,
	}}
	if own.Kind == "" {
		own.Kind = Override
	}
	if own.EffectiveAt.IsZero() {
		own.EffectiveAt = now
	}
	own.EffectiveAt = own.EffectiveAt.UTC().Truncate(time.Millisecond)
	if in.EndsAt != nil {
		end := in.EndsAt.UTC().Truncate(time.Millisecond)
		own.EndedAt = &end
	}
	in.cleanTexts(own, &wrong)
	switch own.Kind {
	case Override:
		if own.Model == "" {
			wrong.Add("model", "enter the model's name at the provider, such as gpt-4o")
		}
		in.into(&own.Price, &wrong)
		if !own.Price.mayServe() {
			wrong.Add("service", "choose batch, flex or priority, of images their quality and size as in \"hd 1024x1792\", or leave it empty")
		}
	case Discount:
		var err error
		if own.DiscountPerMille, err = parsePercent(in.DiscountPercent); err != nil {
			wrong.Add("discount_percent", "enter a discount in percent between 0.1 and 99.9")
		}
		if own.Service != "" || own.AboveTokens != 0 || in.Amounts != (Amounts{}) {
			wrong.Add("discount_percent", "a discount is taken off every price of the list; leave prices, service and above_tokens empty")
		}
	default:
		wrong.Add("kind", "choose %q (a price of your own) or %q (off the list prices)", Override, Discount)
	}
	return own, wrong
}

func (in Input) cleanTexts(own Own, wrong *fault.Fields) {
	const earliest, latest = 2020, 2100
	printable := func(text string) bool {
		return len(text) <= nameMax && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
	}
	if own.Catalog == "" || !printable(own.Catalog) {
		wrong.Add("catalog", "enter the provider's name in the catalog, such as openai or azure")
	}
	if !printable(own.Model) {
		wrong.Add("model", "use at most %d characters", nameMax)
	}
	if own.AboveTokens < 0 {
		wrong.Add("above_tokens", "enter a number of tokens, or 0")
	}
	if year := own.EffectiveAt.Year(); year < earliest || year >= latest {
		wrong.Add("effective_at", "enter a time between %d and %d", earliest, latest)
	}
	if own.EndedAt != nil && !own.EndedAt.After(own.EffectiveAt) {
		wrong.Add("ends_at", "the end must be after the beginning")
	}
	input.Text(wrong, "note", own.Note, noteMax)
}

// into reads the amounts into a row and says what is wrong.
func (a Amounts) into(p *Price, wrong *fault.Fields) {
	read := func(name, text string, otherwise int64) int64 {
		if strings.TrimSpace(text) == "" && otherwise != unwritten {
			return otherwise
		}
		pico, ok := perToken(text)
		if !ok {
			wrong.Add(name, "enter US dollars per million tokens, such as 2.50, with at most 6 decimals")
		}
		return pico
	}
	p.InputPico, p.OutputPico = read("input_usd", a.Input, unwritten), read("output_usd", a.Output, unwritten)
	p.CachedInputPico, p.CacheWritePico = read("cached_input_usd", a.CachedInput, p.InputPico), read("cache_write_usd", a.CacheWrite, p.InputPico)
	p.CacheWriteHourPico = read("cache_write_hour_usd", a.CacheWriteHour, p.CacheWritePico)
	p.ReasoningPico = read("reasoning_usd", a.Reasoning, 0)
	p.AudioInputPico, p.AudioOutputPico = read("audio_input_usd", a.AudioInput, p.InputPico), read("audio_output_usd", a.AudioOutput, p.OutputPico)
	p.ImageInputPico, p.ImageOutputPico = read("image_input_usd", a.ImageInput, p.InputPico), read("image_output_usd", a.ImageOutput, p.OutputPico)
	p.CharacterPico = read("character_usd", a.Character, 0)
	each := func(name, text, what string) int64 {
		if strings.TrimSpace(text) == "" {
			return 0
		}
		amount, err := money.ParseUSD(text)
		if err != nil || amount.Sign() < 0 || amount.Pico() > pricePicoMax {
			wrong.Add(name, "enter US dollars for each %s, at most 1", what)
		}
		return amount.Pico()
	}
	p.RequestPico, p.ImagePico = each("request_usd", a.Request, "request"), each("image_usd", a.Image, "image")
	p.AudioSecondPico, p.SearchPico = each("audio_second_usd", a.AudioSecond, "second"), each("search_usd", a.Search, "search")
}

// perToken turns US dollars per million tokens into pico-USD per token.
func perToken(text string) (pico int64, ok bool) {
	amount, err := money.ParseUSD(text)
	if err != nil || amount.Sign() < 0 {
		return 0, false
	}
	total := amount.Pico()
	if total%tokensPerUSD != 0 || total/tokensPerUSD > pricePicoMax {
		return 0, false
	}
	return total / tokensPerUSD, true
}

// cleanCeiling returns the ceiling, or nothing for the policy to refuse, and says what is wrong. A ceiling is never zero.
func (in UnknownInput) cleanCeiling(now time.Time) (*Own, fault.Fields) {
	var wrong fault.Fields
	switch in.Policy {
	case Refuse:
		return nil, nil
	case ChargeCeiling:
	default:
		wrong.Add("policy", "choose %q or %q", Refuse, ChargeCeiling)
		return nil, wrong
	}
	own := Own{Kind: Ceiling, Price: Price{EffectiveAt: now.UTC().Truncate(time.Millisecond)}}
	in.into(&own.Price, &wrong)
	for _, each := range []struct {
		name string
		pico int64
	}{
		{"input_usd", own.InputPico},
		{"cached_input_usd", own.CachedInputPico},
		{"cache_write_usd", own.CacheWritePico},
		{"cache_write_hour_usd", own.CacheWriteHourPico},
		{"output_usd", own.OutputPico},
		{"audio_input_usd", own.AudioInputPico},
		{"audio_output_usd", own.AudioOutputPico},
		{"image_input_usd", own.ImageInputPico},
		{"image_output_usd", own.ImageOutputPico},
	} {
		if each.pico == 0 && len(wrong) == 0 {
			wrong.Add(each.name, "a ceiling is never zero: enter the most that you would expect to pay")
		}
	}
	return &own, wrong
}

// Unknown is what happens to calls of models that have no price, and which models of the organization's routes those are now.
type Unknown struct {
	Policy  Policy     `json:"policy"`
	Ceiling *Own       `json:"ceiling,omitempty"`
	Models  []Unpriced `json:"models"`
}

// Unpriced is a model of a route that has neither a list price nor one of the organization's own.
type Unpriced struct {
	ProviderID ident.Provider `json:"provider_id"`
	Provider   string         `json:"provider"`
	Catalog    string         `json:"catalog"`
	Model      string         `json:"model"`
}
