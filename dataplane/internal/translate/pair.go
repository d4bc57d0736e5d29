package translate

import (
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Spoken returns the format in which a request of a dialect is put to a provider: its own where the provider speaks it, else one that it
// can be translated to; None: there is none.
func Spoken(d dialect.Dialect, p *state.Provider) dialect.Dialect {
	switch {
	case d.Kind() == p.Kind:
		return d
	case (d == dialect.OpenAIChat || d == dialect.OpenAIResponses) && p.Kind == wire.ProviderKind_PROVIDER_KIND_ANTHROPIC:
		return dialect.AnthropicMessages
	case d == dialect.AnthropicMessages && p.Kind == wire.ProviderKind_PROVIDER_KIND_OPENAI:
		return dialect.OpenAIChat
	default:
		return dialect.None
	}
}

// Request appends a request in another format, for a target whose price says how long its answers can be. The limit is that of output
// that a budget needs; 0: none. Drops leaves settings out that have no place there. Dropped are those, and the fields that ask for nothing that changes the answer and have no place there. A field that
// cannot be carried is refused by its name.
func (a *Ask) Request(dst, body []byte, to dialect.Dialect, target *state.Target, price *state.Price, limit int64, drops bool) (out []byte, dropped []string, problem *refusal.Error) {
	p := parser{drops: drops}
	if limit == 0 {
		limit = a.MaxOutput
	}
	if a.Dialect == dialect.AnthropicMessages {
		cv := readMessages(&p, body)
		dst = p.appendChat(dst, cv, target.Model, a.Stream, limit, target.Provider.Catalog == "openai")
		return dst, p.dropped, p.problem
	}
	read := readChat
	if a.Dialect == dialect.OpenAIResponses {
		read = readResponses
	}
	cv := read(&p, body)
	if limit == 0 { // Anthropic wants one
		limit = int64(price.MaxOutputTokens)
	}
	if limit == 0 {
		limit = DefaultMaxOutput
	}
	dst = p.appendMessages(dst, cv, target.Model, a.Stream, limit)
	return dst, p.dropped, p.problem
}

// Answer appends a whole answer to the ask, which a scan has validated, in the caller's format. Id names it where that format makes its own
// names; used are its tokens.
func (a *Ask) Answer(dst, body []byte, from dialect.Dialect, id string, used *wire.Tokens, now time.Time) ([]byte, error) {
	var found answer
	if from == dialect.AnthropicMessages {
		found = readMessagesAnswer(body)
	} else {
		var err error
		if found, err = readChatAnswer(body); err != nil {
			return dst, err
		}
	}
	switch a.Dialect {
	case dialect.AnthropicMessages:
		return appendMessagesAnswer(dst, &found, used), nil
	case dialect.OpenAIResponses:
		return appendResponse(dst, &responseHead{id, found.model, now}, &found, used), nil
	default:
		return appendChatAnswer(dst, &found, used, now), nil
	}
}
