// Package money provides exact amounts of US dollars for sums that may pass 64 bits.
// It refuses floating point.
package money

import (
	"database/sql/driver"
	"fmt"
	"math/big"
	"strings"
)

// PicoPerUSD is how many pico-USD make one US dollar.
const PicoPerUSD = 1_000_000_000_000

const decimals = 12

// Amount is an exact number of pico-USD (1e-12 USD). The zero value is nothing. Amounts are immutable.
type Amount struct{ pico *big.Int }

// FromPico returns an amount of so many pico-USD.
func FromPico(pico int64) Amount { return Amount{big.NewInt(pico)} }

// ParseUSD reads a decimal number of US dollars such as "12.50", with at most 12 decimals and no exponent.
func ParseUSD(text string) (Amount, error) {
	whole, fraction, _ := strings.Cut(strings.TrimSpace(text), ".")
	digits := strings.TrimPrefix(whole, "-") + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(fraction) > decimals || len(digits) > 30 {
		return Amount{}, fmt.Errorf("%q is not an amount in US dollars such as 12.50", text)
	}
	pico, ok := new(big.Int).SetString(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10)
	if !ok {
		return Amount{}, fmt.Errorf("%q is not an amount in US dollars such as 12.50", text)
	}
	return Amount{pico}, nil
}

func (a Amount) int() *big.Int {
	if a.pico == nil {
		return new(big.Int)
	}
	return a.pico
}

// Add returns a + b.
func (a Amount) Add(b Amount) Amount { return Amount{new(big.Int).Add(a.int(), b.int())} }

// Sub returns a − b.
func (a Amount) Sub(b Amount) Amount { return Amount{new(big.Int).Sub(a.int(), b.int())} }

// Times returns a · times ÷ by, rounded towards nothing; by must not be 0.
func (a Amount) Times(times, by int64) Amount {
	product := new(big.Int).Mul(a.int(), big.NewInt(times))
	return Amount{product.Quo(product, big.NewInt(by))}
}

// Quo returns how many times b goes into a, whole, saturated to an int64; into nothing it goes 0 times.
func (a Amount) Quo(b Amount) int64 {
	if b.Sign() == 0 {
		return 0
	}
	return Amount{new(big.Int).Quo(a.int(), b.int())}.Pico()
}

// Cmp returns −1, 0 or 1 as a is less than, equal to or greater than b.
func (a Amount) Cmp(b Amount) int { return a.int().Cmp(b.int()) }

// Sign returns −1, 0 or 1.
func (a Amount) Sign() int { return a.int().Sign() }

// Pico returns the amount in pico-USD, saturated to an int64.
func (a Amount) Pico() int64 {
	i := a.int()
	switch {
	case i.IsInt64():
		return i.Int64()
	case i.Sign() < 0:
		return -1 << 63
	default:
		return 1<<63 - 1
	}
}

// PerMille returns how many thousandths of whole a is, between 0 and 1000 saturated; a whole of nothing gives 0.
func (a Amount) PerMille(whole Amount) int {
	if whole.Sign() <= 0 || a.Sign() <= 0 {
		return 0
	}
	q := new(big.Int).Mul(a.int(), big.NewInt(1000))
	q.Quo(q, whole.int())
	if !q.IsInt64() || q.Int64() > 1000 {
		return 1000
	}
	return int(q.Int64())
}

// String returns all digits of the amount in pico-USD.
func (a Amount) String() string { return a.int().String() }

// USD formats the amount with a dollar sign and thousands separators: at least two decimals, more where the amount is
// smaller than a dollar so that four significant digits show, rounded half away from zero.
func (a Amount) USD() string {
	abs := new(big.Int).Abs(a.int())
	places := 2
	if digits := len(abs.String()); abs.Sign() > 0 && digits <= decimals {
		places = min(decimals, decimals-digits+4)
	}
	text := fixed(abs, places)
	if a.Sign() < 0 {
		return "-$" + text
	}
	return "$" + text
}

// Decimal returns the amount in US dollars with all 12 decimals trimmed of trailing zeros, for files and forms.
func (a Amount) Decimal() string {
	text := strings.ReplaceAll(fixed(new(big.Int).Abs(a.int()), decimals), ",", "")
	text = strings.TrimRight(text, "0")
	if i := strings.IndexByte(text, '.'); len(text)-i-1 < 2 {
		text += strings.Repeat("0", 2-(len(text)-i-1))
	}
	if a.Sign() < 0 {
		return "-" + text
	}
	return text
}

func fixed(abs *big.Int, places int) string {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals-places)), nil)
	rounded := new(big.Int).Add(abs, new(big.Int).Quo(unit, big.NewInt(2)))
	rounded.Quo(rounded, unit)
	text := rounded.String()
	if len(text) <= places {
		text = strings.Repeat("0", places-len(text)+1) + text
	}
	whole, fraction := text[:len(text)-places], text[len(text)-places:]
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return whole + "." + fraction
}

// MarshalText implements encoding.TextMarshaler: digits of pico-USD.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: digits of pico-USD.
func (a *Amount) UnmarshalText(text []byte) error { return a.Scan(string(text)) }

// Value implements driver.Valuer for numeric columns.
func (a Amount) Value() (driver.Value, error) { return a.String(), nil }

// Scan implements sql.Scanner for numeric columns; NULL is nothing.
func (a *Amount) Scan(source any) error {
	switch v := source.(type) {
	case nil:
		*a = Amount{}
		return nil
	case int64:
		*a = FromPico(v)
		return nil
	case string:
		i, ok := new(big.Int).SetString(v, 10)
		if !ok {
			return fmt.Errorf("%q is not a whole number of pico-USD", v)
		}
		*a = Amount{i}
		return nil
	default:
		return fmt.Errorf("cannot read an amount from %T", source)
	}
}
