package meter_test

import (
	"testing"

	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/state"
)

func TestSavedIsTheDifferenceToPlainInputAtTheTierThatIsReached(t *testing.T) {
	t.Parallel()
	price := &state.Price{InputPico: 10, CachedInputPico: 3}
	price.Tiers = []*state.Price{{AboveTokens: 100, InputPico: 20, CachedInputPico: 5}}
	for _, test := range []struct {
		usage meter.Usage
		want  int64
	}{
		{meter.Usage{Input: 10}, 0},
		{meter.Usage{Input: 10, CachedInput: 90}, 630},
		{meter.Usage{Input: 10, CachedInput: 91}, 1365},
	} {
		if got := meter.Saved(price, test.usage); got != test.want {
			t.Errorf("%+v: %d, want %d", test.usage, got, test.want)
		}
	}
	if got := meter.Saved(&state.Price{InputPico: 1, CachedInputPico: 2}, meter.Usage{CachedInput: 9}); got != 0 {
		t.Errorf("dearer than input: %d", got)
	}
}
