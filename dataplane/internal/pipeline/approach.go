package pipeline

import (
	"context"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// approach is how requests are put to one kind of provider.
type approach struct {
	// path returns where the request goes, behind the base URL. Nil: where the dialect's own path says.
	path func(c *call, a *attempt) string
	// admit adds the header fields that say who asks, with c.field. It sees the request as it will be sent, so that it can sign it.
	// An error is an *upstream.Error or the context's: nothing was sent.
	admit func(ctx context.Context, p *Pipeline, c *call, request *upstream.Request, credential *state.Credential) error
}

// approaches are those of the kinds that this edge knows.
var approaches = map[wire.ProviderKind]approach{
	wire.ProviderKind_PROVIDER_KIND_OPENAI:    {path: openAIPath, admit: admitOpenAI},
	wire.ProviderKind_PROVIDER_KIND_ANTHROPIC: {admit: admitAnthropic},
	wire.ProviderKind_PROVIDER_KIND_GEMINI:    {path: pathGemini, admit: admitGemini},
	wire.ProviderKind_PROVIDER_KIND_VERTEX:    {path: vertexPath, admit: admitVertex},
	wire.ProviderKind_PROVIDER_KIND_AZURE:     {path: azurePath, admit: admitAzure},
	wire.ProviderKind_PROVIDER_KIND_BEDROCK:   {path: bedrockPath, admit: admitBedrock},
	wire.ProviderKind_PROVIDER_KIND_MISTRAL:   {path: mistralPath, admit: admitBearer},
	wire.ProviderKind_PROVIDER_KIND_COHERE:    {path: coherePath, admit: admitBearer},
}

func openAIPath(_ *call, a *attempt) string {
	if a.spoken == dialect.OpenAIRealtime {
		return realtimePath(a)
	}
	return a.spoken.Path()
}

func admitOpenAI(_ context.Context, _ *Pipeline, c *call, _ *upstream.Request, credential *state.Credential) error {
	c.field("Authorization", "Bearer "+credential.Secret.Reveal())
	c.carry("Openai-Beta")
	return nil
}

// anthropicVersion is sent when the caller names none (https://docs.anthropic.com/en/api/versioning).
const anthropicVersion = "2023-06-01"

func admitAnthropic(_ context.Context, _ *Pipeline, c *call, _ *upstream.Request, credential *state.Credential) error {
	c.field("X-Api-Key", credential.Secret.Reveal())
	c.carry("Anthropic-Beta")
	if c.r.Header["Anthropic-Version"] == nil {
		c.field("Anthropic-Version", anthropicVersion)
	}
	c.carry("Anthropic-Version")
	return nil
}
