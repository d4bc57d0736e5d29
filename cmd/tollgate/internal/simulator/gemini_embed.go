package simulator

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// The calls for embeddings: two of the Gemini API (https://ai.google.dev/api/embeddings), and one more of Vertex AI
// (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api), which has embedContent since gemini-embedding-2.
const (
	embedOne  = "embedContent"
	embedMany = "batchEmbedContents"
	predict   = "predict"
)

const (
	geminiEmbedsMost = 100
	vertexEmbedsMost = 250
)

type geminiEmbedRequest struct {
	Model                string        `json:"model"`
	Content              geminiContent `json:"content"`
	TaskType             string        `json:"taskType"`
	Title                string        `json:"title"`
	OutputDimensionality int           `json:"outputDimensionality"`
	AutoTruncate         *bool         `json:"autoTruncate"`
}

type vertexInstance struct {
	Content  string `json:"content"`
	TaskType string `json:"task_type"`
	Title    string `json:"title"`
}

// toEmbed is a request in any of the forms.
type toEmbed struct {
	geminiEmbedRequest                      // of one
	Requests           []geminiEmbedRequest `json:"requests"`
	Instances          []vertexInstance     `json:"instances"`
	Parameters         struct {
		AutoTruncate         *bool `json:"autoTruncate"`
		OutputDimensionality int   `json:"outputDimensionality"`
	} `json:"parameters"`
}

// texts returns what is to be embedded, each with its length of vectors, or what is wrong.
func (q *toEmbed) texts(api geminiAPI, model, verb string) (texts []string, dimensions []int, problem string) {
	all := []geminiEmbedRequest{q.geminiEmbedRequest}
	newer := api.provider == vertexProvider && strings.HasPrefix(model, "gemini-") && model != "gemini-embedding-001"
	switch {
	case verb == predict && api.provider == vertexProvider && !newer:
		if n := len(q.Instances); n == 0 || n > vertexEmbedsMost || n > 1 && model == "gemini-embedding-001" {
			return nil, nil, "The number of instances is not what the model takes."
		}
		for _, one := range q.Instances {
			texts, dimensions = append(texts, one.Content), append(dimensions, q.Parameters.OutputDimensionality)
		}
		return texts, dimensions, ""
	case verb == predict, api.provider == vertexProvider && (verb == embedMany || !newer || q.Model != ""):
		return nil, nil, "The model does not take " + verb + "."
	case verb == embedMany:
		if all = q.Requests; len(all) == 0 || len(all) > geminiEmbedsMost {
			return nil, nil, "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch"
		}
	}
	for _, one := range all {
		if verb == embedMany && one.Model != "models/"+model {
			return nil, nil, "* BatchEmbedContentsRequest.requests: model must match the model in the path"
		}
		text := ""
		for _, part := range one.Content.Parts {
			if part.Text != nil {
				text += *part.Text
			}
		}
		if text == "" {
			return nil, nil, "* EmbedContentRequest.content: content is empty"
		}
		texts, dimensions = append(texts, text), append(dimensions, one.OutputDimensionality)
	}
	return texts, dimensions, ""
}

func (api geminiAPI) embed(w http.ResponseWriter, r *http.Request, model, verb string) {
	var request toEmbed
	if _, problem := readStrictly(w, r, &request); problem != "" {
		api.refuse(w, http.StatusBadRequest, "Invalid JSON payload received. "+problem)
		return
	}
	texts, dimensions, problem := request.texts(api, model, verb)
	switch {
	case strings.HasPrefix(model, missingModel):
		api.refuse(w, http.StatusNotFound, "models/"+model+" is not found for API version v1beta, or is not supported for "+verb+".")
		return
	case problem != "":
		api.refuse(w, http.StatusBadRequest, problem)
		return
	}
	all, each, vectors := 0, []int{}, []any{}
	for i, text := range texts {
		each = append(each, tokens(utf8.RuneCountInString(text)))
		all += each[i]
		vectors = append(vectors, vector(embeddingRequest{Model: model, Dimensions: dimensions[i]}, text))
	}
	x := api.sim.begin(w, r, prompt{provider: api.provider, model: model, embedded: all}, false, func(status int) { api.refuse(w, status, "The request failed.") })
	if x == nil {
		return
	}
	x.plain(embeddingsOf(verb, vectors, each, all, x.usageHidden() || model == "gemini-embedding-001"))
}

// embeddingsOf is the answer. The Gemini API says nothing of tokens for its first model.
func embeddingsOf(verb string, vectors []any, each []int, all int, silent bool) map[string]any {
	list := []map[string]any{}
	for i, one := range vectors {
		if verb == predict {
			list = append(list, map[string]any{"embeddings": map[string]any{"values": one, "statistics": map[string]any{"truncated": false, "token_count": each[i]}}})
			continue
		}
		list = append(list, map[string]any{"values": one})
	}
	answer := map[string]any{"embeddings": list}
	switch verb {
	case predict:
		return map[string]any{"predictions": list}
	case embedOne:
		answer = map[string]any{"embedding": list[0]}
	}
	if !silent {
		answer["usageMetadata"] = map[string]int{"promptTokenCount": all, "totalTokenCount": all}
	}
	return answer
}
