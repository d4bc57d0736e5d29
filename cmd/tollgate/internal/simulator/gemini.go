package simulator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// geminiAPI speaks the formats of Google's Gemini API (https://ai.google.dev/api/generate-content), as that or as Vertex AI.
type geminiAPI struct {
	sim      *Simulator
	provider string
	refused  func(*http.Request) string // why a request is not admitted; empty: it is
}

// googleKey admits by an API key.
func googleKey(r *http.Request) string {
	if keyRefused(r.Header.Get("X-Goog-Api-Key")) {
		return "API key not valid. Please pass a valid API key."
	}
	return ""
}

type geminiRequest struct {
	Contents          []geminiContent `json:"contents"`
	SystemInstruction *geminiContent  `json:"systemInstruction"`
	Tools             []struct {
		FunctionDeclarations []struct {
			Name                 string          `json:"name"`
			Parameters           json.RawMessage `json:"parameters"`
			ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
	ToolConfig struct {
		FunctionCallingConfig struct {
			Mode                 string   `json:"mode"`
			AllowedFunctionNames []string `json:"allowedFunctionNames"`
		} `json:"functionCallingConfig"`
	} `json:"toolConfig"`
	GenerationConfig struct {
		MaxOutputTokens  int      `json:"maxOutputTokens"`
		StopSequences    []string `json:"stopSequences"`
		CandidateCount   int      `json:"candidateCount"`
		ResponseLogprobs bool     `json:"responseLogprobs"`
		Logprobs         int      `json:"logprobs"`
		ResponseMimeType string   `json:"responseMimeType"`
		ThinkingConfig   struct {
			IncludeThoughts bool `json:"includeThoughts"`
		} `json:"thinkingConfig"`
	} `json:"generationConfig"`
	ServiceTier string `json:"serviceTier"`
}

type geminiContent struct {
	Role  string       `json:"role,omitempty"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text             *string          `json:"text,omitempty"`
	Thought          bool             `json:"thought,omitempty"`
	ThoughtSignature string           `json:"thoughtSignature,omitempty"`
	InlineData       json.RawMessage  `json:"inlineData,omitempty"`
	FileData         json.RawMessage  `json:"fileData,omitempty"`
	FunctionCall     *geminiCall      `json:"functionCall,omitempty"`
	FunctionResponse *json.RawMessage `json:"functionResponse,omitempty"`
}

// responseID is the id of a call that a part is the response to.
func (p geminiPart) responseID() string {
	var response struct {
		ID string `json:"id"`
	}
	if p.FunctionResponse == nil || json.Unmarshal(*p.FunctionResponse, &response) != nil {
		return ""
	}
	return response.ID
}

type geminiCall struct {
	ID   string          `json:"id,omitempty"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args,omitempty"`
}

type geminiAnswer struct {
	Candidates    []geminiCandidate `json:"candidates"`
	UsageMetadata *geminiUsage      `json:"usageMetadata,omitempty"`
	ModelVersion  string            `json:"modelVersion"`
	ResponseID    string            `json:"responseId"`
}

type geminiCandidate struct {
	Content      geminiContent `json:"content"`
	FinishReason string        `json:"finishReason,omitempty"`
	Index        int           `json:"index,omitempty"`
	Logprobs     any           `json:"logprobsResult,omitempty"`
}

type geminiUsage struct {
	PromptTokenCount        int `json:"promptTokenCount"` // includes cached ones
	CachedContentTokenCount int `json:"cachedContentTokenCount,omitempty"`
	CandidatesTokenCount    int `json:"candidatesTokenCount,omitempty"` // without thoughts
	ThoughtsTokenCount      int `json:"thoughtsTokenCount,omitempty"`
	TotalTokenCount         int `json:"totalTokenCount"`

	ServiceTier string `json:"serviceTier,omitempty"`
	TrafficType string `json:"trafficType,omitempty"` // of Vertex AI
}

// serve answers `{model}:generateContent` and `{model}:streamGenerateContent`.
func (api geminiAPI) serve(w http.ResponseWriter, r *http.Request) {
	model, verb, _ := strings.Cut(r.PathValue("model"), ":")
	streamed := verb == "streamGenerateContent"
	if problem := api.refused(r); problem != "" {
		status := http.StatusBadRequest // as the Gemini API says it
		if api.provider == vertexProvider {
			status = http.StatusUnauthorized
		}
		api.refuse(w, status, problem)
		return
	}
	if verb == embedOne || verb == embedMany || verb == predict {
		api.embed(w, r, model, verb)
		return
	}
	request := api.read(w, r, model, verb)
	if request == nil {
		return
	}
	if verb == "countTokens" {
		writeJSON(w, http.StatusOK, map[string]int{"totalTokens": request.prompt(api.provider, model).answer().usage.prompt()})
		return
	}
	asked := request.prompt(api.provider, model)
	if asked.tier = request.ServiceTier; api.provider == vertexProvider {
		asked.tier = r.Header.Get("X-Vertex-AI-LLM-Shared-Request-Type")
	}
	x := api.sim.begin(w, r, asked, streamed, func(status int) { api.refuse(w, status, "The request failed.") })
	if x == nil {
		return
	}
	answer := geminiAnswer{ModelVersion: model, ResponseID: api.sim.id("resp")}
	switch {
	case !streamed:
		answer.Candidates = api.candidates(x.reply, request)
		answer.UsageMetadata = x.geminiUsage(true)
		x.plain(answer)
	case r.URL.Query().Get("alt") == "sse":
		api.stream(x, request, answer)
	default:
		answer.Candidates = api.candidates(x.reply, request)
		answer.UsageMetadata = x.geminiUsage(true)
		x.plain([]geminiAnswer{answer})
	}
}

// read reads a request that can be served; nil: it is refused.
func (api geminiAPI) read(w http.ResponseWriter, r *http.Request, model, verb string) *geminiRequest {
	request := new(geminiRequest)
	err := decode(r, request)
	switch {
	case err != nil:
		api.refuse(w, http.StatusBadRequest, "Invalid JSON payload received. "+err.Error())
		return nil
	case len(request.Contents) == 0:
		api.refuse(w, http.StatusBadRequest, "* GenerateContentRequest.contents: contents is not specified")
		return nil
	case strings.HasPrefix(model, missingModel), !slices.Contains([]string{"generateContent", "streamGenerateContent", "countTokens"}, verb):
		api.refuse(w, http.StatusNotFound, "models/"+model+" is not found for API version v1beta, or is not supported for "+verb+".")
		return nil
	}
	if lacking := api.lacks(r, request); lacking != "" {
		api.noFile(w, lacking)
		return nil
	}
	if problem := request.problem(api.provider, model); problem != "" {
		api.refuse(w, http.StatusBadRequest, problem)
		return nil
	}
	return request
}

// candidates are the answers, as many as were asked for.
func (api geminiAPI) candidates(r reply, request *geminiRequest) (all []geminiCandidate) {
	for i := range r.choices {
		all = append(all, geminiCandidate{Content: geminiContent{Role: "model", Parts: api.parts(r, request)}, FinishReason: geminiReason(r), Index: i, Logprobs: r.odds.gemini(r.pieces...)})
	}
	return all
}

// problem is what Google would not take: a call without a signature at a model that signs, a result without its call.
func (g geminiRequest) problem(provider, model string) string {
	calls := map[string]int{}
	switch {
	case provider == vertexProvider && g.ServiceTier != "":
		return "Invalid JSON payload received. Unknown name \"serviceTier\": Cannot find field."
	case g.GenerationConfig.Logprobs > 0 && !g.GenerationConfig.ResponseLogprobs:
		return "Logprobs is only valid if response_logprobs is set to true."
	case g.GenerationConfig.ResponseMimeType == "application/json" && len(g.Tools) > 0 && !strings.HasPrefix(model, "gemini-3"):
		return "Function calling with a response mime type: 'application/json' is unsupported"
	case len(g.GenerationConfig.StopSequences) > 5:
		return "The number of stop sequences exceeds the limit of 5."
	case g.GenerationConfig.CandidateCount > 8:
		return "Unable to submit request because it has a candidateCount value outside the supported range of 1 to 8."
	}
	for i, content := range g.Contents {
		if len(content.Parts) == 0 {
			return fmt.Sprintf("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		first := true
		for _, part := range content.Parts {
			if provider == vertexProvider && !strings.HasPrefix(model, "gemini-3") && (part.FunctionCall != nil && part.FunctionCall.ID != "" || part.responseID() != "") {
				return "Invalid JSON payload received. Unknown name \"id\" at 'contents': Cannot find field."
			}
			if part.FunctionCall != nil {
				calls[part.FunctionCall.Name]++
				if first && part.ThoughtSignature == "" && strings.HasPrefix(model, "gemini-3") {
					return "Function call is missing a thought_signature in functionCall parts."
				}
				first = false
			}
			if part.FunctionResponse == nil {
				continue
			}
			var response struct {
				Name string `json:"name"`
			}
			if json.Unmarshal(*part.FunctionResponse, &response) != nil || calls[response.Name] == 0 {
				return "Please ensure that function response turn comes immediately after a function call turn."
			}
			calls[response.Name]--
		}
	}
	return ""
}

func (g geminiRequest) prompt(provider, model string) prompt {
	p := prompt{provider: provider, model: model, outputMax: g.GenerationConfig.MaxOutputTokens, stops: g.GenerationConfig.StopSequences, choices: g.GenerationConfig.CandidateCount}
	p.odds = oddsOf(g.GenerationConfig.ResponseLogprobs, g.GenerationConfig.Logprobs)
	all := g.Contents
	if g.SystemInstruction != nil {
		all = append([]geminiContent{*g.SystemInstruction}, all...)
	}
	for _, content := range all {
		p.answersTool = false
		for _, part := range content.Parts {
			switch {
			case part.Text != nil && !part.Thought:
				p.say(*part.Text)
			case part.FunctionCall != nil:
				p.texts = append(p.texts, part.FunctionCall.Name+string(part.FunctionCall.Args))
			case part.FunctionResponse != nil:
				p.result(*part.FunctionResponse)
			case part.InlineData != nil || part.FileData != nil:
				p.images++
			}
		}
	}
	for _, group := range g.Tools {
		for _, one := range group.FunctionDeclarations {
			schema := one.ParametersJSONSchema
			if schema == nil {
				schema = json.RawMessage(strings.NewReplacer(`"STRING"`, `"string"`, `"OBJECT"`, `"object"`).Replace(string(one.Parameters)))
			}
			p.texts = append(p.texts, one.Name+string(schema))
			p.tools = append(p.tools, tool{one.Name, schema})
		}
	}
	config := g.ToolConfig.FunctionCallingConfig
	p.toolForced, p.toolForbidden = config.Mode == "ANY", config.Mode == "NONE"
	p.only(config.AllowedFunctionNames...)
	return p
}

// parts returns the whole answer. A call is signed, as those of Google's thinking models are.
func (api geminiAPI) parts(r reply, request *geminiRequest) (parts []geminiPart) {
	if request.GenerationConfig.ThinkingConfig.IncludeThoughts && r.usage.reasoning > 0 {
		shown := thought
		parts = append(parts, geminiPart{Text: &shown, Thought: true})
	}
	if r.call == nil {
		text := r.text()
		return append(parts, geminiPart{Text: &text})
	}
	for i, c := range r.calls() {
		parts = append(parts, api.call(c, i == 0)...)
	}
	return parts
}

// call is cut off with the answer: Google does not send half of one. Of calls at once the first is signed.
func (api geminiAPI) call(c *call, signed bool) []geminiPart {
	if !json.Valid([]byte(c.arguments)) {
		return []geminiPart{}
	}
	part := geminiPart{FunctionCall: &geminiCall{Name: c.name, Args: json.RawMessage(c.arguments)}}
	if signed {
		part.ThoughtSignature = base64.StdEncoding.EncodeToString([]byte(api.sim.id("signature-")))
	}
	return []geminiPart{part}
}

func (api geminiAPI) stream(x *exchange, request *geminiRequest, answer geminiAnswer) {
	defer x.end()
	x.open()
	send := func(parts []geminiPart, reason string, usage *geminiUsage) {
		answer.UsageMetadata = usage
		for i := range x.reply.choices {
			answer.Candidates = []geminiCandidate{{Content: geminiContent{Role: "model", Parts: parts}, FinishReason: reason, Index: i}}
			if len(parts) > 0 && parts[0].Text != nil && *parts[0].Text != "" && !parts[0].Thought {
				answer.Candidates[0].Logprobs = x.reply.odds.gemini(*parts[0].Text)
			}
			x.event("", answer)
		}
	}
	if request.GenerationConfig.ThinkingConfig.IncludeThoughts && x.reply.usage.reasoning > 0 {
		shown := thought
		send([]geminiPart{{Text: &shown, Thought: true}}, "", x.geminiUsage(false))
	}
	first := true
	x.stream(func(text string) {
		send([]geminiPart{{Text: &text}}, "", x.geminiUsage(false))
	}, func(c *call) {
		send(api.call(c, first), "", x.geminiUsage(false))
		first = false
	})
	empty := ""
	send([]geminiPart{{Text: &empty}}, geminiReason(x.reply), x.geminiUsage(true))
	x.entry.Completed = !x.broken
}

func geminiReason(r reply) string {
	if r.truncated {
		return "MAX_TOKENS"
	}
	return "STOP"
}

// geminiUsage returns the counts: those of a stream's chunks before the last know the prompt alone.
func (x *exchange) geminiUsage(whole bool) *geminiUsage {
	if x.usageHidden() {
		return nil
	}
	used := x.reply.usage
	counted := geminiUsage{PromptTokenCount: used.prompt(), CachedContentTokenCount: used.cached, TotalTokenCount: used.prompt()}
	if whole {
		counted.CandidatesTokenCount, counted.ThoughtsTokenCount = used.output-used.reasoning, used.reasoning
		counted.TotalTokenCount += used.output
	}
	if tier := x.reply.tier; x.entry.Provider != vertexProvider {
		counted.ServiceTier = tier
	} else if tier != "" {
		counted.TrafficType = "ON_DEMAND_" + strings.ToUpper(tier)
	}
	return &counted
}

func (api geminiAPI) models(w http.ResponseWriter, _ *http.Request) {
	list := []map[string]string{}
	for _, name := range []string{"gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro-preview"} {
		list = append(list, map[string]string{"name": "models/" + name, "displayName": name})
	}
	writeJSON(w, http.StatusOK, map[string]any{"models": list})
}

func (geminiAPI) refuse(w http.ResponseWriter, status int, text string) {
	word := map[int]string{
		http.StatusBadRequest: "INVALID_ARGUMENT", http.StatusUnauthorized: "UNAUTHENTICATED", http.StatusForbidden: "PERMISSION_DENIED", http.StatusNotFound: "NOT_FOUND",
		http.StatusTooManyRequests: "RESOURCE_EXHAUSTED", http.StatusServiceUnavailable: "UNAVAILABLE",
	}[status]
	if word == "" {
		word = "INTERNAL"
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": status, "message": text, "status": word}})
}
