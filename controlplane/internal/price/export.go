package price

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// WriteCSV writes prices in the format that Parse reads, what is a default left empty.
func WriteCSV(into io.Writer, all []Price) error {
	out := csv.NewWriter(into)
	if err := out.Write(strings.Split(header, ",")); err != nil {
		return fmt.Errorf("write prices: %w", err)
	}
	for _, p := range all {
		if err := out.Write(p.record()); err != nil {
			return fmt.Errorf("write prices: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write prices: %w", err)
	}
	return nil
}

// WriteJSONL writes prices as one JSON object a line.
func WriteJSONL(into io.Writer, all []Price) error {
	out := json.NewEncoder(into)
	for _, p := range all {
		if err := out.Encode(p); err != nil {
			return fmt.Errorf("write prices: %w", err)
		}
	}
	return nil
}

// record is the price as a line of the table.
func (p Price) record() []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	unless := func(otherwise, n int64) string {
		if n == otherwise {
			return ""
		}
		return number(n)
	}
	return []string{
		p.Catalog, p.Model, p.EffectiveAt.UTC().Format(time.DateOnly), unless(0, int64(p.AboveTokens)), number(p.InputPico),
		unless(p.InputPico, p.CachedInputPico), unless(p.InputPico, p.CacheWritePico), unless(p.CacheWritePico, p.CacheWriteHourPico),
		number(p.OutputPico), unless(0, p.ReasoningPico), unless(p.InputPico, p.AudioInputPico), unless(p.OutputPico, p.AudioOutputPico),
		unless(0, p.RequestPico), unless(0, int64(p.ContextTokens)), unless(0, int64(p.MaxOutputTokens)),
	}
}
