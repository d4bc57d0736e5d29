package money

import (
	"math/big"
	"strings"
	"testing"
)

// FuzzParseUSD: an amount is what exact arithmetic makes of the text, and reads back as it is written.
func FuzzParseUSD(f *testing.F) {
	for _, seed := range []string{"12.50", "-0.000000000001", "5.", ".5", "-", "1e3", "--1", "+1", "0x10", "1_000", "٣"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseUSD(text)
		if err != nil {
			return
		}
		exact, ok := new(big.Rat).SetString(strings.TrimSpace(text))
		if !ok || exact.Mul(exact, new(big.Rat).SetInt64(PicoPerUSD)).RatString() != got.String() {
			t.Errorf("%q is %s pico-USD, and exactly %v", text, got, exact)
		}
		if back, err := ParseUSD(got.Decimal()); err != nil || back.Cmp(got) != 0 {
			t.Errorf("%q is written as %s, which is %s, %v", text, got.Decimal(), back, err)
		}
	})
}
