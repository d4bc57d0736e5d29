package price

import (
	"bytes"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTable: of a table of prices that is taken nothing costs less than nothing, and it reads back as it is written.
func FuzzTable(f *testing.F) {
	f.Add([]byte("catalog,model,effective,input,output\na,b,2026-01-01,1,2\n"), false)
	f.Add([]byte("catalog,model,effective,until,percent_off,note\na,,2026-01-01,2027-01-01T00:00:00Z,12.5,\"x\ny\"\n# c\n"), true)
	f.Add([]byte("\ufeffcatalog,model,effective,input,output,service,above_tokens\n\" #a\",b,2026-01-01T00:00:00+14:00,1,2,hd 1024x1792,7\n"), true)
	f.Fuzz(func(t *testing.T, table []byte, own bool) {
		lines, err := parse(bytes.NewReader(table), own)
		if err != nil {
			return
		}
		all := make([]Own, len(lines))
		for i, line := range lines {
			all[i] = line.Own
			p := &line.Price
			if slices.Min([]int64{p.InputPico, p.OutputPico, p.CachedInputPico, p.CacheWritePico, p.CacheWriteHourPico, p.ReasoningPico, p.RequestPico, p.ImagePico, p.CharacterPico, p.AudioSecondPico, p.SearchPico, int64(p.AboveTokens), int64(line.DiscountPerMille)}) < 0 ||
				line.DiscountPerMille > 999 || !utf8.ValidString(p.Catalog+p.Model+p.Service+line.Note) || strings.ContainsRune(p.Catalog+p.Model+p.Service+line.Note, 0) {
				t.Errorf("%q has %+v", table, line)
			}
		}
		var out bytes.Buffer
		if err := write(&out, all, own); err != nil {
			t.Fatal(err)
		}
		again, err := parse(bytes.NewReader(out.Bytes()), own)
		if err != nil || len(again) != len(lines) {
			t.Fatalf("%q is written as %q, of which %d lines read back: %v", table, out.Bytes(), len(again), err)
		}
		for i := range again {
			if again[i].key() != lines[i].key() || again[i].Price != lines[i].Price || again[i].DiscountPerMille != lines[i].DiscountPerMille {
				t.Errorf("%+v is written as %q, which is %+v", lines[i].Own, out.Bytes(), again[i].Own)
			}
		}
	})
}

// FuzzPercent: a discount is exactly what the text says, in thousandths.
func FuzzPercent(f *testing.F) {
	for _, seed := range []string{"12.5%", "0.1", "99.9", "100", ".5", "1.", "00000000007", "1.%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parsePercent(text)
		if err != nil {
			return
		}
		exact, ok := new(big.Rat).SetString(strings.TrimSuffix(strings.TrimSpace(text), "%"))
		if !ok || exact.Mul(exact, big.NewRat(10, 1)).Cmp(big.NewRat(int64(got), 1)) != 0 || got < 1 || got > 999 {
			t.Errorf("%q is %d thousandths, and exactly %v", text, got, exact)
		}
	})
}
