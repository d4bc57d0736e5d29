package translate

import (
	"slices"

	"tollgate.dev/dataplane/internal/scan"
)

// choices reads how many answers are asked for; Ask has bounded them.
func (p *parser) choices(cv *conversation, value []byte) {
	if number := p.number(value); string(number) != "1" {
		cv.set(optChoices, p.here(), number)
	}
}

// odds reads whether the answer is to tell how probable its tokens were.
func (p *parser) odds(cv *conversation, value []byte) {
	if p.flag(value) {
		cv.set(optOdds, p.here(), value)
	}
}

// likeliest reads of how many other tokens that is to be told.
func (p *parser) likeliest(cv *conversation, value []byte) {
	if number := p.number(value); string(number) != "0" {
		cv.set(optLikeliest, p.here(), number)
	}
}

// tier reads OpenAI's word for who is served first (https://platform.openai.com/docs/guides/flex-processing).
func (p *parser) tier(cv *conversation, value []byte) {
	switch string(value) {
	case `"auto"`:
	case `"default"`, `"flex"`, `"priority"`:
		cv.set(optTier, p.here(), p.text(value))
	default:
		p.lacks(p.here(), true)
	}
}

func (p *parser) verbosity(cv *conversation, value []byte) {
	if text := p.text(value); string(text) != "medium" {
		cv.set(optVerbosity, p.here(), text)
	}
}

// streamOptions reads what Ask has not: whether events are padded, which hides their lengths and says nothing.
func (p *parser) streamOptions(value []byte) {
	p.object(value, func(key string, value []byte) bool {
		if key == "include_obfuscation" && p.flag(value) {
			p.drop(p.here())
		}
		return key == "include_usage" || key == "include_obfuscation"
	})
}

// shaped reads what OpenAI's formats say of a schema besides itself.
func (p *parser) shaped(cv *conversation, key string, value []byte) bool {
	switch key {
	case "name":
		cv.shape.name = p.text(value)
	case "description":
		cv.shape.note, cv.shape.notePath = p.text(value), p.here()
	case "strict":
		if p.flag(value) {
			cv.shape.strict = strictAlways
		}
	default:
		return false
	}
	return true
}

// appendShape appends what OpenAI's format says of a schema, and the schema, as members of an object. It holds its models to one that it would
// take, unless the caller says whether.
func (cv *conversation) appendShape(dst []byte) []byte {
	schema, strict := cv.options[optSchema].value, "false"
	if cv.shape.strict == strictAlways || cv.shape.strict == strictIfFit && fitsStrict(schema) {
		strict = "true"
	}
	dst = append(cv.appendShapeName(dst), `,"strict":`...)
	return append(append(append(dst, strict...), `,"schema":`...), schema...)
}

// appendShapeName appends the name and the description.
func (cv *conversation) appendShapeName(dst []byte) []byte {
	name := cv.shape.name
	if name == nil {
		name = []byte("answer")
	}
	dst = append(append(append(dst, `"name":"`...), name...), '"')
	if cv.shape.note != nil {
		dst = appendMember(dst, "description", cv.shape.note)
	}
	return dst
}

// dropNote names the description of a schema where the provider's format has no place for it.
func (p *parser) dropNote(cv *conversation) {
	if cv.shape.note != nil {
		p.drop(cv.shape.notePath)
	}
}

// onlyDefault refuses a tier where there are none.
func (p *parser) onlyDefault(o option) {
	if string(o.value) != "default" {
		p.lacks(o.path, true)
	}
}

// fitsStrict says whether OpenAI would hold a model to a schema: every object has all of its properties and no others
// (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas).
func fitsStrict(schema []byte) bool {
	if len(schema) == 0 || schema[0] != '{' {
		return true
	}
	var names, required []string
	closed, fits := false, true
	scan.Each(schema, func(key, value []byte) {
		switch string(key) {
		case "properties", "$defs", "definitions":
			scan.Each(value, func(name, inner []byte) {
				if string(key) == "properties" {
					names = append(names, string(name))
				}
				fits = fits && fitsStrict(inner)
			})
		case "required":
			scan.Elements(value, func(name []byte) { required = append(required, string(inside(name))) })
		case "additionalProperties":
			closed = string(value) == "false"
		case "items":
			fits = fits && fitsStrict(value)
		case "anyOf":
			scan.Elements(value, func(inner []byte) { fits = fits && fitsStrict(inner) })
		}
	})
	isObject := names != nil || string(scan.Lookup(schema, "type")) == `"object"`
	slices.Sort(names)
	slices.Sort(required)
	return fits && (!isObject || closed && slices.Equal(names, slices.Compact(required)))
}
