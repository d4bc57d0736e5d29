package money_test

import (
	"testing"

	"tollgate.dev/controlplane/internal/money"
)

func TestParseUSDIsExact(t *testing.T) {
	t.Parallel()
	for text, pico := range map[string]string{
		"0": "0", "1": "1000000000000", "12.50": "12500000000000", ".5": "500000000000", "0.000000000001": "1",
		"-3.25": "-3250000000000", " 7 ": "7000000000000", "123456789012.34": "123456789012340000000000",
	} {
		got, err := money.ParseUSD(text)
		if err != nil || got.String() != pico {
			t.Errorf("%q: got %s, %v, want %s", text, got, err, pico)
		}
	}
	for _, text := range []string{"", ".", "-", "1e3", "1,000", "$5", "0.0000000000001", "1.2.3", "--1", "+1", "NaN", "٣", "1234567890123456789012345678901"} {
		if got, err := money.ParseUSD(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

func TestUSDShowsSmallAmounts(t *testing.T) {
	t.Parallel()
	for pico, want := range map[int64]string{
		0: "$0.00", money.PicoPerUSD: "$1.00", 1_234_567 * money.PicoPerUSD: "$1,234,567.00", 1_999_999_999_999: "$2.00", -1_500_000_000_000: "-$1.50",
		123_456_789_000: "$0.1235", 12_345_678_900: "$0.01235", 1_234_567_890: "$0.001235", 999_999: "$0.0000010000", 1: "$0.000000000001",
	} {
		if got := money.FromPico(pico).USD(); got != want {
			t.Errorf("%d: got %s, want %s", pico, got, want)
		}
	}
}

func TestDecimalReadsBackExactly(t *testing.T) {
	t.Parallel()
	for _, pico := range []int64{0, 1, -1, 10, 999_999_999_999, money.PicoPerUSD, 12_340_000_000_000, -7_000_000_000_001, 1<<63 - 1} {
		amount := money.FromPico(pico)
		back, err := money.ParseUSD(amount.Decimal())
		if err != nil || back.Cmp(amount) != 0 {
			t.Errorf("%d: %q reads back as %s, %v", pico, amount.Decimal(), back, err)
		}
	}
}

func TestSumsPassSixtyFourBits(t *testing.T) {
	t.Parallel()
	largest := money.FromPico(1<<63 - 1)
	sum := largest.Add(largest)
	if sum.String() != "18446744073709551614" || sum.Pico() != 1<<63-1 || sum.Sub(largest).Cmp(largest) != 0 {
		t.Errorf("got %s, saturated %d", sum, sum.Pico())
	}
}

func TestPerMille(t *testing.T) {
	t.Parallel()
	whole := money.FromPico(2000)
	for part, want := range map[int64]int{-5: 0, 0: 0, 1: 0, 2: 1, 1000: 500, 2000: 1000, 9999: 1000} {
		if got := money.FromPico(part).PerMille(whole); got != want {
			t.Errorf("%d of 2000: got %d, want %d", part, got, want)
		}
	}
	if got := whole.PerMille(money.Amount{}); got != 0 {
		t.Errorf("of nothing: got %d", got)
	}
}

func TestScanReadsNumericText(t *testing.T) {
	t.Parallel()
	var amount money.Amount
	for source, want := range map[any]string{nil: "0", int64(5): "5", "98765432109876543210": "98765432109876543210"} {
		if err := amount.Scan(source); err != nil || amount.String() != want {
			t.Errorf("%v: got %s, %v", source, amount, err)
		}
	}
	for _, source := range []any{"1.5", "", 2.5} {
		if err := amount.Scan(source); err == nil {
			t.Errorf("%v is read as %s", source, amount)
		}
	}
}
