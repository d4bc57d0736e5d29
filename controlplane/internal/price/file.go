package price

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
)

// columns are those that a price table may have, in the order in which they are written. A table names its columns in its first line;
// catalog, effective, and of a price input and output must be there, the others may be left out or empty.
var columns = [...]string{
	"catalog", "model", "effective", "until", "service", "above_tokens", "percent_off", "input", "cached_input", "cache_write", "cache_write_hour", "output",
	"reasoning", "audio_input", "audio_output", "image_input", "image_output", "request",
	"image", "character", "audio_second", "search", "context_tokens", "max_output_tokens", "note",
}

// The columns of units other than tokens.
const (
	unitColumn = 18 // the first of them
	unitCount  = 4
)

// ownColumns are the columns that only a table of an organization's own prices has.
var ownColumns = [...]string{"until", "percent_off", "note"}

// Columns returns the names of the columns of an organization's table, in the order in which they are written.
func Columns() []string { return slices.Clone(columns[:]) }

// services are those of providers that may have prices of their own.
var services = [...]string{"batch", "flex", "priority"}

const wrongMax = 50 // mistakes that are told at once

// Parse reads a price table of the catalog: comma-separated, with a header, lines that begin with # left out. The error is a fault whose
// fields name line and column.
func Parse(table io.Reader) ([]Price, error) {
	lines, err := parse(table, false)
	if err != nil {
		return nil, err
	}
	all := make([]Price, len(lines))
	for i, line := range lines {
		all[i] = line.Price
		all[i].identify()
	}
	return all, nil
}

// line is one row of a table.
type line struct {
	Own
	number int
}

func parse(table io.Reader, own bool) ([]line, error) {
	reader := csv.NewReader(table)
	reader.Comment, reader.ReuseRecord, reader.TrimLeadingSpace = '#', true, true
	var wrong fault.Fields
	head, err := reader.Read()
	if err != nil {
		wrong.Add("line 1", "the table must begin with a line that names its columns: %s", strings.Join(columns[:], ","))
		return nil, wrong.Err()
	}
	at, err := places(head, own)
	if err != nil {
		return nil, err
	}
	var all []line
	seen := map[string]int{}
	for len(wrong) < wrongMax {
		values, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, wrong.Err()
		}
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			wrong.Add("line "+strconv.Itoa(broken.Line), "%v", broken.Err)
			return nil, wrong.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("read price table: %w", err)
		}
		number, _ := reader.FieldPos(0)
		f := fields{values: values, at: at, line: number}
		row := f.row(own)
		if first, twice := seen[row.key()]; twice {
			f.fail("model", "it is given twice, here and in line %d", first)
		}
		seen[row.key()] = number
		wrong = append(wrong, f.wrong...)
		all = append(all, line{row, number})
	}
	return nil, wrong.Err()
}

// places returns where each column is.
func places(head []string, own bool) (map[string]int, error) {
	var wrong fault.Fields
	at := map[string]int{}
	for i, name := range head {
		name = strings.TrimPrefix(strings.TrimSpace(name), "\ufeff") // spreadsheets write it
		if !slices.Contains(columns[:], name) || !own && slices.Contains(ownColumns[:], name) {
			wrong.Add("line 1, "+name, "no such column is known; there are %s", strings.Join(columns[:], ","))
			continue
		}
		if _, twice := at[name]; twice {
			wrong.Add("line 1, "+name, "the column is there twice")
		}
		at[name] = i
	}
	for _, name := range []string{"catalog", "model", "effective"} {
		if _, there := at[name]; !there {
			wrong.Add("line 1, "+name, "the column is missing; the table must begin with a line that names its columns")
		}
	}
	return at, wrong.Err()
}

// key is what no two rows of a table have in common.
func (o Own) key() string {
	return strings.Join([]string{string(o.Kind), o.Catalog, o.Model, o.EffectiveAt.UTC().Format(time.RFC3339Nano), o.Service, strconv.Itoa(int(o.AboveTokens))}, "\n")
}

// WriteCSV writes prices of the catalog in the format that Parse reads, what is a default left empty.
func WriteCSV(into io.Writer, all []Price) error {
	rows := make([]Own, len(all))
	for i, p := range all {
		rows[i] = Own{Price: p}
	}
	return write(into, rows, false)
}

// WriteOwnCSV writes an organization's own prices, ceilings left out, in the format that an import reads.
func WriteOwnCSV(into io.Writer, all []Own) error {
	return write(into, slices.DeleteFunc(slices.Clone(all), func(o Own) bool {
		return o.Kind == Ceiling || o.EndedAt != nil && o.EndedAt.Equal(o.EffectiveAt)
	}), true)
}

func write(into io.Writer, all []Own, own bool) error {
	out := csv.NewWriter(into)
	kept := func(values []string) (chosen []string) {
		for i, value := range values {
			if own || !slices.Contains(ownColumns[:], columns[i]) {
				chosen = append(chosen, value)
			}
		}
		return chosen
	}
	if err := out.Write(kept(columns[:])); err != nil {
		return fmt.Errorf("write prices: %w", err)
	}
	for _, one := range all {
		if err := out.Write(kept(record(one))); err != nil {
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
func WriteJSONL[T Price | Own](into io.Writer, all []T) error {
	out := json.NewEncoder(into)
	for _, p := range all {
		if err := out.Encode(p); err != nil {
			return fmt.Errorf("write prices: %w", err)
		}
	}
	return nil
}

// record is the price as a line of the table, one value for each of columns.
func record(o Own) []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	unless := func(otherwise, n int64) string {
		if n == otherwise {
			return ""
		}
		return number(n)
	}
	until, percent, input, output := "", "", number(o.InputPico), number(o.OutputPico)
	if o.EndedAt != nil {
		until = dateText(*o.EndedAt)
	}
	if o.DiscountPerMille > 0 {
		percent, input, output = percentText(o.DiscountPerMille), "", ""
	}
	return []string{
		o.Catalog, o.Model, dateText(o.EffectiveAt), until, o.Service, unless(0, int64(o.AboveTokens)), percent, input,
		unless(o.InputPico, o.CachedInputPico), unless(o.InputPico, o.CacheWritePico), unless(o.CacheWritePico, o.CacheWriteHourPico),
		output, unless(0, o.ReasoningPico), unless(o.InputPico, o.AudioInputPico), unless(o.OutputPico, o.AudioOutputPico),
		unless(o.InputPico, o.ImageInputPico), unless(o.OutputPico, o.ImageOutputPico),
		unless(0, o.RequestPico), unless(0, o.ImagePico), unless(0, o.CharacterPico), unless(0, o.AudioSecondPico), unless(0, o.SearchPico),
		unless(0, int64(o.ContextTokens)), unless(0, int64(o.MaxOutputTokens)), o.Note,
	}
}

// dateText writes a day where the time is its beginning in UTC, else the moment.
func dateText(at time.Time) string {
	at = at.UTC()
	if at.Truncate(24 * time.Hour).Equal(at) {
		return at.Format(time.DateOnly)
	}
	return at.Format(time.RFC3339Nano)
}

// percentText writes thousandths as percents: 155 is 15.5.
func percentText(perMille int32) string {
	text := strconv.Itoa(int(perMille / 10))
	if rest := perMille % 10; rest != 0 {
		text += "." + strconv.Itoa(int(rest))
	}
	return text
}
