package simulator

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// mistralEmbedRequest is OpenAI's but for the name of the vectors' length (https://docs.mistral.ai/api/endpoint/embeddings).
type mistralEmbedRequest struct {
	Model           string   `json:"model"`
	Input           []string `json:"input"`
	OutputDimension int      `json:"output_dimension"`
}

func (api mistralAPI) embeddings(w http.ResponseWriter, r *http.Request) {
	if keyRefused(bearer(r)) {
		writeJSON(w, http.StatusUnauthorized, map[string]string{"detail": "Unauthorized"})
		return
	}
	var request mistralEmbedRequest
	if status, problem := readStrictly(w, r, &request); problem != "" {
		api.refuse(w, status, problem)
		return
	}
	if strings.HasPrefix(request.Model, missingModel) || len(request.Input) == 0 {
		api.refuse(w, http.StatusBadRequest, "Invalid model or input.")
		return
	}
	counted, list := 0, embeddingList{Object: "list", Model: request.Model}
	for i, text := range request.Input {
		counted += tokens(utf8.RuneCountInString(text))
		list.Data = append(list.Data, embedding{Object: "embedding", Index: i, Embedding: vector(embeddingRequest{Model: request.Model, Dimensions: request.OutputDimension}, text)})
	}
	x := api.sim.begin(w, r, prompt{provider: "mistral", model: request.Model, embedded: counted}, false, func(status int) { api.refuse(w, status, "The request failed.") })
	if x == nil {
		return
	}
	if !x.usageHidden() {
		list.Usage = &embeddingUsage{PromptTokens: counted, TotalTokens: counted}
	}
	x.plain(list)
}
