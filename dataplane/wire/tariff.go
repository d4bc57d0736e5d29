package wire

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"time"
)

// Tokens is what one attempt used. Input, CachedInput and CacheWrite are disjoint; AudioInput and ImageInput are disjoint and contained in
// Input, CacheWriteHour in CacheWrite; Reasoning, AudioOutput and ImageOutput are disjoint and contained in Output.
type Tokens struct {
	Input          int64
	AudioInput     int64
	ImageInput     int64
	CachedInput    int64
	CacheWrite     int64
	CacheWriteHour int64 // kept for an hour; the others for five minutes
	Output         int64
	Reasoning      int64
	AudioOutput    int64
	ImageOutput    int64
	Images         int64 // made
	Characters     int64 // spoken
	AudioMs        int64 // of sound that was heard
	Searches       int64
	Service        string // as the provider says it served: "batch", "flex", "priority"; empty: standard. Of images: their quality and size
	Reported       bool   // the provider said so
}

// AllInput returns the tokens of input of every class, which choose the tier of a price.
func (t *Tokens) AllInput() int64 { return saturated(saturated(t.Input, t.CachedInput), t.CacheWrite) }

// Tariff is what a model costs per token, in pico-USD. 0 is free. It never changes.
type Tariff struct {
	ID                 ID
	DiscountID         ID // what was taken off the list price; zero: nothing
	InputPico          int64
	CachedInputPico    int64
	CacheWritePico     int64 // kept for five minutes
	CacheWriteHourPico int64 // kept for an hour
	OutputPico         int64
	ReasoningPico      int64 // 0: billed as output
	AudioInputPico     int64
	AudioOutputPico    int64
	ImageInputPico     int64
	ImageOutputPico    int64
	RequestPico        int64     // for each answered request
	ImagePico          int64     // for each image made
	CharacterPico      int64     // for each character spoken
	AudioSecondPico    int64     // for each second of sound that is heard
	SearchPico         int64     // for each search
	ContextTokens      uint32    // 0: unknown
	MaxOutputTokens    uint32    // 0: unknown
	AboveTokens        uint32    // of input, from which on this row holds
	Service            string    // which service of the provider this row is for; empty: every other
	Tiers              []*Tariff // the rows for longer inputs, by rising AboveTokens; nil: none
	Services           []*Tariff // the rows for other services, each with its own tiers; nil: none
	Ceiling            bool      // the model has no price: this is charged instead

	effective time.Time
	until     time.Time // zero: no end
}

// Tier returns the row that a request with so many tokens of input is wholly billed at.
func (t *Tariff) Tier(input int64) *Tariff {
	row := t
	for _, tier := range t.Tiers {
		if input > int64(tier.AboveTokens) {
			row = tier
		}
	}
	return row
}

// Row returns the one row that a usage is wholly billed at: that of the service, and of it the tier that the input reaches.
func (t *Tariff) Row(used *Tokens) *Tariff {
	row := t
	if used.Service != "" {
		for _, service := range t.Services {
			if service.Service == used.Service {
				row = service
			}
		}
	}
	if len(row.Tiers) == 0 {
		return row
	}
	return row.Tier(used.AllInput())
}

// priorityService is the one service that providers charge more for than for the standard one.
const priorityService = "priority"

// Guesses says whether the price knows nothing of a service that costs more than what is charged for it: the standard row. A ceiling is no guess.
func (t *Tariff) Guesses(used *Tokens) bool {
	return used.Service == priorityService && t.Row(used).Service != priorityService && !t.Ceiling
}

// Cost returns what the tokens cost at the row that they reach. It saturates instead of overflowing. Where nothing was used and nothing
// reported, nothing is billed, not even the request. Both planes call it, so that a cost can be checked from an event and its price.
func (t *Tariff) Cost(used *Tokens) int64 {
	row := t.Row(used)
	input, minutes, output := used.Input, used.CacheWrite, used.Output
	audioIn := min(used.AudioInput, input)
	input -= audioIn
	imageIn := min(used.ImageInput, input)
	hour := min(used.CacheWriteHour, minutes)
	reasoning, reasoningPico := min(used.Reasoning, output), row.ReasoningPico
	if reasoningPico == 0 {
		reasoningPico = row.OutputPico
	}
	output -= reasoning
	audioOut := min(used.AudioOutput, output)
	output -= audioOut
	imageOut := min(used.ImageOutput, output)
	total := saturated(times(input-imageIn, row.InputPico), times(audioIn, row.AudioInputPico))
	total = saturated(total, times(imageIn, row.ImageInputPico))
	total = saturated(total, times(used.CachedInput, row.CachedInputPico))
	total = saturated(total, times(minutes-hour, row.CacheWritePico))
	total = saturated(total, times(hour, row.CacheWriteHourPico))
	total = saturated(total, times(output-imageOut, row.OutputPico))
	total = saturated(total, times(reasoning, reasoningPico))
	total = saturated(total, times(audioOut, row.AudioOutputPico))
	total = saturated(total, times(imageOut, row.ImageOutputPico))
	units := row.units(used)
	total = saturated(total, units)
	if used.Reported || used.AllInput() > 0 || used.Output > 0 || units > 0 {
		total = saturated(total, row.RequestPico)
	}
	return total
}

const msPerSecond = 1000

// units returns what is billed by other units than tokens, a part of a pico-USD as a whole one.
func (t *Tariff) units(used *Tokens) int64 {
	if used.Images|used.Characters|used.AudioMs|used.Searches == 0 {
		return 0
	}
	total := saturated(times(used.Images, t.ImagePico), times(used.Characters, t.CharacterPico))
	if ms, pico := max(used.AudioMs, 0), max(t.AudioSecondPico, 0); ms > 0 {
		high, low := bits.Mul64(uint64(ms), uint64(pico))
		if high >= msPerSecond {
			return math.MaxInt64
		}
		seconds, rest := bits.Div64(high, low, msPerSecond)
		total = saturated(total, int64(min(seconds, math.MaxInt64-1)))
		if rest > 0 {
			total = saturated(total, 1)
		}
	}
	return saturated(total, times(used.Searches, t.SearchPico))
}

// WorstUnits returns the most that images, characters, sound and searches can cost, whichever service answers.
func (t *Tariff) WorstUnits(used *Tokens) int64 {
	worst := t.units(used)
	for _, service := range t.Services {
		worst = max(worst, service.units(used))
	}
	return worst
}

// Saved returns how much more the tokens that were read from a cache would have cost as plain input; nothing where reading costs more.
func (t *Tariff) Saved(used *Tokens) int64 {
	row := t.Row(used)
	return times(used.CachedInput, row.InputPico-row.CachedInputPico)
}

// Worst returns the most that so many tokens can cost, whatever class the provider puts them in, whichever tier their input reaches and
// whichever service answers.
func (t *Tariff) Worst(input, output int64) int64 {
	worst := t.worstRow(t.below(0, input), output)
	for i, tier := range t.Tiers {
		if input <= int64(tier.AboveTokens) {
			break
		}
		worst = max(worst, tier.worstRow(t.below(i+1, input), output))
	}
	for _, service := range t.Services {
		worst = max(worst, service.Worst(input, output))
	}
	return worst
}

// below returns the most input that tiers before the one with this number hold for.
func (t *Tariff) below(tier int, input int64) int64 {
	if tier == len(t.Tiers) {
		return input
	}
	return min(input, int64(t.Tiers[tier].AboveTokens))
}

func (t *Tariff) worstRow(input, output int64) int64 {
	in := max(t.InputPico, t.AudioInputPico, t.ImageInputPico, t.CachedInputPico, t.CacheWritePico, t.CacheWriteHourPico)
	out := max(t.OutputPico, t.ReasoningPico, t.AudioOutputPico, t.ImageOutputPico)
	return saturated(saturated(times(input, in), times(output, out)), t.RequestPico)
}

// NewTariff returns the row of a price without its tiers and services.
func NewTariff(in *Price) (*Tariff, error) {
	id, err := IDFromBytes(in.GetId())
	if err != nil {
		return nil, err
	}
	or := func(pico *int64, otherwise int64) int64 {
		if pico == nil {
			return otherwise
		}
		return *pico
	}
	t := &Tariff{
		ID: id, InputPico: in.GetInputPico(), CachedInputPico: in.GetCachedInputPico(), CacheWritePico: in.GetCacheWritePico(),
		CacheWriteHourPico: or(in.CacheWriteHourPico, in.GetCacheWritePico()), OutputPico: in.GetOutputPico(), ReasoningPico: in.GetReasoningPico(),
		AudioInputPico: or(in.AudioInputPico, in.GetInputPico()), AudioOutputPico: or(in.AudioOutputPico, in.GetOutputPico()),
		ImageInputPico: or(in.ImageInputPico, in.GetInputPico()), ImageOutputPico: or(in.ImageOutputPico, in.GetOutputPico()),
		RequestPico: in.GetRequestPico(), ContextTokens: in.GetContextTokens(), MaxOutputTokens: in.GetMaxOutputTokens(),
		ImagePico: in.GetImagePico(), CharacterPico: in.GetCharacterPico(), AudioSecondPico: in.GetAudioSecondPico(), SearchPico: in.GetSearchPico(),
		AboveTokens: in.GetAboveTokens(), Service: in.GetService(), Ceiling: in.GetKind() == PriceKind_PRICE_KIND_CEILING,
		effective: time.UnixMilli(in.GetEffectiveUnixMs()),
	}
	if until := in.GetUntilUnixMs(); until != 0 {
		t.until = time.UnixMilli(until)
	}
	return t, nil
}

// amounts are the fields of a row that a discount is taken off.
func (t *Tariff) amounts() [15]*int64 {
	return [15]*int64{
		&t.InputPico, &t.CachedInputPico, &t.CacheWritePico, &t.CacheWriteHourPico, &t.OutputPico, &t.ReasoningPico,
		&t.AudioInputPico, &t.AudioOutputPico, &t.ImageInputPico, &t.ImageOutputPico, &t.RequestPico,
		&t.ImagePico, &t.CharacterPico, &t.AudioSecondPico, &t.SearchPico,
	}
}

// Discounted returns the tariff less so many thousandths, each amount rounded up to a whole pico-USD, tiers and services alike.
func (t *Tariff) Discounted(perMille uint32, discount ID) *Tariff {
	const whole = 1000
	less := *t
	less.DiscountID = discount
	for _, pico := range less.amounts() {
		*pico = int64(divideUp(uint64(max(*pico, 0)), uint64(whole-min(perMille, whole)), whole))
	}
	less.Tiers, less.Services = slices.Clone(t.Tiers), slices.Clone(t.Services)
	for _, rows := range [][]*Tariff{less.Tiers, less.Services} {
		for i := range rows {
			rows[i] = rows[i].Discounted(perMille, discount)
		}
	}
	return &less
}

// divideUp returns n·part/whole, rounded up; part is at most whole.
func divideUp(n, part, whole uint64) uint64 {
	high, low := bits.Mul64(n, part)
	quotient, rest := bits.Div64(high, low, whole)
	if rest > 0 {
		quotient++
	}
	return quotient
}

// holds says whether a dated row is in force.
func (t *Tariff) holds(at time.Time) bool {
	return !t.effective.After(at) && (t.until.IsZero() || at.Before(t.until))
}

// family puts the rows of one model and one moment together: tiers behind their first row, services behind the standard one.
func family(rows []*Tariff) (*Tariff, error) {
	var standard *Tariff
	var services []*Tariff
	for _, row := range rows { // sorted by service and then by tier
		if row.AboveTokens == 0 {
			first := *row
			first.Tiers, first.Services = nil, nil
			services = append(services, &first)
			continue
		}
		if n := len(services); n == 0 || services[n-1].Service != row.Service {
			return nil, fmt.Errorf("the price above %d tokens has none below", row.AboveTokens)
		}
		services[len(services)-1].Tiers = append(services[len(services)-1].Tiers, row)
	}
	if len(services) == 0 || services[0].Service != "" {
		return nil, fmt.Errorf("the price for a service has none for the standard one")
	}
	standard = services[0]
	if len(services) > 1 {
		standard.Services = slices.Clip(services[1:])
	}
	return standard, nil
}

func times(n, pico int64) int64 {
	if n <= 0 || pico <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(n), uint64(pico))
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}

func saturated(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
