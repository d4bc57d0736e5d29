// Package guardrail looks for forbidden words in what goes to a model and in what comes back, before it leaves.
// It refuses to let any part of a forbidden word out of a stream, and to repeat a word that it found in an answer.
package guardrail

import (
	"fmt"
	"net/http"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Verdict is what the guardrails say.
type Verdict struct {
	Blocked *state.Guardrail // nil: nothing blocks
	Flagged *state.Guardrail // the first that only flags; nil: none
	Word    string           // of Blocked, as the guardrail has it
}

// Checker looks through texts. It keeps scratch memory and is not for concurrent use.
type Checker struct {
	list    []*state.Guardrail
	decoded []byte
	again   []byte
}

// Reset makes the checker use a key's guardrails.
func (c *Checker) Reset(list []*state.Guardrail) { c.list = list }

// Active says whether there is anything to check.
func (c *Checker) Active() bool { return len(c.list) > 0 }

// Check looks through the texts that a scan found in the body.
func (c *Checker) Check(body []byte, texts []scan.Value) Verdict {
	var v Verdict
	if len(c.list) == 0 {
		return v
	}
	for _, text := range texts {
		if c.text(c.decode(body[text.Start:text.End]), &v); v.Blocked != nil {
			return v
		}
		if scan.HasEscape(c.decoded) && len(c.decoded) > 0 { // JSON within a string, as tool arguments are
			c.again = scan.Unescape(c.again[:0], c.decoded)
			if c.text(c.again, &v); v.Blocked != nil {
				return v
			}
		}
	}
	return v
}

// decode returns the text that the inside of a JSON string stands for.
func (c *Checker) decode(raw []byte) []byte {
	c.decoded = c.decoded[:0]
	if !scan.HasEscape(raw) {
		return raw
	}
	c.decoded = scan.Unescape(c.decoded, raw)
	return c.decoded
}

func (c *Checker) text(text []byte, v *Verdict) {
	for _, g := range c.list {
		word, found := g.Match(text)
		switch {
		case !found:
		case g.Action == wire.GuardrailAction_GUARDRAIL_ACTION_FLAG:
			if v.Flagged == nil {
				v.Flagged = g
			}
		default:
			v.Blocked, v.Word = g, word
			return
		}
	}
}

// InputRefusal returns the refusal of a request.
func InputRefusal(v Verdict) *refusal.Error {
	return blocked(v, fmt.Sprintf("The guardrail %q refuses the request: it contains %q.", v.Blocked.Name, v.Word))
}

// OutputRefusal returns the refusal of an answer. It does not say the word.
func OutputRefusal(v Verdict) *refusal.Error {
	return blocked(v, fmt.Sprintf("The guardrail %q refuses the model's answer: it contains a forbidden word.", v.Blocked.Name))
}

func blocked(v Verdict, message string) *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodeGuardrailBlocked, message)
	problem.Rule, problem.RuleID = v.Blocked.Name, v.Blocked.ID
	return problem
}
