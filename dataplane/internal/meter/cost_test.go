package meter

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// exact prices a usage in whole numbers of any size, written apart from Cost.
func exact(p *state.Price, u Usage) *big.Int {
	input := new(big.Int).Add(big.NewInt(u.Input), new(big.Int).Add(big.NewInt(u.CachedInput), big.NewInt(u.CacheWrite)))
	row := p
	for _, service := range p.Services {
		if service.Service == u.Service {
			row = service
		}
	}
	for _, tier := range row.Tiers {
		if input.Cmp(big.NewInt(int64(tier.AboveTokens))) > 0 {
			row = tier
		}
	}
	sum := new(big.Int)
	add := func(n, pico int64) { sum.Add(sum, new(big.Int).Mul(big.NewInt(n), big.NewInt(pico))) }
	add(u.Input-u.AudioInput-u.ImageInput, row.InputPico)
	add(u.ImageInput, row.ImageInputPico)
	add(u.ImageOutput, row.ImageOutputPico)
	add(u.AudioInput, row.AudioInputPico)
	add(u.CachedInput, row.CachedInputPico)
	add(u.CacheWrite-u.CacheWriteHour, row.CacheWritePico)
	add(u.CacheWriteHour, row.CacheWriteHourPico)
	add(u.Output-u.Reasoning-u.AudioOutput-u.ImageOutput, row.OutputPico)
	add(u.AudioOutput, row.AudioOutputPico)
	if row.ReasoningPico > 0 {
		add(u.Reasoning, row.ReasoningPico)
	} else {
		add(u.Reasoning, row.OutputPico)
	}
	if u.Reported || input.Sign() > 0 || u.Output > 0 {
		add(1, row.RequestPico)
	}
	if limit := big.NewInt(math.MaxInt64); sum.Cmp(limit) > 0 {
		return limit
	}
	return sum
}

// drawn returns a price with up to three tiers and a service with as many, and a usage, whose figures lie below the bounds.
func drawn(random *rand.Rand, picoMax, tokensBelow int64) (*state.Price, Usage) {
	pico := func() int64 { return random.Int64N(picoMax) * int64(random.IntN(4)) / 3 } // one in four is free
	row := func(above uint32) *state.Price {
		return &state.Price{
			AboveTokens: above, InputPico: pico(), AudioInputPico: pico(), CachedInputPico: pico(), CacheWritePico: pico(), CacheWriteHourPico: pico(),
			OutputPico: pico(), ReasoningPico: pico(), AudioOutputPico: pico(), RequestPico: pico(),
			ImageInputPico: pico(), ImageOutputPico: pico(),
		}
	}
	tiered := func() *state.Price {
		p, above := row(0), uint32(0)
		for range random.IntN(4) {
			above += 1 + random.Uint32N(1_000_000)
			p.Tiers = append(p.Tiers, row(above))
		}
		return p
	}
	p := tiered()
	if random.IntN(2) == 0 {
		service := tiered()
		service.Service = "priority"
		p.Services = append(p.Services, service)
	}
	tokens := func(below int64) int64 { return random.Int64N(below + 1) }
	u := Usage{Input: tokens(tokensBelow), CachedInput: tokens(tokensBelow), CacheWrite: tokens(tokensBelow), Output: tokens(tokensBelow), Reported: random.IntN(2) == 0}
	u.AudioInput, u.CacheWriteHour, u.Reasoning = tokens(u.Input), tokens(u.CacheWrite), tokens(u.Output)
	u.AudioOutput, u.ImageInput = tokens(u.Output-u.Reasoning), tokens(u.Input-u.AudioInput)
	u.ImageOutput = tokens(u.Output - u.Reasoning - u.AudioOutput)
	u.Service = []string{"", "priority", "batch"}[random.IntN(3)]
	return p, u
}

func checkCost(t *testing.T, random *rand.Rand, picoMax, tokensBelow int64) {
	t.Helper()
	p, u := drawn(random, picoMax, tokensBelow)
	cost := Cost(p, u)
	if want := exact(p, u); want.Cmp(big.NewInt(cost)) != 0 {
		t.Fatalf("got %d, want %s, for %+v at %+v", cost, want, u, p)
	}
	used := wire.Tokens(u)
	input := min(used.AllInput(), math.MaxInt64-1000) + random.Int64N(1000)
	if worst := p.Worst(input, u.Output); worst < cost {
		t.Fatalf("the worst case %d of %d tokens is cheaper than the case %d, %+v at %+v", worst, input, cost, u, p)
	}
}

func TestCostIsExactAndNeverAboveTheWorstCase(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		checkCost(t, random, 200_000_000, 1_500_000)
		checkCost(t, random, 1_000_000_000_001, tokensMax)
		checkCost(t, random, math.MaxInt64/4, math.MaxInt64/4)
	}
}

func FuzzCost(f *testing.F) {
	f.Add(uint64(1), uint64(2), int64(1_000_000), int64(100))
	f.Add(uint64(3), uint64(4), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, a, b uint64, pico, tokens int64) {
		checkCost(t, rand.New(rand.NewPCG(a, b)), 1+(pico&(math.MaxInt64/4)), 1+(tokens&(math.MaxInt64/4)))
	})
}

func TestEveryClassOfTokensHasItsPrice(t *testing.T) {
	t.Parallel()
	long := &state.Price{AboveTokens: 1000, InputPico: 20, CachedInputPico: 2, CacheWritePico: 25, CacheWriteHourPico: 40, OutputPico: 90, AudioInputPico: 60, AudioOutputPico: 180, ImageInputPico: 20, ImageOutputPico: 90, RequestPico: 700}
	batch := &state.Price{Service: "batch", InputPico: 5, OutputPico: 25, Tiers: []*state.Price{{AboveTokens: 1000, InputPico: 9, OutputPico: 45}}}
	p := &state.Price{
		InputPico: 10, CachedInputPico: 1, CacheWritePico: 12, CacheWriteHourPico: 20, OutputPico: 50, ReasoningPico: 70, AudioInputPico: 30, AudioOutputPico: 80,
		ImageInputPico: 15, ImageOutputPico: 400, RequestPico: 500, Tiers: []*state.Price{long}, Services: []*state.Price{batch},
	}
	for name, c := range map[string]struct {
		usage Usage
		want  int64
		row   *state.Price
	}{
		"nothing":                         {Usage{}, 0, p},
		"an answer that reports nothing":  {Usage{Reported: true}, 500, p},
		"input":                           {Usage{Input: 3}, 530, p},
		"audio in":                        {Usage{Input: 3, AudioInput: 1}, 550, p},
		"cached input":                    {Usage{CachedInput: 3}, 503, p},
		"cache write":                     {Usage{CacheWrite: 3}, 536, p},
		"cache write for an hour":         {Usage{CacheWrite: 3, CacheWriteHour: 2}, 552, p},
		"output":                          {Usage{Output: 3}, 650, p},
		"reasoning":                       {Usage{Output: 3, Reasoning: 2}, 690, p},
		"audio out":                       {Usage{Output: 3, AudioOutput: 2}, 710, p},
		"image in":                        {Usage{Input: 3, ImageInput: 1, AudioInput: 1}, 555, p},
		"image out":                       {Usage{Output: 3, ImageOutput: 1}, 1000, p},
		"batch":                           {Usage{Input: 3, Output: 1, Service: "batch"}, 40, batch},
		"batch, long":                     {Usage{Input: 1001, Service: "batch"}, 9009, batch.Tiers[0]},
		"a service without prices":        {Usage{Input: 3, Service: "flex"}, 530, p},
		"just below the tier":             {Usage{Input: 500, CachedInput: 300, CacheWrite: 200}, 500 + 5000 + 300 + 2400, p},
		"above by its cached input alone": {Usage{Input: 500, CachedInput: 301, CacheWrite: 200, Output: 1}, 700 + 10000 + 602 + 5000 + 90, long},
		"reasoning as output in the tier": {Usage{Input: 1001, Output: 2, Reasoning: 1}, 700 + 20020 + 180, long},
	} {
		if got := Cost(p, c.usage); got != c.want || Row(p, c.usage) != c.row {
			t.Errorf("%s: %d, want %d, row above %d", name, got, c.want, Row(p, c.usage).AboveTokens)
		}
	}
}

func TestTheWorstCaseKnowsWhichTiersCanBeReached(t *testing.T) {
	t.Parallel()
	p := &state.Price{InputPico: 10, OutputPico: 50, Tiers: []*state.Price{{AboveTokens: 1000, InputPico: 20, OutputPico: 90}, {AboveTokens: 5000, InputPico: 1, OutputPico: 1}}}
	for _, c := range []struct{ input, want int64 }{
		{1000, 1000*10 + 5*50},
		{1001, 1001*20 + 5*90},
		{5001, 5000*20 + 5*90}, // the tier above is cheaper: a shorter input costs more
	} {
		if got := p.Worst(c.input, 5); got != c.want {
			t.Errorf("%d tokens: %d, want %d", c.input, got, c.want)
		}
	}
}

func TestAServiceThatCostsMoreAndHasNoPriceIsAnEstimate(t *testing.T) {
	t.Parallel()
	standard := &state.Price{InputPico: 2}
	listed := &state.Price{InputPico: 2, Services: []*state.Price{{Service: "priority", InputPico: 4}}}
	ceiling := &state.Price{InputPico: 9, Ceiling: true}
	for _, c := range []struct {
		name    string
		price   *state.Price
		service string
		silent  bool // the provider counted nothing
		want    bool
	}{
		{"priority without a row", standard, "priority", false, true},
		{"priority with a row", listed, "priority", false, false},
		{"priority at the ceiling", ceiling, "priority", false, false},
		{"cheaper services at the standard row", listed, "flex", false, false},
		{"the standard service", standard, "", false, false},
		{"nothing counted", standard, "", true, true},
	} {
		if got := Estimated(c.price, Usage{Input: 1, Service: c.service, Reported: !c.silent}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
