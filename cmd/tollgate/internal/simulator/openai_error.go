package simulator

import (
	"net/http"
	"strings"
)

type openaiError struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	} `json:"error"`
}

func (api openaiAPI) refuse(w http.ResponseWriter, status int, kind, code, message string) {
	var body openaiError
	body.Error.Message, body.Error.Type = message, kind
	if code != "" {
		body.Error.Code = &code
	}
	w.Header().Set("X-Request-Id", api.sim.id("req_"))
	writeJSON(w, status, body)
}

func (api openaiAPI) invalid(w http.ResponseWriter, message string) {
	api.refuse(w, http.StatusBadRequest, "invalid_request_error", "", message)
}

// admit checks the key.
func (api openaiAPI) admit(w http.ResponseWriter, r *http.Request) bool {
	if keyRefused(api.key(r)) {
		api.refuse(w, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
		return false
	}
	w.Header().Set("X-Request-Id", api.sim.id("req_"))
	return true
}

func (api openaiAPI) known(w http.ResponseWriter, model string) bool {
	switch {
	case model == "":
		api.invalid(w, "you must provide a model parameter")
	case strings.HasPrefix(model, missingModel):
		api.refuse(w, http.StatusNotFound, "invalid_request_error", "model_not_found", "The model `"+model+"` does not exist or you do not have access to it.")
	default:
		return true
	}
	return false
}

// fail answers with a status that a fault asked for.
func (api openaiAPI) fail(w http.ResponseWriter, status int) {
	switch {
	case status == http.StatusUnauthorized:
		api.refuse(w, status, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
	case status == http.StatusTooManyRequests:
		api.refuse(w, status, "requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again in 1s.")
	case status >= http.StatusInternalServerError:
		api.refuse(w, status, "server_error", "", "The server had an error while processing your request. Sorry about that!")
	default:
		api.refuse(w, status, "invalid_request_error", "", "The request was refused.")
	}
}

func (api openaiAPI) unknown(w http.ResponseWriter, r *http.Request) {
	api.refuse(w, http.StatusNotFound, "invalid_request_error", "unknown_url", "Unknown request URL: "+r.Method+" "+r.URL.Path)
}
