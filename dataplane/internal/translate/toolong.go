package translate

import (
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
)

// tooLong are pieces of what providers say of a conversation that a model has no room for, in small letters.
var tooLong = []string{
	"prompt is too long", "input length and `max_tokens` exceed", // Anthropic
	"maximum context length", "exceeds the context window", // OpenAI, and those like it; Mistral
	"exceeds the maximum number of tokens", "input is too long", "too many tokens", // Google, Bedrock, Cohere
}

// TooLong says whether a provider's words refuse a conversation because the model has no room for it, and returns them as the caller's clients know
// them: these make the conversation shorter and go on (https://docs.claude.com/en/api/errors, https://platform.openai.com/docs/guides/error-codes).
func TooLong(d dialect.Dialect, words string) (told string, is bool) {
	if !hasAny(strings.ToLower(words), tooLong...) {
		return words, false
	}
	switch {
	case d.IsAnthropic():
		return "prompt is too long: " + words, true
	case d.IsGoogle():
		return "The input token count exceeds the maximum number of tokens allowed: " + words, true
	default:
		return "This model's maximum context length is exceeded: " + words, true
	}
}
