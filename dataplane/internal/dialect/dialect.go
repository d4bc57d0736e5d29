// Package dialect names the API formats in which callers speak to an edge.
// It refuses to know how any of them is read or written.
package dialect

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
	Proxy                     // to a provider as it is, at a path that is no dialect's
	AnthropicProxy            // the same, to one that speaks as Anthropic does
	GeminiGenerate            // model and streaming stand in the path, not in the body
	Count          int = iota // how many there are, None included
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
	default:
		return ""
	}
}

// Path returns the path of the dialect's endpoint, at an edge as at a provider.
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
	case Proxy:
		return "/proxy/{provider}/{path}"
	case GeminiGenerate:
		return "/v1beta/models/{model}:generateContent"
	default:
		return ""
	}
}

// IsAnthropic says whether callers of the dialect read errors and header fields in Anthropic's shape.
func (d Dialect) IsAnthropic() bool {
	return d == AnthropicMessages || d == AnthropicCountTokens || d == AnthropicProxy
}

// IsFree says whether providers answer requests of the dialect for nothing.
func (d Dialect) IsFree() bool { return d == AnthropicCountTokens }

// HasOutput says whether answers of the dialect are made of tokens.
func (d Dialect) HasOutput() bool {
	return d != OpenAIEmbeddings && d != AnthropicCountTokens && !d.IsProxy()
}

// IsProxy says whether nothing is known of what stands at the path.
func (d Dialect) IsProxy() bool { return d == Proxy || d == AnthropicProxy }
