package pipeline

import (
	"context"
	"net/url"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
)

// pathGemini returns the path of a model of the Gemini API (https://ai.google.dev/api/generate-content). Streams are asked for as events:
// arrays are made of them here.
func pathGemini(c *call, a *attempt) string {
	return "/v1beta/models/" + url.PathEscape(a.target.Model) + geminiVerb(c, a)
}

func geminiVerb(c *call, a *attempt) string {
	switch {
	case a.spoken == dialect.GeminiCountTokens:
		return ":" + dialect.GeminiCount
	case a.spoken == dialect.GeminiEmbed:
		return ":" + dialect.GeminiEmbedOne
	case a.spoken == dialect.GeminiBatchEmbed:
		return ":" + dialect.GeminiEmbedMany
	case a.spoken == dialect.VertexEmbed:
		return ":predict"
	case c.ask.Stream:
		return ":" + dialect.GeminiStream + "?alt=sse"
	default:
		return ":" + dialect.GeminiWhole
	}
}

func admitGemini(_ context.Context, _ *Pipeline, c *call, _ *upstream.Request, credential *state.Credential) error {
	c.field("X-Goog-Api-Key", credential.Secret.Reveal())
	return nil
}

// vertexPath returns the path of a model of Vertex AI: of Google's own (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference),
// or of Claude's (https://docs.anthropic.com/en/api/claude-on-vertex-ai).
func vertexPath(c *call, a *attempt) string {
	at := a.target.Provider
	models := "/v1/projects/" + url.PathEscape(at.Project) + "/locations/" + url.PathEscape(at.Region) + "/publishers/"
	switch {
	case a.spoken == dialect.AnthropicCountTokens:
		return models + "anthropic/models/count-tokens:rawPredict"
	case a.spoken == dialect.AnthropicMessages && c.ask.Stream:
		return models + "anthropic/models/" + url.PathEscape(a.target.Model) + ":streamRawPredict"
	case a.spoken == dialect.AnthropicMessages:
		return models + "anthropic/models/" + url.PathEscape(a.target.Model) + ":rawPredict"
	default:
		return models + "google/models/" + url.PathEscape(a.target.Model) + geminiVerb(c, a)
	}
}

func admitVertex(ctx context.Context, p *Pipeline, c *call, request *upstream.Request, credential *state.Credential) error {
	if credential.Google == nil {
		return &upstream.Error{Reason: "its credential is no service account's key"}
	}
	token, err := p.Accounts.Token(ctx, credential.ID, credential.Google, standIn(request.Provider, "token", ".googleapis.com"))
	if err != nil {
		return exchanged(ctx, "its service account got no token", err)
	}
	c.field("Authorization", "Bearer "+token)
	if c.ask.Tier != "" {
		c.field("X-Vertex-Ai-Llm-Shared-Request-Type", c.ask.Tier)
	}
	if c.dialect.IsAnthropic() {
		c.carry("Anthropic-Beta")
	}
	return nil
}
