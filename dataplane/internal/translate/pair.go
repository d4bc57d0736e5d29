package translate

import (
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Request appends a request in another format, for a target whose price says how long its answers can be. The limit is that of output
// that a budget needs; 0: none. Drops leaves settings out that have no place there. Dropped are those, and the fields that ask for nothing that changes the answer and have no place there. A field that
// cannot be carried is refused by its name.
func (a *Ask) Request(dst, body []byte, to dialect.Dialect, target *state.Target, price *state.Price, limit int64, drops bool) (out []byte, dropped []string, problem *refusal.Error) {
	p := parser{drops: drops}
	if limit == 0 {
		limit = a.MaxOutput
	}
	if to.Embeds() {
		return a.appendEmbed(&p, dst, body, to, target), p.dropped, p.problem
	}
	cv := formats[a.Dialect].read(&p, a, body)
	a.stop = onlyStop(cv.options[optStop].value)
	cv.offer()
	if to != dialect.OpenAIChat && to != dialect.OpenAIResponses {
		p.remind(cv)
		p.tidy(cv)
	}
	formats[to].ids.rename(cv)
	a.Tier = ""
	if word := string(cv.options[optTier].value); word != "default" {
		a.Tier = word
	}
	dst = formats[to].write(&p, dst, cv, &destination{target: target, price: price, stream: a.Stream, limit: limit})
	return dst, p.dropped, p.problem
}

// Answer appends a whole answer to the ask, which a scan has validated, in the caller's format. Id names it where that format makes its own
// names; used are its tokens.
func (a *Ask) Answer(dst, body []byte, from dialect.Dialect, id string, used *wire.Tokens, now time.Time) ([]byte, error) {
	to := &reply{ask: a, id: id, now: now}
	found, err := formats[from].readAnswer(to, body)
	if err == nil && found.finish == finishBroken {
		err = errAnswer
	}
	if err != nil {
		return dst, err
	}
	if found.finish == finishSequence && found.stop == nil {
		found.stop = a.stop
	}
	if most := int(max(a.Choices, 1)) - 1; len(found.others) > most { // nobody asked for them
		found.others = found.others[:most]
	}
	found.id, found.model = named(found.id, id), named(found.model, string(a.Model))
	return formats[a.Dialect].writeAnswer(dst, &found, to, used), nil
}

// onlyStop returns the sequence of a list that has no other: where a provider says that it came to one, it is that.
func onlyStop(list []byte) (only []byte) {
	n := 0
	scan.Elements(list, func(each []byte) {
		only = inside(each)
		n++
	})
	if n != 1 {
		return nil
	}
	return only
}

// named returns the inside of a string, or that of another text where the provider's format has no such name.
func named(inside []byte, otherwise string) []byte {
	if len(inside) > 0 {
		return inside
	}
	quoted := refusal.AppendString(nil, otherwise)
	return quoted[1 : len(quoted)-1]
}
