package state

import "tollgate.dev/dataplane/wire"

// Guardrail is a check on what goes in.
type Guardrail struct {
	ID      wire.ID
	Name    string
	Action  wire.GuardrailAction
	Matcher *Matcher
}

// Match returns the first forbidden word that ends earliest in the text, as it was written in the guardrail.
func (g *Guardrail) Match(text []byte) (word string, ok bool) { return g.Matcher.Match(text) }

const (
	guardrailWordsMax = 10_000
	guardrailWordMax  = 200 // bytes
)

func (c *compiler) guardrail(in *wire.Guardrail) {
	out := &Guardrail{ID: c.id("id", in.GetId()), Name: c.text("name", in.GetName()), Action: in.GetAction()}
	if out.Action != wire.GuardrailAction_GUARDRAIL_ACTION_BLOCK && out.Action != wire.GuardrailAction_GUARDRAIL_ACTION_FLAG {
		c.fail("action", "the action %d is not known here", in.GetAction())
	}
	if len(in.GetWords()) == 0 || len(in.GetWords()) > guardrailWordsMax {
		c.fail("words", "a guardrail needs 1 to %d words", guardrailWordsMax)
	}
	for i, word := range in.GetWords() {
		if len(word) > guardrailWordMax || len(pattern(word)) == 0 {
			c.fail(indexed("words", i, ""), "a word has 1 to %d bytes and is not blank", guardrailWordMax)
		}
	}
	matcher, err := NewMatcher(in.GetWords())
	if err != nil {
		c.fail("words", "%v", err)
	}
	out.Matcher = matcher
	where := c.scope(in.GetScope(), in.GetScopeId())
	c.unique("id", "guardrail "+string(out.ID[:]))
	c.base.guardrails[where] = append(c.base.guardrails[where], out)
}

func (b *base) guardrailsFor(key *Key) []*Guardrail {
	return gather(b.guardrails, b.sharedGuardrails, key, func(x *Guardrail) wire.ID { return x.ID })
}
