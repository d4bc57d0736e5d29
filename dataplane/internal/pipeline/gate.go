package pipeline

import (
	"bytes"
	"net/http"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// gate stands in a connection over which the caller and the model speak, where guardrails hold the key. Only text passes, since nobody can look into
// sound for words: what the caller sends is read before it goes on, and what the model says is held back as streams are.
type gate struct {
	rules    []*state.Guardrail
	up, down guardrail.Checker
	window   *guardrail.Window // of the reply under way, and of what the provider says between replies
	texts    []scan.Value
	frame    []byte
	out      []byte
}

// frameEnd ends a message in a window: JSON has no such byte.
const frameEnd = 0x1e

// newGate returns the gate of a key's connections; nil: no guardrail holds it.
func newGate(key *state.Key) *gate {
	if len(key.Guardrails) == 0 {
		return nil
	}
	g := &gate{rules: key.Guardrails}
	g.up.Reset(key.Guardrails)
	g.down.Reset(key.Guardrails)
	g.begin()
	return g
}

// begin makes the window anew: no word begins in one reply and ends in another.
func (g *gate) begin() {
	g.window = guardrail.NewWindow(&g.down, dialect.OpenAIRealtime, longest(g.rules))
}

// mute refuses sound.
func (g *gate) mute(field, what string) *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodeUnsupportedFormat, "The guardrail "+cleaned(g.rules[0].Name, endUserMax)+" holds this key, and "+what+
		" Send text (conversation.item.create with input_text) and have text sent (output_modalities [\"text\"]), or use a key that no guardrail holds.")
	problem.Param, problem.Rule, problem.RuleID = field, g.rules[0].Name, g.rules[0].ID
	return problem
}

const unheard = "nobody can look into sound for words."

// sends says why a message of the caller's may not go on.
func (g *gate) sends(data []byte, u *utterance) (v guardrail.Verdict, problem *refusal.Error) {
	switch u.kind {
	case "session.update", "response.create", "response.cancel", "conversation.item.create", "conversation.item.retrieve", "conversation.item.delete":
	default:
		if strings.Contains(u.kind, "audio") {
			return v, g.mute("type", unheard)
		}
		return v, g.mute("type", "messages of the type "+cleaned(u.kind, endUserMax)+" are not known here.")
	}
	if field := u.sound(); field != "" {
		return v, g.mute(field, unheard)
	}
	g.texts = appendTexts(g.texts[:0], data, data)
	if v = g.up.Check(data, g.texts); v.Blocked != nil {
		return v, guardrail.InputRefusal(v)
	}
	return v, nil
}

// passes takes a message of the provider's, which r has scanned, and returns those that may go to the caller now, each until the next call.
func (g *gate) passes(data []byte, r *scan.Result) (all [][]byte, v guardrail.Verdict, why *cut) {
	if !scan.Valid(data) { // it ends the connection
		return nil, v, nil
	}
	kind, _ := r.Text(data, scan.Type)
	if bytes.Contains(kind, []byte("audio")) { // it was asked for text
		return nil, v, refusedReply(g.mute("", "the provider sends sound, which nobody can look into for words."))
	}
	if bytes.HasSuffix(kind, []byte("delta")) {
		r.Texts = appendTexts(r.Texts[:0], data, scan.Lookup(data, "delta"))
	} else {
		r.Texts = appendTexts(r.Texts[:0], data, data)
	}
	g.frame = append(append(g.frame[:0], data...), frameEnd)
	v, err := g.window.Add(sse.Event{Raw: g.frame, Data: data}, r)
	if err != nil {
		return nil, v, upstreamCut(wire.CodeUpstreamFailed, err.Error())
	}
	ended := string(kind) == "response.done"
	if g.out, v = g.window.Release(g.out[:0], ended); v.Blocked != nil {
		return nil, v, blockedCut(v)
	}
	if ended {
		g.begin()
	}
	for rest := g.out; len(rest) > 0; {
		var one []byte
		one, rest, _ = bytes.Cut(rest, []byte{frameEnd})
		all = append(all, one)
	}
	return all, v, nil
}

// appendTexts appends the strings of a value in a message, but for those that say of what kind something is.
func appendTexts(texts []scan.Value, data, value []byte) []scan.Value {
	if len(value) == 0 {
		return texts
	}
	switch value[0] {
	case '{':
		scan.Each(value, func(key, value []byte) {
			switch string(key) {
			case "type", "role", "status", "object":
				if value[0] == '"' {
					return
				}
			}
			texts = appendTexts(texts, data, value)
		})
	case '[':
		scan.Elements(value, func(value []byte) { texts = appendTexts(texts, data, value) })
	case '"':
		begin := cap(data) - cap(value)
		texts = append(texts, scan.Value{Start: begin + 1, End: begin + len(value) - 1})
	}
	return texts
}

// textAlone is the message that has a session's replies written, and not spoken, as the version of the interface has it that the caller speaks.
func (c *call) textAlone() []byte {
	if provider := c.attempt.target.Provider; provider.APIVersion != "" || strings.Contains(first(c.r.Header, "Openai-Beta"), "realtime=v1") {
		return []byte(`{"type":"session.update","session":{"modalities":["text"]}}`)
	}
	return []byte(`{"type":"session.update","session":{"type":"realtime","output_modalities":["text"]}}`)
}

// sound names the field by which a message brings sound or asks for it; empty: none does.
func (u *utterance) sound() (field string) {
	for _, settings := range [...]struct {
		name string
		of   []byte
	}{{"session", u.session}, {"response", u.response}} {
		scan.Each(settings.of, func(key, value []byte) {
			switch name := string(scan.Unescape(nil, key)); {
			case (name == "output_modalities" || name == "modalities") && !isText(value), name == "input" && bringsSound(value):
				field = settings.name + "." + name
			}
		})
	}
	if bringsSound(u.item) {
		field = "item.content"
	}
	return field
}

// isText says whether modalities are text alone.
func isText(modalities []byte) bool {
	text, others := 0, modalities[0] != '['
	scan.Elements(modalities, func(one []byte) {
		if unquoted(one) == "text" {
			text++
		} else {
			others = true
		}
	})
	return text == 1 && !others
}

// bringsSound says whether there is sound among items or their content.
func bringsSound(value []byte) (is bool) {
	if len(value) == 0 {
		return false
	}
	switch value[0] {
	case '{':
		scan.Each(value, func(key, value []byte) {
			switch string(scan.Unescape(nil, key)) {
			case "type":
				is = is || strings.Contains(unquoted(value), "audio")
			case "audio":
				is = is || value[0] != 'n'
			default:
				is = is || bringsSound(value)
			}
		})
	case '[':
		scan.Elements(value, func(value []byte) { is = is || bringsSound(value) })
	}
	return is
}
