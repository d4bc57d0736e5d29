// Package price keeps what models cost per token, dated, for all organizations alike.
// It refuses floating point, and to treat a price that it does not have as nothing.
package price

import (
	"embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/ident"
)

// Price is what a model costs from a date on, in pico-USD per token of each class. 0 is free. Rows that differ in AboveTokens alone are
// the tiers of one price: a request is wholly billed at the row with the largest AboveTokens that its input exceeds, and its event names
// that row.
type Price struct {
	ID                 ident.Price `json:"id"`
	Catalog            string      `json:"catalog"` // the provider's name here
	Model              string      `json:"model"`
	EffectiveAt        time.Time   `json:"effective_at"`
	AboveTokens        int32       `json:"above_tokens"` // of input; 0: the first tier
	InputPico          int64       `json:"input_pico"`
	CachedInputPico    int64       `json:"cached_input_pico"`
	CacheWritePico     int64       `json:"cache_write_pico"`      // kept for five minutes
	CacheWriteHourPico int64       `json:"cache_write_hour_pico"` // kept for an hour
	OutputPico         int64       `json:"output_pico"`
	ReasoningPico      int64       `json:"reasoning_pico"` // 0: billed as output
	AudioInputPico     int64       `json:"audio_input_pico"`
	AudioOutputPico    int64       `json:"audio_output_pico"`
	RequestPico        int64       `json:"request_pico"`      // for each answered request
	ContextTokens      int32       `json:"context_tokens"`    // 0: unknown
	MaxOutputTokens    int32       `json:"max_output_tokens"` // 0: unknown
}

//go:embed catalog.csv
var files embed.FS

const (
	catalogFile = "catalog.csv"
	header      = "catalog,model,effective,above_tokens,input,cached_input,cache_write,cache_write_hour,output,reasoning," +
		"audio_input,audio_output,request,context_tokens,max_output_tokens"
)

// pricePicoMax is one USD: no edge believes a price above that.
const pricePicoMax = 1_000_000_000_000

// namespace makes the ids of the first table the same everywhere (UUIDv5 of catalog, model and date).
var namespace = uuid.MustParse("6f6c6c74-7465-5072-8963-654361746c67")

// Embedded returns the price table that comes with the program.
func Embedded() ([]Price, error) {
	file, err := files.Open(catalogFile)
	if err != nil {
		return nil, fmt.Errorf("open the price table: %w", err)
	}
	defer func() { _ = file.Close() }()
	return Parse(file)
}

// Parse reads a price table: comma-separated, with a header, lines that begin with # left out. The error names the line.
func Parse(table io.Reader) ([]Price, error) {
	reader := csv.NewReader(table)
	reader.Comment, reader.ReuseRecord = '#', true
	first, err := reader.Read()
	if err != nil || strings.Join(first, ",") != header {
		return nil, fmt.Errorf("the price table does not begin with %q", header)
	}
	var all []Price
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("price table: %w", err)
		}
		line, _ := reader.FieldPos(0)
		price, err := parseRecord(record)
		if err != nil {
			return nil, fmt.Errorf("price table, line %d: %w", line, err)
		}
		all = append(all, price)
	}
}

func parseRecord(record []string) (Price, error) {
	f := fields{record: record}
	p := Price{Catalog: record[0], Model: record[1]}
	if p.Catalog == "" || p.Model == "" {
		return Price{}, fmt.Errorf("catalog and model must be given")
	}
	effective, err := time.Parse(time.DateOnly, record[2])
	if err != nil {
		return Price{}, fmt.Errorf("%q is not a date", record[2])
	}
	p.EffectiveAt = effective
	p.AboveTokens = f.tokens(3)
	p.InputPico, p.OutputPico = f.pico(4, unwritten), f.pico(8, unwritten)
	p.CachedInputPico, p.CacheWritePico = f.pico(5, p.InputPico), f.pico(6, p.InputPico)
	p.CacheWriteHourPico = f.pico(7, p.CacheWritePico)
	p.ReasoningPico = f.pico(9, 0)
	p.AudioInputPico, p.AudioOutputPico = f.pico(10, p.InputPico), f.pico(11, p.OutputPico)
	p.RequestPico = f.pico(12, 0)
	p.ContextTokens, p.MaxOutputTokens = f.tokens(13), f.tokens(14)
	if p.CacheWriteHourPico < p.CacheWritePico && f.err == nil {
		f.err = fmt.Errorf("a cache write for an hour must not be cheaper than one for five minutes")
	}
	name := p.Catalog + "\n" + p.Model + "\n" + record[2]
	if p.AboveTokens > 0 {
		name += "\n" + strconv.Itoa(int(p.AboveTokens))
	}
	p.ID = ident.Price{UUID: uuid.NewSHA1(namespace, []byte(name))}
	return p, f.err
}

// fields reads whole numbers and keeps the first mistake.
type fields struct {
	record []string
	err    error
}

// unwritten is the default of a price that must be written: nothing is free by leaving it out.
const unwritten = -1

// pico returns the price at a place; empty is the default.
func (f *fields) pico(at int, otherwise int64) int64 {
	text := f.record[at]
	if text == "" && otherwise != unwritten {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if (err != nil || n < 0 || n > pricePicoMax) && f.err == nil {
		f.err = fmt.Errorf("%q is not a whole number from 0 to %d", text, int64(pricePicoMax))
	}
	return n
}

// tokens returns the number of tokens at a place; empty is 0.
func (f *fields) tokens(at int) int32 {
	text := f.record[at]
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if (err != nil || n < 0) && f.err == nil {
		f.err = fmt.Errorf("%q is not a number of tokens", text)
	}
	return int32(n)
}
