package simulator

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Vertex AI has Google's own models in the format of the Gemini API, and Claude in Anthropic's, below paths that name project and location
// (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference, https://docs.anthropic.com/en/api/claude-on-vertex-ai).

const (
	vertexProvider = "vertex"
	vertexVersion  = "vertex-2023-10-16"
	countingModel  = "count-tokens"
)

func (s *Simulator) vertex(mux *http.ServeMux) {
	accounts := &accounts{now: s.now}
	gemini := geminiAPI{s, vertexProvider, accounts.refused}
	claude := anthropicAPI{sim: s, provider: vertexProvider}
	mux.HandleFunc("GET "+VertexPath+"/service-account.json", accounts.issue)
	mux.HandleFunc("POST "+VertexPath+"/token", accounts.give)
	models := "POST " + VertexPath + "/v1/projects/{project}/locations/{location}/publishers/"
	mux.HandleFunc(models+"google/models/{model}", gemini.serve)
	mux.HandleFunc(models+"anthropic/models/{model}", func(w http.ResponseWriter, r *http.Request) {
		if problem := accounts.refused(r); problem != "" {
			gemini.refuse(w, http.StatusUnauthorized, problem)
			return
		}
		claude.predict(w, r)
	})
	mux.HandleFunc(VertexPath+"/", func(w http.ResponseWriter, r *http.Request) {
		gemini.refuse(w, http.StatusNotFound, "Not found: "+r.URL.Path)
	})
}

// predict answers `{model}:rawPredict` and `{model}:streamRawPredict`: the body says the version and no model, which the path names.
func (api anthropicAPI) predict(w http.ResponseWriter, r *http.Request) {
	model, verb, _ := strings.Cut(r.PathValue("model"), ":")
	body := map[string]json.RawMessage{}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	counts, stream := model == countingModel, string(body["stream"]) == "true"
	switch {
	case err != nil:
		api.refuse(w, http.StatusBadRequest, "The request body is not valid JSON: "+err.Error())
		return
	case string(body["anthropic_version"]) != `"`+vertexVersion+`"`:
		api.refuse(w, http.StatusBadRequest, "anthropic_version: Field required")
		return
	case body["model"] != nil && !counts:
		api.refuse(w, http.StatusBadRequest, "model: Extra inputs are not permitted")
		return
	case verb != "rawPredict" && (verb != "streamRawPredict" || counts), stream != (verb == "streamRawPredict"):
		api.refuse(w, http.StatusBadRequest, "stream does not fit "+verb+".")
		return
	}
	delete(body, "anthropic_version")
	if !counts {
		body["model"] = json.RawMessage(`"` + model + `"`)
	}
	if raw, err = json.Marshal(body); err != nil {
		api.refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	r.Header.Set("X-Api-Key", "admitted")
	r.Header.Set("Anthropic-Version", vertexVersion)
	if counts {
		api.countTokens(w, r)
		return
	}
	api.messages(w, r)
}
