// Package dialect names the API formats in which callers speak to an edge.
// It refuses to know how any of them is read or written.
package dialect

import "strings"

// Dialect is one API format.
type Dialect uint8

// The dialects. None is for requests that never reached one: errors are then written in OpenAI's shape.
const (
	None Dialect = iota
	OpenAIChat
	OpenAIResponses
	OpenAIEmbeddings
	AnthropicMessages
	AnthropicCountTokens
	OpenAIImages
	OpenAIImageEdits
	OpenAISpeech
	OpenAITranscription
	OpenAITranslation
	OpenAIModeration
	Rerank
	Proxy          // to a provider as it is, at a path that is no dialect's
	AnthropicProxy // the same, to one that speaks as Anthropic does
	GeminiGenerate // model and streaming stand in the path, not in the body
	GeminiCountTokens
	GeminiEmbed      // of one content
	GeminiBatchEmbed // of several
	BedrockConverse  // no caller speaks this one and those below; providers do
	MistralChat
	CohereChat
	CohereEmbed
	MistralEmbed
	VertexEmbed
	TitanEmbed
	BedrockCohereEmbed
	OpenAIRealtime // a connection over which both sides speak
	OpenAIStored   // of answers that a provider keeps; this one and those below ask it for what it keeps, and what they ask for costs nothing
	OpenAIFiles
	OpenAIBatches
	AnthropicBatches
	AnthropicFiles
	GeminiFiles
	Count int = iota // how many there are, None included
)

// String returns the name as it stands in usage events.
func (d Dialect) String() string {
	switch d {
	case OpenAIChat:
		return "openai_chat"
	case OpenAIResponses:
		return "openai_responses"
	case OpenAIEmbeddings:
		return "openai_embeddings"
	case AnthropicMessages:
		return "anthropic_messages"
	case AnthropicCountTokens:
		return "anthropic_count_tokens"
	case Proxy, AnthropicProxy:
		return "proxy"
	case GeminiGenerate:
		return "gemini_generate"
	case GeminiCountTokens:
		return "gemini_count_tokens"
	case OpenAIImages:
		return "openai_images"
	case OpenAIImageEdits:
		return "openai_image_edits"
	case OpenAISpeech:
		return "openai_speech"
	case OpenAITranscription:
		return "openai_transcription"
	case OpenAITranslation:
		return "openai_translation"
	case OpenAIModeration:
		return "openai_moderation"
	case Rerank:
		return "rerank"
	case BedrockConverse:
		return "bedrock_converse"
	case MistralChat:
		return "mistral_chat"
	case CohereChat:
		return "cohere_chat"
	case CohereEmbed:
		return "cohere_embed"
	case MistralEmbed:
		return "mistral_embed"
	case VertexEmbed:
		return "vertex_embed"
	case TitanEmbed:
		return "titan_embed"
	case BedrockCohereEmbed:
		return "bedrock_cohere_embed"
	case GeminiEmbed:
		return "gemini_embeddings"
	case GeminiBatchEmbed:
		return "gemini_batch_embeddings"
	case OpenAIRealtime:
		return "openai_realtime"
	case OpenAIStored:
		return "openai_stored_responses"
	case OpenAIFiles:
		return "openai_files"
	case OpenAIBatches:
		return "openai_batches"
	case AnthropicBatches:
		return "anthropic_batches"
	case AnthropicFiles:
		return "anthropic_files"
	case GeminiFiles:
		return "gemini_files"
	default:
		return ""
	}
}

// Path returns the path of the dialect's endpoint, at an edge as at a provider; empty: no caller speaks it.
func (d Dialect) Path() string {
	switch d {
	case OpenAIChat:
		return "/v1/chat/completions"
	case OpenAIResponses:
		return "/v1/responses"
	case OpenAIEmbeddings:
		return "/v1/embeddings"
	case AnthropicMessages:
		return "/v1/messages"
	case AnthropicCountTokens:
		return "/v1/messages/count_tokens"
	case OpenAIImages:
		return "/v1/images/generations"
	case OpenAIImageEdits:
		return "/v1/images/edits"
	case OpenAISpeech:
		return "/v1/audio/speech"
	case OpenAITranscription:
		return "/v1/audio/transcriptions"
	case OpenAITranslation:
		return "/v1/audio/translations"
	case OpenAIModeration:
		return "/v1/moderations"
	case Rerank:
		return "/v1/rerank"
	case Proxy:
		return "/proxy/{provider}/{path}"
	case OpenAIRealtime:
		return "/v1/realtime"
	case OpenAIStored:
		return "/v1/responses/{id}"
	case OpenAIFiles, AnthropicFiles:
		return "/v1/files"
	case OpenAIBatches:
		return "/v1/batches"
	case AnthropicBatches:
		return "/v1/messages/batches"
	case GeminiFiles:
		return "/v1beta/files"
	case GeminiGenerate:
		return "/v1beta/models/{model}:" + GeminiWhole
	case GeminiCountTokens:
		return "/v1beta/models/{model}:" + GeminiCount
	case GeminiEmbed:
		return "/v1beta/models/{model}:" + GeminiEmbedOne
	case GeminiBatchEmbed:
		return "/v1beta/models/{model}:" + GeminiEmbedMany
	default:
		return ""
	}
}

// AnthropicVersion stands in the head of every request of Anthropic's clients, and of no other's (https://docs.anthropic.com/en/api/versioning).
const AnthropicVersion = "Anthropic-Version"

// googleKey is how Google's clients send a key.
const googleKey = "X-Goog-Api-Key"

// Header returns the header field that tells requests of the dialect from OpenAI's at the same path; empty: the path does.
func (d Dialect) Header(path string) string {
	switch {
	case !strings.HasPrefix(path, OpenAIFiles.Path()):
		return ""
	case d == AnthropicFiles:
		return AnthropicVersion
	case d == GeminiFiles:
		return googleKey
	default:
		return ""
	}
}

// IsAnthropic says whether callers of the dialect read errors and header fields in Anthropic's shape.
func (d Dialect) IsAnthropic() bool {
	return d == AnthropicMessages || d == AnthropicCountTokens || d == AnthropicProxy || d == AnthropicBatches || d == AnthropicFiles
}

// IsGoogle says whether callers of the dialect read errors in Google's shape; who names a model does it in the path.
func (d Dialect) IsGoogle() bool {
	return d == GeminiGenerate || d == GeminiCountTokens || d == GeminiEmbed || d == GeminiBatchEmbed || d == GeminiFiles
}

// Embeds says whether the dialect asks for embeddings.
func (d Dialect) Embeds() bool {
	switch d {
	case OpenAIEmbeddings, GeminiEmbed, GeminiBatchEmbed, CohereEmbed, MistralEmbed, VertexEmbed, TitanEmbed, BedrockCohereEmbed:
		return true
	default:
		return false
	}
}

// Counts says whether requests of the dialect ask how many tokens another one would have.
func (d Dialect) Counts() bool { return d == AnthropicCountTokens || d == GeminiCountTokens }

// IsFree says whether providers answer requests of the dialect for nothing.
func (d Dialect) IsFree() bool { return d.Counts() || d == OpenAIModeration }

// HasOutput says whether answers of the dialect are made of tokens.
func (d Dialect) HasOutput() bool {
	return !d.Embeds() && !d.Counts() && !d.IsProxy() && !d.IsTask() && !d.IsKept()
}

// IsKept says whether requests of the dialect are about what a provider keeps.
func (d Dialect) IsKept() bool {
	switch d {
	case OpenAIStored, OpenAIFiles, OpenAIBatches, AnthropicBatches, AnthropicFiles, GeminiFiles:
		return true
	default:
		return false
	}
}

// IsProxy says whether nothing is known of what stands at the path.
func (d Dialect) IsProxy() bool { return d == Proxy || d == AnthropicProxy }

// IsTask says whether the dialect is no conversation and may be billed by other units than tokens: images, characters, seconds, searches.
func (d Dialect) IsTask() bool {
	switch d {
	case OpenAIImages, OpenAIImageEdits, OpenAISpeech, OpenAITranscription, OpenAITranslation, OpenAIModeration, Rerank:
		return true
	default:
		return false
	}
}

// IsForm says whether requests of the dialect are forms with files instead of JSON.
func (d Dialect) IsForm() bool {
	return d == OpenAIImageEdits || d == OpenAITranscription || d == OpenAITranslation
}
