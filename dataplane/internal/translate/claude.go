package translate

import (
	"slices"
	"strings"
)

// What Claude's models do not take beside something else, and others do, wherever they are called
// (https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility,
// https://platform.claude.com/docs/en/about-claude/models/migration-guide).

// settleForClaude leaves a conversation with the settings that a Claude takes together: the others are refused by their names, or left out
// where the key wants it so.
func (p *parser) settleForClaude(cv *conversation, model string) {
	isClaude := strings.Contains(model, "claude")
	if !isClaude && model != "" { // a server that imitates Anthropic's API has rules of its own
		return
	}
	effort := cv.options[optEffort]
	if cv.thinks() && thinksByBudget(model) {
		switch {
		case cv.mustCall():
			p.yield(cv, optEffort, "cannot be set at this model while a tool must be called")
		case !cv.loopThinks():
			p.yield(cv, optEffort, "cannot be set at this model while tools are at work: the answer that called them has no signed thoughts. Send them back as they came")
		}
		if cv.options[optEffort].value == nil && effort.value != nil {
			cv.options[optBudget] = option{}
		}
	}
	if cv.thinks() && !cv.mustCall() {
		p.only(cv, optTemperature, "must be 1 at this model while it thinks", func(n float64) bool { return n == 1 })
		p.only(cv, optTopP, "must be from 0.95 to 1 at this model while it thinks", func(n float64) bool { return n >= 0.95 })
		p.only(cv, optTopK, "cannot be set at this model while it thinks", func(float64) bool { return false })
	}
	if !takesSampling(model) {
		p.only(cv, optTemperature, "must be 1, which is what this model does anyway", func(n float64) bool { return n == 1 })
		p.only(cv, optTopP, "must be 1, which is what this model does anyway", func(n float64) bool { return n == 1 })
		p.only(cv, optTopK, "is not taken by this model", func(float64) bool { return false })
		cv.options[optTemperature], cv.options[optTopP] = option{}, option{}
	}
	p.only(cv, optTemperature, "must be from 0 to 1 at this model", func(n float64) bool { return n <= 1 })
	if cv.options[optTemperature].value != nil && takesEither(model) {
		p.only(cv, optTopP, "cannot be set beside the temperature at this model", func(n float64) bool { return n == 1 })
		cv.options[optTopP] = option{}
	}
	if blankStop(cv.options[optStop].value) {
		p.yield(cv, optStop, "has a sequence of nothing but white space, which the provider does not take")
	}
}

// thinks says whether the caller wants the model to think.
func (cv *conversation) thinks() bool {
	effort := cv.options[optEffort].value
	return effort != nil && string(effort) != "none"
}

// mustCall says whether the model has to call a tool.
func (cv *conversation) mustCall() bool {
	return len(cv.tools) > 0 && (cv.choice.kind == choiceAny || cv.choice.kind == choiceNamed)
}

// loopThinks says whether the answer that called the tools whose results stand at the end began with thoughts that Claude signed; true where
// no results do.
func (cv *conversation) loopThinks() bool {
	at := len(cv.turns) - 1
	for at > 0 && !cv.turns[at].assistant && slices.ContainsFunc(cv.turns[at].parts, func(each part) bool { return each.kind == partResult }) {
		at -= 2
	}
	if at++; at == len(cv.turns) || at < 0 || !cv.turns[at].assistant {
		return true
	}
	for i := range cv.turns[at].parts {
		switch each := &cv.turns[at].parts[i]; {
		case each.kind == partRedacted, each.kind == partThinking && !isForeign(each.signature):
			return true
		case each.kind != partThinking && (each.kind != partText || len(each.text) > 0):
			return false
		}
	}
	return false
}

// thinksByBudget says whether a model is of those that are told a number of tokens to think: Claudes up to 4.5, and what imitates them.
func thinksByBudget(model string) bool {
	return !strings.Contains(model, "claude") || hasAny(model, "claude-3-7", "-4-0", "-4-1", "-4-5", "-4-2025", "opus-4@", "sonnet-4@")
}

// takesSampling says whether a Claude takes temperature, top_p and top_k: those up to 4.6 do.
func takesSampling(model string) bool {
	return hasAny(model, "claude-2", "claude-3", "claude-instant", "-4-0", "-4-1", "-4-5", "-4-6", "-4-2025", "opus-4@", "sonnet-4@")
}

// takesEither says whether a Claude takes a temperature or top_p, and not both: from 4.1 on.
func takesEither(model string) bool { return hasAny(model, "-4-1", "-4-5", "-4-6") }

func hasAny(text string, pieces ...string) bool {
	return slices.ContainsFunc(pieces, func(each string) bool { return strings.Contains(text, each) })
}
