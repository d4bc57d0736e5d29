package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// way is how a route of the edge is guarded, with a body that calls it.
type way struct {
	key      bool              // refuses who has none
	budget   bool              // limited, budgeted and metered: every body ends in an event with a cost
	free     bool              // the same, but providers answer for nothing: the event has no cost, and no budget refuses
	bodies   []string          // several where a road could go round the budget
	dialect  string            // as events name it
	path     string            // where a row's own path is a pattern; PROVIDER is the name of one
	connects bool              // over WebSocket: a call is a reply, and the connection has an event of its own without a cost
	pending  bool              // the event has no cost yet, and leaves it in doubt
	answer   int               // the status of a call that is let through; 0: 200
	head     map[string]string // header fields besides

	// prepare makes what a row's path names, with the project's key, and returns the path.
	prepare func(t *testing.T, p *project) string
}

const tools = `"tools":[{"type":"function","function":{"name":"look_up","parameters":{"type":"object","properties":{"what":{"type":"string"}}}}}]`

var geminiBodies = []string{
	`{"contents":[{"role":"user","parts":[{"text":"Say something."}]}],"generationConfig":{"maxOutputTokens":64}}`,
	`{"contents":[{"role":"user","parts":[{"text":"No limit."}]}],"generation_config":{"temperature":1}}`,
	`{"contents":[{"parts":[{"text":"Please look_up something."}]}],"tools":[{"functionDeclarations":[{"name":"look_up","parameters":{"type":"OBJECT","properties":{"what":{"type":"STRING"}}}}]}]}`,
}

var (
	embeddedBodies = []string{`{"requests":[{"content":{"parts":[{"text":"a text"}]}},{"content":{"parts":[{"text":"and another"}]}}]}`}
	embeddedOnes   = []string{`{"content":{"parts":[{"text":"a text"}]}}`, `{"content":{"parts":[{"text":"a text"}]},"outputDimensionality":256}`}
)

var countedBodies = []string{`{"contents":[{"role":"user","parts":[{"text":"Say something."}]}]}`}

// ways has a row for every route of the edge; a new route fails without one.
var ways = map[string]way{
	"POST /v1/chat/completions": {key: true, budget: true, dialect: "openai_chat", bodies: []string{
		`{"model":"` + openAIModel + `","max_tokens":64,"messages":[{"role":"user","content":"Say something."}]}`,
		`{"model":"` + openAIModel + `","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Say something."}]}`,
		`{"model":"` + openAIModel + `","messages":[{"role":"user","content":"No limit."}]}`,
		`{"model":"` + openAIModel + `","max_tokens":64,` + tools + `,"messages":[{"role":"user","content":"Please look_up something."}]}`,
		`{"model":"` + openAIModel + `","max_tokens":64,"messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}`,
	}},
	"POST /v1/responses": {key: true, budget: true, dialect: "openai_responses", bodies: []string{
		`{"model":"` + openAIModel + `","max_output_tokens":64,"input":"Say something."}`,
		`{"model":"` + openAIModel + `","max_output_tokens":64,"stream":true,"input":"Say something."}`,
	}},
	"POST /v1/embeddings": {key: true, budget: true, dialect: "openai_embeddings", bodies: []string{
		`{"model":"` + embedder + `","input":"a text to embed"}`,
		`{"model":"` + embedder + `","input":["a text","and another"]}`,
	}},
	"POST /v1/messages": {key: true, budget: true, dialect: "anthropic_messages", bodies: []string{
		`{"model":"` + claude + `","max_tokens":64,"messages":[{"role":"user","content":"Say something."}]}`,
		`{"model":"` + claude + `","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Say something."}]}`,
	}},
	"POST /v1/messages/count_tokens": {key: true, budget: true, free: true, dialect: "anthropic_count_tokens", bodies: []string{
		`{"model":"` + claude + `","messages":[{"role":"user","content":"Say something."}]}`,
		`{"model":"` + openAIModel + `","messages":[{"role":"user","content":"Say something."}]}`,
	}},
	"POST /v1/images/generations": {key: true, budget: true, dialect: "openai_images", bodies: []string{
		`{"model":"sim-images","prompt":"a gate"}`, `{"model":"sim-images","prompt":"a gate","quality":"hd","size":"1024x1792","n":2}`, `{"model":"gpt-image-2","prompt":"a gate"}`,
	}},
	"POST /v1/images/edits": {key: true, budget: true, dialect: "openai_image_edits", bodies: []string{
		formOf("model", "sim-images", "prompt", "a gate", "image", "@png"), formOf("image[]", "@png", "prompt", "a gate", "model", "gpt-image-2"),
	}},
	"POST /v1/audio/speech": {key: true, budget: true, dialect: "openai_speech", bodies: []string{`{"model":"sim-speech","voice":"alloy","input":"Say something."}`}},
	"POST /v1/audio/transcriptions": {key: true, budget: true, dialect: "openai_transcription", bodies: []string{
		formOf("model", "sim-ear", "file", "@"+strings.Repeat("s", 9000)), formOf("file", "@"+strings.Repeat("s", 9000), "model", "sim-ear", "response_format", "srt"),
	}},
	"POST /v1/audio/translations":                       {key: true, budget: true, dialect: "openai_translation", bodies: []string{formOf("model", "sim-ear", "file", "@"+strings.Repeat("s", 9000))}},
	"POST /v1/moderations":                              {key: true, budget: true, free: true, dialect: "openai_moderation", bodies: []string{`{"model":"sim-moderation","input":"Say something."}`}},
	"POST /v1/rerank":                                   {key: true, budget: true, dialect: "rerank", bodies: []string{`{"model":"sim-rerank","query":"gates","documents":["a gate","a truck"]}`}},
	"GET /v1/realtime":                                  {key: true, budget: true, connects: true, dialect: "openai_realtime", path: "/v1/realtime?model=" + speaker, bodies: []string{""}},
	"GET /v1/responses/{id}":                            {key: true, budget: true, free: true, dialect: "openai_stored_responses", bodies: []string{""}, prepare: storedResponse("")},
	"DELETE /v1/responses/{id}":                         {key: true, budget: true, free: true, dialect: "openai_stored_responses", bodies: []string{""}, prepare: storedResponse("")},
	"GET /v1/responses/{id}/input_items":                {key: true, budget: true, free: true, dialect: "openai_stored_responses", bodies: []string{""}, prepare: storedResponse("/input_items")},
	"POST /v1/responses/{id}/cancel":                    {key: true, budget: true, free: true, dialect: "openai_stored_responses", bodies: []string{""}, prepare: storedResponse("/cancel"), answer: http.StatusBadRequest},
	"POST /v1/files":                                    kept("openai_files", formOf("purpose", "batch", "file", "@"+batchLine), nil),
	"GET /v1/files":                                     kept("openai_files", "", nil),
	"GET /v1/files/{id}":                                kept("openai_files", "", func(t *testing.T, p *project) string { return "/v1/files/" + p.batchFile(t) }),
	"GET /v1/files/{id}/content":                        kept("openai_files", "", func(t *testing.T, p *project) string { return "/v1/files/" + p.batchFile(t) + "/content" }),
	"DELETE /v1/files/{id}":                             kept("openai_files", "", func(t *testing.T, p *project) string { return "/v1/files/" + p.batchFile(t) }),
	"POST /v1/files with Anthropic-Version":             claudes(formOf("file", "@text"), nil),
	"GET /v1/files with Anthropic-Version":              claudes("", nil),
	"GET /v1/files/{id} with Anthropic-Version":         claudes("", claudesFile("")),
	"GET /v1/files/{id}/content with Anthropic-Version": claudes("", claudesFile("/content")),
	"DELETE /v1/files/{id} with Anthropic-Version":      claudes("", claudesFile("")),
	"POST /upload/v1/files":                             {key: true, budget: true, free: true, dialect: "gemini_files", bodies: []string{`{"file":{"mimeType":"text/plain"}}`}, head: startingHead},
	"GET /v1/files with X-Goog-Api-Key":                 googles(nil),
	"GET /v1/files/{id} with X-Goog-Api-Key":            googles(googlesFileFirst),
	"DELETE /v1/files/{id} with X-Goog-Api-Key":         googles(googlesFileFirst),
	"POST /upload/v1beta/files":                         {key: true, budget: true, free: true, dialect: "gemini_files", bodies: []string{`{"file":{"mimeType":"text/plain"}}`}, head: startingHead},
	"GET /v1beta/files":                                 kept("gemini_files", "", nil),
	"GET /v1beta/files/{id}":                            kept("gemini_files", "", googlesFile),
	"DELETE /v1beta/files/{id}":                         kept("gemini_files", "", googlesFile),
	"POST /v1/batches":                                  {key: true, budget: true, pending: true, dialect: "openai_batches", bodies: []string{`{"input_file_id":"FILE","endpoint":"/v1/chat/completions","completion_window":"24h"}`}},
	"GET /v1/batches":                                   kept("openai_batches", "", nil),
	"GET /v1/batches/{id}":                              kept("openai_batches", "", func(t *testing.T, p *project) string { return "/v1/batches/" + p.begunBatch(t) }),
	"POST /v1/batches/{id}/cancel":                      kept("openai_batches", "", func(t *testing.T, p *project) string { return "/v1/batches/" + p.begunBatch(t) + "/cancel" }),
	"POST /v1/messages/batches":                         {key: true, budget: true, pending: true, dialect: "anthropic_batches", bodies: []string{messageBatch}},
	"GET /v1/messages/batches":                          kept("anthropic_batches", "", nil),
	"GET /v1/messages/batches/{id}":                     kept("anthropic_batches", "", begunMessages("", false)),
	"GET /v1/messages/batches/{id}/results":             kept("anthropic_batches", "", begunMessages("/results", true)),
	"POST /v1/messages/batches/{id}/cancel":             kept("anthropic_batches", "", begunMessages("/cancel", false)),
	"DELETE /v1/messages/batches/{id}":                  kept("anthropic_batches", "", begunMessages("", true)),
	"* /proxy/{provider}/{path}": {key: true, budget: true, dialect: "proxy", path: "/proxy/PROVIDER/v1/chat/completions", bodies: []string{
		`{"model":"` + openAIModel + `","max_tokens":64,"messages":[{"role":"user","content":"Say something."}]}`,
		`{"model":"` + openAIModel + `","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Say something."}]}`,
		`{"model":"` + openAIModel + `","messages":[{"role":"user","content":"No limit."}]}`,
	}},
	"POST /v1beta/models/{model}:generateContent":       {key: true, budget: true, dialect: "gemini_generate", bodies: geminiBodies, path: "/v1beta/models/" + openAIModel + ":generateContent"},
	"POST /v1beta/models/{model}:streamGenerateContent": {key: true, budget: true, dialect: "gemini_generate", bodies: geminiBodies, path: "/v1beta/models/" + claude + ":streamGenerateContent?alt=sse"},
	"POST /v1beta/models/{model}:countTokens":           {key: true, budget: true, free: true, dialect: "gemini_count_tokens", bodies: countedBodies, path: "/v1beta/models/" + openAIModel + ":countTokens"},
	"POST /v1/models/{model}:countTokens":               {key: true, budget: true, free: true, dialect: "gemini_count_tokens", bodies: countedBodies, path: "/v1/models/" + claude + ":countTokens"},
	"POST /v1beta/models/{model}:embedContent":          {key: true, budget: true, dialect: "gemini_embeddings", bodies: embeddedOnes, path: "/v1beta/models/" + embedder + ":embedContent"},
	"POST /v1/models/{model}:embedContent":              {key: true, budget: true, dialect: "gemini_embeddings", bodies: embeddedOnes, path: "/v1/models/" + embedder + ":embedContent"},
	"POST /v1beta/models/{model}:batchEmbedContents":    {key: true, budget: true, dialect: "gemini_batch_embeddings", bodies: embeddedBodies, path: "/v1beta/models/" + embedder + ":batchEmbedContents"},
	"POST /v1/models/{model}:batchEmbedContents":        {key: true, budget: true, dialect: "gemini_batch_embeddings", bodies: embeddedBodies, path: "/v1/models/" + embedder + ":batchEmbedContents"},
	"POST /v1/models/{model}:generateContent":           {key: true, budget: true, dialect: "gemini_generate", bodies: geminiBodies, path: "/v1/models/" + claude + ":generateContent"},
	"POST /v1/models/{model}:streamGenerateContent":     {key: true, budget: true, dialect: "gemini_generate", bodies: geminiBodies, path: "/v1/models/" + openAIModel + ":streamGenerateContent"},
	"POST /v1/realtime/client_secrets":                  {key: true, bodies: []string{`{"session":{"type":"realtime","model":"` + speaker + `"}}`}},
	"GET /v1beta/models":                                {key: true},
	"GET /v1/models":                                    {key: true},
	"GET /healthz":                                      {},
	"GET /readyz":                                       {},
	"GET /metrics":                                      {},
}

// kept is the row of a request about what a provider keeps, which costs nothing.
func kept(dialect, body string, prepare func(t *testing.T, p *project) string) way {
	return way{key: true, budget: true, free: true, dialect: dialect, bodies: []string{body}, prepare: prepare}
}

// claudes is the same of a request in Anthropic's dialect at a path that OpenAI has too.
func claudes(body string, prepare func(t *testing.T, p *project) string) way {
	way := kept("anthropic_files", body, prepare)
	way.head = anthropicHead
	return way
}

// googles is the same of a request of Google's clients at such a path, with the key as they send it.
func googles(prepare func(t *testing.T, p *project) string) way {
	way := kept("gemini_files", "", prepare)
	way.head = map[string]string{"X-Goog-Api-Key": ""}
	return way
}

// storedResponse has the provider keep an answer.
func storedResponse(action string) func(t *testing.T, p *project) string {
	return func(t *testing.T, p *project) string {
		t.Helper()
		answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+"/v1/responses", p.key, `{"model":"`+openAIModel+`","max_output_tokens":64,"input":"Keep this."}`)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(answer.Body), &made); err != nil || made.ID == "" {
			t.Fatalf("%d %s: %v", answer.Status, answer.Body, err)
		}
		return "/v1/responses/" + made.ID + action
	}
}

// roundabouts are what gateways forward without counting. The edge has none of them.
var roundabouts = []string{
	"POST /v1/completions", "POST /v1/uploads", "POST /v1/images/variations", "POST /v1/audio/speech/",
	"POST /v1/audio", "POST /v1/moderations/", "POST /v1/fine_tuning/jobs", "POST /v1/assistants", "POST /v1/threads/runs", "POST /v1/realtime/sessions",
	"POST /v1/messages/batches/", "POST /v1/messages/count_tokens/", "POST /v1/complete", "POST /openai/v1/chat/completions",
	"POST /anthropic/v1/messages", "POST /v1/chat/completions/", "POST //v1/chat/completions", "POST /v1/chat/completions/../embeddings", "POST /v1/%63hat/completions",
	"POST /V1/chat/completions", "GET /v1/responses/resp_1", "DELETE /v1/models/" + openAIModel, "POST /v2/rerank", "POST /mcp", "POST /a2a/agent/",
}

// lets returns the status of a call that is let through.
func (w way) lets() int {
	if w.answer != 0 {
		return w.answer
	}
	return http.StatusOK
}

// dress sets a row's header fields.
func (w way) dress(request *http.Request) {
	for name, value := range w.head {
		if value == "" {
			value = strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
		}
		request.Header.Set(name, value)
	}
}
