package translate

import (
	"slices"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// format is how requests and answers of a dialect are read and written. What callers never send it in, or no provider takes, it has no piece for.
type format struct {
	read        func(p *parser, ask *Ask, body []byte) *conversation                  // of a caller
	ids         idForm                                                                // of calls, that a provider takes
	write       func(p *parser, dst []byte, cv *conversation, to *destination) []byte // to a provider
	readAnswer  func(to *reply, body []byte) (answer, error)                          // of a provider
	decoder     func(to *reply) decoder                                               // of its streams
	writeAnswer func(dst []byte, found *answer, to *reply, used *wire.Tokens) []byte  // to a caller
	encoder     func(to *reply) encoder                                               // of its streams
}

// destination is where a request goes.
type destination struct {
	target *state.Target
	price  *state.Price // says how long the model's answers can be
	stream bool
	limit  int64 // of output; 0: none
}

// reply is what a caller is answered with.
type reply struct {
	ask *Ask
	id  string // names the answer where its format makes its own names
	now time.Time
}

// formats are those that are translated, each by its dialect.
var formats = map[dialect.Dialect]*format{
	dialect.OpenAIChat: {
		read: readChat, ids: idForm{most: 40}, write: (*parser).appendChat, readAnswer: readChatAnswer, writeAnswer: appendChatAnswer,
		decoder: func(*reply) decoder { return &chatDecoder{} },
		encoder: func(to *reply) encoder { return &chatEncoder{now: to.now, includeUsage: to.ask.IncludeUsage} },
	},
	dialect.OpenAIResponses: {
		read: readResponses, ids: idForm{most: 64}, write: (*parser).appendResponses, readAnswer: readResponsesAnswer, writeAnswer: appendResponseAnswer,
		decoder: func(*reply) decoder { return &responsesDecoder{} },
		encoder: func(to *reply) encoder {
			return &responsesEncoder{responseHead: responseHead{id: to.id, now: to.now, ask: to.ask}}
		},
	},
	dialect.AnthropicMessages: {
		read: readMessages, ids: idForm{plain: true}, write: (*parser).appendMessages, readAnswer: readMessagesAnswer, writeAnswer: appendMessagesAnswer,
		decoder: func(*reply) decoder { return &messagesDecoder{} },
		encoder: func(*reply) encoder { return &messagesEncoder{} },
	},
	dialect.GeminiGenerate: {
		read: readGemini, write: (*parser).appendGemini, readAnswer: readGeminiAnswer, writeAnswer: appendGeminiAnswer,
		decoder: func(to *reply) decoder { return &geminiDecoder{to: to} },
		encoder: func(*reply) encoder { return &geminiEncoder{} },
	},
	dialect.BedrockConverse: {
		ids: idForm{most: 64, plain: true}, write: (*parser).appendConverse, readAnswer: readConverseAnswer, decoder: func(*reply) decoder { return &converseDecoder{} },
	},
	dialect.MistralChat: {write: (*parser).appendMistral, readAnswer: readChatAnswer, decoder: func(*reply) decoder { return &chatDecoder{} }},
	dialect.CohereChat:  {write: (*parser).appendCohere, readAnswer: readCohereAnswer, decoder: func(*reply) decoder { return &cohereDecoder{} }},
}

// tongues returns the dialects that a target takes; first the one that others are translated to.
func tongues(t *state.Target) []dialect.Dialect {
	switch t.Provider.Kind {
	case wire.ProviderKind_PROVIDER_KIND_OPENAI:
		if t.Provider.ChatOnly {
			return openAITongues[:len(openAITongues)-2]
		}
		return openAITongues[:]
	case wire.ProviderKind_PROVIDER_KIND_ANTHROPIC:
		return anthropicTongues[:]
	case wire.ProviderKind_PROVIDER_KIND_GEMINI:
		return googleTongues[:]
	case wire.ProviderKind_PROVIDER_KIND_VERTEX:
		return vertexTongues(t.Model)
	case wire.ProviderKind_PROVIDER_KIND_AZURE:
		return openAITongues[:]
	case wire.ProviderKind_PROVIDER_KIND_BEDROCK:
		return bedrockTongues(t.Model)
	case wire.ProviderKind_PROVIDER_KIND_MISTRAL:
		return mistralTongues[:]
	case wire.ProviderKind_PROVIDER_KIND_COHERE:
		return cohereTongues[:]
	default:
		return nil
	}
}

var (
	googleTongues = [...]dialect.Dialect{dialect.GeminiGenerate, dialect.GeminiCountTokens, dialect.GeminiBatchEmbed, dialect.GeminiEmbed}
	openAITongues = [...]dialect.Dialect{
		dialect.OpenAIChat, dialect.OpenAIEmbeddings, dialect.OpenAIImages, dialect.OpenAIImageEdits, dialect.OpenAISpeech,
		dialect.OpenAITranscription, dialect.OpenAITranslation, dialect.OpenAIModeration, dialect.Rerank,
		dialect.OpenAIRealtime, dialect.OpenAIResponses, // last: not all have them
	}
	anthropicTongues = [...]dialect.Dialect{dialect.AnthropicMessages, dialect.AnthropicCountTokens}
	mistralTongues   = [...]dialect.Dialect{dialect.MistralChat, dialect.MistralEmbed}
	cohereTongues    = [...]dialect.Dialect{dialect.CohereChat, dialect.CohereEmbed}
)

// vertexTongues returns the dialects of a model of Vertex AI, by its publisher: Anthropic's models speak as at Anthropic's own API.
func vertexTongues(model string) []dialect.Dialect {
	switch {
	case strings.HasPrefix(model, "claude-"):
		return anthropicTongues[:]
	case model == "" || strings.Contains(model, "/"): // of other publishers, which are not called yet
		return nil
	case !strings.Contains(model, "embedding"):
		return googleTongues[:2]
	case strings.HasPrefix(model, "gemini-") && model != geminiEmbedding001:
		return vertexEmbedsOne[:]
	default:
		return vertexEmbeds[:]
	}
}

var (
	vertexEmbeds    = [...]dialect.Dialect{dialect.GeminiGenerate, dialect.GeminiCountTokens, dialect.VertexEmbed}
	vertexEmbedsOne = [...]dialect.Dialect{dialect.GeminiGenerate, dialect.GeminiCountTokens, dialect.GeminiEmbed}
)

// bedrockTongues returns the dialects of a model of Bedrock. Embeddings are asked in the words of each model's maker, which its id begins with,
// but for the region of a profile.
func bedrockTongues(model string) []dialect.Dialect {
	switch {
	case strings.Contains(model, "cohere.embed-"):
		return bedrockCohere[:]
	case strings.Contains(model, "amazon.titan-embed-text-"), strings.Contains(model, "amazon.titan-embed-g1-text-"):
		return bedrockTitan[:]
	default:
		return bedrockConverse[:]
	}
}

var (
	bedrockConverse = [...]dialect.Dialect{dialect.BedrockConverse}
	bedrockCohere   = [...]dialect.Dialect{dialect.BedrockConverse, dialect.BedrockCohereEmbed}
	bedrockTitan    = [...]dialect.Dialect{dialect.BedrockConverse, dialect.TitanEmbed}
)

// Spoken returns the format in which a request of a dialect is put to a target: its own where the provider takes it, else one that it
// can be translated to; None: there is none.
func Spoken(d dialect.Dialect, t *state.Target) dialect.Dialect {
	all := tongues(t)
	if slices.Contains(all, d) {
		return d
	}
	if d.Embeds() {
		return embedder(all)
	}
	if from := formats[d]; len(all) == 0 || from == nil || from.read == nil {
		return dialect.None
	}
	if to := formats[all[0]]; to == nil || to.write == nil {
		return dialect.None
	}
	return responsesTongue(t, all[0])
}
