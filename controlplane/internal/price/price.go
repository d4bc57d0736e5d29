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

// Price is what a model costs from a date on, in pico-USD per token of each class.
type Price struct {
	ID              ident.Price `json:"id"`
	Catalog         string      `json:"catalog"` // the provider's name here
	Model           string      `json:"model"`
	EffectiveAt     time.Time   `json:"effective_at"`
	InputPico       int64       `json:"input_pico"`
	CachedInputPico int64       `json:"cached_input_pico"`
	CacheWritePico  int64       `json:"cache_write_pico"`
	OutputPico      int64       `json:"output_pico"`
	ReasoningPico   int64       `json:"reasoning_pico"`    // 0: billed as output
	ContextTokens   int32       `json:"context_tokens"`    // 0: unknown
	MaxOutputTokens int32       `json:"max_output_tokens"` // 0: unknown
}

//go:embed catalog.csv
var files embed.FS

const (
	catalogFile = "catalog.csv"
	header      = "catalog,model,effective,input,cached_input,cache_write,output,reasoning,context_tokens,max_output_tokens"
)

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
	catalog, model := record[0], record[1]
	if catalog == "" || model == "" {
		return Price{}, fmt.Errorf("catalog and model must be given")
	}
	effective, err := time.Parse(time.DateOnly, record[2])
	if err != nil {
		return Price{}, fmt.Errorf("%q is not a date", record[2])
	}
	numbers := make([]int64, len(record)-3)
	for i, text := range record[3:] {
		if numbers[i], err = strconv.ParseInt(text, 10, 64); err != nil || numbers[i] < 0 {
			return Price{}, fmt.Errorf("%q is not a whole number of at least 0", text)
		}
	}
	return Price{
		ID:      ident.Price{UUID: uuid.NewSHA1(namespace, []byte(catalog+"\n"+model+"\n"+record[2]))},
		Catalog: catalog, Model: model, EffectiveAt: effective,
		InputPico: numbers[0], CachedInputPico: numbers[1], CacheWritePico: numbers[2], OutputPico: numbers[3], ReasoningPico: numbers[4],
		ContextTokens: int32(min(numbers[5], 1<<31-1)), MaxOutputTokens: int32(min(numbers[6], 1<<31-1)),
	}, nil
}
