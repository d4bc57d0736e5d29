package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// bedrockEmbedRequest is what InvokeModel takes of the models that embed: Amazon's Titan one text, Cohere's several
// (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html, …/model-parameters-embed.html).
type bedrockEmbedRequest struct {
	InputText       *string  `json:"inputText"`
	Dimensions      int      `json:"dimensions"`
	Normalize       *bool    `json:"normalize"`
	Texts           []string `json:"texts"`
	InputType       string   `json:"input_type"`
	EmbeddingTypes  []string `json:"embedding_types"`
	Truncate        string   `json:"truncate"`
	OutputDimension int      `json:"output_dimension"`
}

// problem is what Bedrock would not take.
func (q *bedrockEmbedRequest) problem(model string) string {
	titan, second := strings.Contains(model, "titan-embed-text"), strings.Contains(model, "titan-embed-text-v2")
	switch {
	case !titan && !strings.Contains(model, "cohere.embed-"):
		return "The provided model identifier is invalid."
	case titan && (q.InputText == nil || *q.InputText == ""):
		return "Malformed input request: #: required key [inputText] not found, please reformat your input and try again."
	case titan && (q.Texts != nil || q.InputType != "" || q.OutputDimension != 0), titan && !second && (q.Dimensions != 0 || q.Normalize != nil):
		return "Malformed input request: #: extraneous key is not permitted, please reformat your input and try again."
	case titan && q.Dimensions != 0 && !slices.Contains([]int{256, 512, 1024}, q.Dimensions):
		return "Malformed input request: #/dimensions: " + strconv.Itoa(q.Dimensions) + " is not a valid enum value, please reformat your input and try again."
	case !titan && (len(q.Texts) == 0 || len(q.Texts) > cohereTextsMax):
		return "Malformed input request: #/texts: expected 1 to 96 items, please reformat your input and try again."
	case !titan && (!slices.Contains(coherePurposes, q.InputType) || !slices.Equal(q.EmbeddingTypes, []string{"float"})):
		return "Malformed input request: #/input_type or #/embedding_types, please reformat your input and try again."
	case !titan && q.OutputDimension != 0 && !strings.Contains(model, "cohere.embed-v"):
		return "Malformed input request: #: extraneous key [output_dimension] is not permitted, please reformat your input and try again."
	}
	return ""
}

func (api bedrockAPI) invoke(w http.ResponseWriter, r *http.Request) {
	model := r.PathValue("model")
	var request bedrockEmbedRequest
	if !api.read(w, r, &request) {
		return
	}
	if strings.HasPrefix(model, missingModel) {
		api.refuse(w, http.StatusNotFound, "Could not resolve the foundation model from the provided model identifier.")
		return
	}
	if problem := request.problem(model); problem != "" {
		api.refuse(w, http.StatusBadRequest, problem)
		return
	}
	texts, dimensions := request.Texts, request.OutputDimension
	if request.InputText != nil {
		texts, dimensions = []string{*request.InputText}, request.Dimensions
		if dimensions == 0 && strings.Contains(model, "v2") {
			dimensions = 1024
		}
	}
	counted, vectors := 0, []any{}
	for _, text := range texts {
		counted += tokens(utf8.RuneCountInString(text))
		vectors = append(vectors, vector(embeddingRequest{Model: model, Dimensions: dimensions}, text))
	}
	x := api.sim.begin(w, r, prompt{provider: "bedrock", model: model, embedded: counted}, false, func(status int) { api.refuse(w, status, "The request failed.") })
	if x == nil {
		return
	}
	if !x.usageHidden() {
		w.Header().Set("X-Amzn-Bedrock-Input-Token-Count", strconv.Itoa(counted))
	}
	switch {
	case request.InputText == nil:
		x.plain(map[string]any{"id": api.sim.id(""), "texts": texts, "embeddings": map[string]any{"float": vectors}, "response_type": "embeddings_by_type"})
	case x.usageHidden():
		x.plain(map[string]any{"embedding": vectors[0]})
	default:
		x.plain(map[string]any{"embedding": vectors[0], "inputTextTokenCount": counted, "embeddingsByType": map[string]any{"float": vectors[0]}})
	}
}
