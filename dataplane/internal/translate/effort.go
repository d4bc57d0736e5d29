package translate

import (
	"slices"
	"strings"
)

// efforts are the words for how much is thought, least first.
var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

// openAIEffort returns the word that one of OpenAI's models takes for how much it is to think: its nearest, since each takes some of them
// (https://platform.openai.com/docs/guides/reasoning). Empty: it does not think. What is not known to be OpenAI's own is told as it stands.
func openAIEffort(model, effort string) string {
	var least, most string
	switch {
	case strings.HasPrefix(model, "gpt-3"), strings.HasPrefix(model, "gpt-4"), strings.HasPrefix(model, "chatgpt-"), strings.Contains(model, "-chat-latest"):
		return ""
	case strings.HasPrefix(model, "o1"), strings.HasPrefix(model, "o3"), strings.HasPrefix(model, "o4"):
		least, most = "low", "high"
	case model == "gpt-5", strings.HasPrefix(model, "gpt-5-"):
		least, most = "minimal", "high"
	case strings.HasPrefix(model, "gpt-5.1"):
		least, most = "none", "high"
	case hasAny(model, "gpt-5.2", "gpt-5.3", "gpt-5.4", "gpt-5.5"):
		least, most = "none", "xhigh"
	case strings.HasPrefix(model, "gpt-"):
		least, most = "none", "max"
	default:
		return effort
	}
	if strings.Contains(model, "codex") {
		least = "low"
	}
	if strings.HasSuffix(model, "-codex-max") {
		most = "xhigh"
	}
	at := slices.Index(efforts, effort)
	if at < 0 {
		return effort // it is OpenAI's to refuse
	}
	word := efforts[min(max(at, slices.Index(efforts, least)), slices.Index(efforts, most))]
	if word == "minimal" && least == "none" { // those know no such thing
		return "low"
	}
	return word
}

// appendChatEffort appends how much is thought. Who imitates OpenAI's API has words of its own.
func (p *parser) appendChatEffort(dst []byte, o option, to *destination) []byte {
	word := string(o.value)
	if !to.target.Provider.Compatible {
		word = openAIEffort(to.target.Model, word)
	}
	switch {
	case word != "":
		return appendMember(dst, "reasoning_effort", []byte(word))
	case string(o.value) != "none":
		p.lacks(o.path, true)
	}
	return dst
}
