package simulator

import (
	"net/http"
	"strings"
)

// Azure OpenAI speaks as OpenAI does, below paths of its own: without a date the body names the deployment, with one (api-version) the path
// does (https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference).

const azureProvider = "azure"

// entraToken is what Entra's stand-in gives to every application whose secret has no "wrong" in it. It is the only one that is taken.
const entraToken = "simulators-token-of-an-application"

const entraScope = "https://cognitiveservices.azure.com/.default"

// azureKey returns the key of a request, or the token in its place; empty: there is none that is known.
func azureKey(r *http.Request) string {
	if r.Header.Get("Authorization") == "Bearer "+entraToken {
		return entraToken
	}
	return r.Header.Get("Api-Key")
}

func (s *Simulator) azure(mux *http.ServeMux) {
	api := openaiAPI{s, azureProvider, azureKey}
	mux.HandleFunc("POST "+AzurePath+"/openai/v1/chat/completions", api.chat)
	mux.HandleFunc("POST "+AzurePath+"/openai/v1/responses", api.responses)
	mux.HandleFunc("POST "+AzurePath+"/openai/v1/embeddings", api.embeddings)
	mux.HandleFunc("POST "+AzurePath+"/openai/deployments/{deployment}/chat/completions", api.dated(api.chat))
	mux.HandleFunc("POST "+AzurePath+"/openai/deployments/{deployment}/embeddings", api.dated(api.embeddings))
	mux.HandleFunc("POST "+AzurePath+"/openai/responses", api.dated(api.responses))
	mux.HandleFunc("GET "+AzurePath+"/openai/v1/realtime", api.realtime)
	mux.HandleFunc("GET "+AzurePath+"/openai/realtime", api.dated(api.realtime))
	api.filesAt(mux, AzurePath+"/openai/v1", undated)
	api.filesAt(mux, AzurePath+"/openai", api.dated)
	api.storedAt(mux, AzurePath+"/openai/v1/responses", undated)
	api.storedAt(mux, AzurePath+"/openai/responses", api.dated)
	mux.HandleFunc("POST "+AzurePath+"/entra/{tenant}/oauth2/v2.0/token", giveToken)
	mux.HandleFunc(AzurePath+"/", func(w http.ResponseWriter, _ *http.Request) {
		api.refuse(w, http.StatusNotFound, "", "404", "Resource not found")
	})
}

// dated wants the version that the paths before Azure's API without dates need.
func (api openaiAPI) dated(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("api-version") == "" {
			api.refuse(w, http.StatusNotFound, "", "404", "Resource not found")
			return
		}
		serve(w, r)
	}
}

// deployed returns the model that a request asks for: the deployment in its path, or what its body names.
func deployed(r *http.Request, model string) string {
	if deployment := r.PathValue("deployment"); deployment != "" {
		return deployment
	}
	return model
}

// filtered is what Azure's filter says of a prompt, before a stream begins.
func (x *exchange) filtered() {
	verdict := map[string]any{"hate": map[string]any{"filtered": false, "severity": "safe"}}
	x.event("", map[string]any{
		"id": "", "object": "", "created": 0, "model": "", "choices": []struct{}{}, "prompt_filter_results": []any{map[string]any{"prompt_index": 0, "content_filter_results": verdict}},
	})
}

// giveToken stands in for Microsoft Entra ID (https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
func giveToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	secret := r.PostFormValue("client_secret")
	switch {
	case r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("client_id") == "" || r.PostFormValue("scope") != entraScope:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "AADSTS900144: The request body must contain what the grant needs."})
	case keyRefused(secret) || strings.Contains(r.PathValue("tenant"), wrongKey):
		writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": entraToken})
	}
}
