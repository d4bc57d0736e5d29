package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dimensionsDefault is how many numbers an embedding has unless the request says so.
const (
	dimensionsDefault = 1536
	dimensionsMax     = 3072
)

type embeddingRequest struct {
	Model          string          `json:"model"`
	Input          json.RawMessage `json:"input"`
	EncodingFormat string          `json:"encoding_format"`
	Dimensions     int             `json:"dimensions"`
}

type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // numbers, or base64 of little-endian float32
}

type embeddingList struct {
	Object string          `json:"object"`
	Data   []embedding     `json:"data"`
	Model  string          `json:"model"`
	Usage  *embeddingUsage `json:"usage,omitempty"`
}

type embeddingUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

func (api openaiAPI) embeddings(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var request embeddingRequest
	if err := decode(r, &request); err != nil {
		api.invalid(w, "We could not parse the JSON body of your request: "+err.Error())
		return
	}
	request.Model = deployed(r, request.Model)
	if !api.known(w, request.Model) {
		return
	}
	inputs, counted, err := embeddingInputs(request.Input)
	if err != nil || request.Dimensions < 0 || request.Dimensions > dimensionsMax {
		api.invalid(w, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.")
		return
	}
	x := api.begin(w, r, prompt{model: request.Model, embedded: counted}, false)
	if x == nil {
		return
	}
	list := embeddingList{Object: "list", Model: request.Model, Data: make([]embedding, len(inputs))}
	for i, input := range inputs {
		list.Data[i] = embedding{Object: "embedding", Index: i, Embedding: vector(request, input)}
	}
	if !x.usageHidden() {
		list.Usage = &embeddingUsage{PromptTokens: counted, TotalTokens: counted}
	}
	x.plain(list)
}

// embeddingInputs takes the four forms of an input: a text, texts, token numbers, lists of token numbers.
func embeddingInputs(raw json.RawMessage) (inputs []string, counted int, err error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []string{text}, tokens(utf8.RuneCountInString(text)), nil
	}
	if json.Unmarshal(raw, &inputs) == nil && len(inputs) > 0 {
		for _, text := range inputs {
			counted += tokens(utf8.RuneCountInString(text))
		}
		return inputs, counted, nil
	}
	var numbers []int
	if json.Unmarshal(raw, &numbers) == nil && len(numbers) > 0 {
		return []string{string(raw)}, len(numbers), nil
	}
	var lists [][]int
	if json.Unmarshal(raw, &lists) != nil || len(lists) == 0 {
		return nil, 0, errors.New("neither text nor tokens")
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(raw, &raws); err != nil {
		return nil, 0, err
	}
	for i, list := range lists {
		counted += len(list)
		inputs = append(inputs, string(raws[i]))
	}
	return inputs, counted, nil
}

// vector is a unit vector that depends on model and input alone, and is near those of texts with nearly the same words: each word, and each three
// letters of one, stand for a direction, and a text is their sum.
func vector(request embeddingRequest, input string) any {
	numbers := make([]float32, dimensionsDefault)
	if request.Dimensions > 0 {
		numbers = make([]float32, request.Dimensions)
	}
	for _, word := range wordsOf(input) {
		lean(numbers, request.Model, word, wordWeight)
		for at := 0; at+lettersOfPart <= len(word); at++ {
			lean(numbers, request.Model, word[at:at+lettersOfPart], 1)
		}
	}
	var square float64
	for _, number := range numbers {
		square += float64(number) * float64(number)
	}
	if square == 0 { // of a few dimensions, steps may end each other
		numbers[0], square = 1, 1
	}
	length := float32(math.Sqrt(square))
	for i := range numbers {
		numbers[i] /= length
	}
	if request.EncodingFormat != "base64" {
		return numbers
	}
	raw := make([]byte, 0, 4*len(numbers))
	for _, number := range numbers {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(number))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

const (
	wordWeight    = 2
	lettersOfPart = 3
	leaning       = 16 // numbers that a part of a text changes
)

// wordsOf returns the words of a text in small letters; of one without any, the text.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return []string{text}
	}
	return words
}

// lean adds the direction that a part of a text stands for.
func lean(numbers []float32, model, part string, weight float32) {
	digest := sha256.Sum256([]byte(model + "\x00" + part))
	random := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(digest[:]), binary.LittleEndian.Uint64(digest[8:]))) // must be repeatable, not secret
	for range leaning {
		at := random.IntN(len(numbers))
		if random.IntN(2) == 0 {
			numbers[at] += weight
		} else {
			numbers[at] -= weight
		}
	}
}
