package translate

import (
	"bytes"

	"tollgate.dev/dataplane/internal/scan"
)

// OpenAI's custom tools take any text (https://platform.openai.com/docs/guides/function-calling#custom-tools). Elsewhere each is a function of that
// text, and the call of it is told as the caller knows it.

// customSchema is what such a function takes.
const customSchema = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// customTool reads a custom tool.
func (p *parser) customTool(ask *Ask, raw []byte) tool {
	made := tool{path: p.here(), schema: []byte(customSchema)}
	var form []byte
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "name":
			made.name = p.text(value)
		case "description":
			made.description = p.text(value)
		case "format":
			form = p.customForm(value)
		default:
			return p.toolExtra(key)
		}
		return true
	})
	if form != nil {
		made.description = append(append(bytes.Clone(made.description), `\n\nThe input must be text of this form:\n`...), form...)
	}
	if ask.customs == nil {
		ask.customs = map[string]bool{}
	}
	ask.customs[string(made.name)] = true
	return made
}

// customForm reads the grammar that the input keeps to; nil: there is none.
func (p *parser) customForm(raw []byte) (definition []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
			p.neutral(value, `"text"`, `"grammar"`)
		case "syntax": // the definition shows which
		case "definition":
			definition = p.text(value)
		default:
			return false
		}
		return true
	})
	return definition
}

// toolExtra notes what OpenAI's Responses say of a tool besides, which changes nothing where every tool is told from the begin.
func (p *parser) toolExtra(key string) bool {
	switch key {
	case "defer_loading", "output_schema", "allowed_callers":
		p.drop(p.here())
		return true
	}
	return false
}

// customCall reads a call of a custom tool.
func (p *parser) customCall(raw []byte) part {
	made := part{kind: partCall, path: p.here(), arguments: []byte(`{"input":""}`)}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type", "id", "status", "caller":
		case "call_id":
			made.id = p.text(value)
		case "name":
			made.name = p.text(value)
		case "input":
			made.arguments = append(append([]byte(`{"input":"`), p.text(value)...), `"}`...)
		default:
			return false
		}
		return true
	})
	return made
}

// customInput returns the inside of the text with which a custom tool is called; of arguments that are something else, all of them.
func customInput(arguments []byte) []byte {
	if text := scan.Lookup(arguments, "input"); inside(text) != nil {
		return inside(text)
	}
	return inside(appendQuoted(nil, arguments))
}
