package simulator

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// cohereEmbedRequest is a request of Cohere's Embed, version 2 (https://docs.cohere.com/reference/embed).
type cohereEmbedRequest struct {
	Model           string   `json:"model"`
	Texts           []string `json:"texts"`
	InputType       string   `json:"input_type"`
	EmbeddingTypes  []string `json:"embedding_types"`
	OutputDimension int      `json:"output_dimension"`
	Truncate        string   `json:"truncate"`
}

// coherePurposes are what a text may be embedded for.
var coherePurposes = []string{"search_document", "search_query", "classification", "clustering"}

// cohereTextsMax is Cohere's own limit.
const cohereTextsMax = 96

func (api cohereAPI) embed(w http.ResponseWriter, r *http.Request) {
	var request cohereEmbedRequest
	if !api.read(w, r, &request) {
		return
	}
	switch {
	case strings.HasPrefix(request.Model, missingModel):
		api.refuse(w, http.StatusNotFound, "model '"+request.Model+"' not found, make sure the correct model ID was used and that you have access to the model.")
		return
	case len(request.Texts) == 0 || len(request.Texts) > cohereTextsMax:
		api.refuse(w, http.StatusBadRequest, "invalid request: valid input must be between 1 and 96 texts")
		return
	case !slices.Contains(coherePurposes, request.InputType):
		api.refuse(w, http.StatusBadRequest, "invalid request: valid input_type must be provided with the provided model")
		return
	case !slices.Equal(request.EmbeddingTypes, []string{"float"}):
		api.refuse(w, http.StatusBadRequest, "invalid request: this stand-in answers with float alone")
		return
	}
	counted, vectors := 0, []any{}
	for _, text := range request.Texts {
		counted += tokens(utf8.RuneCountInString(text))
		vectors = append(vectors, vector(embeddingRequest{Model: request.Model, Dimensions: request.OutputDimension}, text))
	}
	x := api.sim.begin(w, r, prompt{provider: "cohere", model: request.Model, embedded: counted}, false, func(status int) { api.refuse(w, status, "The request failed.") })
	if x == nil {
		return
	}
	x.plain(map[string]any{
		"id": api.sim.id(""), "texts": request.Texts, "embeddings": map[string]any{"float": vectors}, "response_type": "embeddings_by_type",
		"meta": map[string]any{"api_version": map[string]string{"version": "2"}, "billed_units": map[string]int{"input_tokens": counted}},
	})
}
