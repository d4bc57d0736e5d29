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
	default:
		return ""
	}
}
