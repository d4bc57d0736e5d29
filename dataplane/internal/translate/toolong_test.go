package translate

import (
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/dialect"
)

// TestAConversationThatIsTooLongIsRefusedInWordsThatClientsKnow, whatever its provider says.
func TestAConversationThatIsTooLongIsRefusedInWordsThatClientsKnow(t *testing.T) {
	t.Parallel()
	for _, words := range []string{
		"prompt is too long: 210000 tokens > 200000 maximum", "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
		"Your input exceeds the context window of this model.", "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).", "Input is too long for requested model.",
		"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", "too many tokens: total number of tokens in the prompt cannot exceed 128000",
	} {
		for d, begin := range map[dialect.Dialect]string{
			dialect.AnthropicMessages: "prompt is too long", dialect.OpenAIChat: "This model's maximum context length", dialect.GeminiGenerate: "The input token count exceeds the maximum number of tokens",
		} {
			if told, is := TooLong(d, words); !is || !strings.HasPrefix(told, begin) || !strings.HasSuffix(told, words) {
				t.Errorf("%s in %s: %q %t", words, d, told, is)
			}
		}
	}
	if told, is := TooLong(dialect.OpenAIChat, "max_tokens: too large"); is || told != "max_tokens: too large" {
		t.Errorf("%q %t", told, is)
	}
}
