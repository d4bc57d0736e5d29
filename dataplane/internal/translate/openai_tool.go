package translate

import (
	"bytes"
	"slices"
)

// function reads a member of a tool as both of OpenAI's formats have it.
func (p *parser) function(made *tool, key string, value []byte) bool {
	switch key {
	case "name":
		made.name = p.text(value)
	case "description":
		made.description = p.text(value)
	case "parameters":
		made.schema = value
	case "strict":
		made.strict = p.flag(value)
	default:
		return false
	}
	return true
}

// chooseSome reads a choice among some of the tools, of which the format names one with name.
func (p *parser) chooseSome(cv *conversation, raw []byte, name func(raw []byte) []byte) {
	cv.choice.kind = choiceAuto
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "mode":
			p.neutral(value, `"auto"`, `"required"`)
			if string(value) == `"required"` {
				cv.choice.kind = choiceAny
			}
		case "tools":
			p.array(value, func(raw []byte) {
				if found := name(raw); found != nil {
					cv.choice.some = append(cv.choice.some, found)
				} else {
					p.lacks(p.here(), false)
				}
			})
		default:
			return false
		}
		return true
	})
	if cv.choice.some == nil {
		p.wrong("must name at least one tool in tools")
	}
}

// offer leaves the tools that may be called: a provider is told of one by its name, and of several by not being told of the others.
func (cv *conversation) offer() {
	some := cv.choice.some
	if len(some) == 0 || cv.choice.kind == choiceNever {
		return
	}
	if len(some) == 1 && cv.choice.kind == choiceAny {
		cv.choice.kind, cv.choice.name = choiceNamed, some[0]
		return
	}
	cv.tools = slices.DeleteFunc(cv.tools, func(t tool) bool {
		return !slices.ContainsFunc(some, func(name []byte) bool { return bytes.Equal(t.name, name) })
	})
}

// choose reads a choice of tools that is a word, as both of OpenAI's formats have it; else it names a tool, and is read by the caller.
func (*parser) choose(cv *conversation, value []byte) (word bool) {
	switch string(value) {
	case `"auto"`:
		cv.choice.kind = choiceAuto
	case `"none"`:
		cv.choice.kind = choiceNever
	case `"required"`:
		cv.choice.kind = choiceAny
	default:
		cv.choice.kind = choiceNamed
	}
	return cv.choice.kind != choiceNamed
}
