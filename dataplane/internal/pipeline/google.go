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
	return "/v1beta/models/" + url.PathEscape(a.target.Model) + geminiVerb(c)
}

func geminiVerb(c *call) string {
	if c.ask.Stream {
		return ":" + dialect.GeminiStream + "?alt=sse"
	}
	return ":" + dialect.GeminiWhole
}

func admitGemini(_ context.Context, _ *Pipeline, c *call, _ *upstream.Request, credential *state.Credential) error {
	c.field("X-Goog-Api-Key", credential.Secret.Reveal())
	return nil
}
