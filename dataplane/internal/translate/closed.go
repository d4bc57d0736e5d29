package translate

import (
	"bytes"

	"tollgate.dev/dataplane/internal/scan"
)

// closing writes a schema as Claude is held to one: each object has no properties but its own, and bounds stand in the description, where the model
// reads them, as Anthropic's own SDKs do it (https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations).
type closing struct {
	*parser
	path string // of the schema in the request
}

// schema appends one schema. What may have properties without names cannot be said.
func (c *closing) schema(dst, raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return append(dst, raw...)
	}
	var note, description []byte
	dst, n := append(dst, '{'), 0
	member := func(key string) {
		dst = append(append(append(comma(dst, n), '"'), key...), `":`...)
		n++
	}
	scan.Each(raw, func(key, value []byte) {
		switch name := string(key); {
		case name == "$schema", name == "additionalProperties": // below
		case name == "description":
			description = inside(value)
		case isBound(name, value):
			note = append(append(append(append(comma(note, len(note)), ' '), key...), ':', ' '), value...)
		case name == "properties", name == "$defs", name == "definitions":
			member(name)
			dst = c.each(dst, value)
		case name == "items", name == "not":
			member(name)
			dst = c.schema(dst, value)
		case name == "anyOf", name == "oneOf", name == "allOf":
			member(string(bytes.Replace(key, []byte("oneOf"), []byte("anyOf"), 1)))
			dst = c.all(dst, value)
		default:
			member(name)
			dst = append(dst, value...)
		}
	})
	if isObject(raw) {
		c.close(raw)
		member("additionalProperties")
		dst = append(dst, "false"...)
	}
	if note == nil && description == nil {
		return append(dst, '}')
	}
	member("description")
	return append(append(appendNoted(dst, description, note), '"'), '}')
}

// close refuses an object whose properties have no names, unless the key has settings left out.
func (c *closing) close(raw []byte) {
	rest, named := scan.Lookup(raw, "additionalProperties"), !isEmptyObject(scan.Lookup(raw, "properties"))
	if string(rest) == "false" || named && (rest == nil || string(rest) == "true") {
		return
	}
	if c.drops {
		c.drop(c.path)
		return
	}
	c.refuse(c.path, "has an object whose properties are not named, to which the model cannot be held. Name them in properties")
}

// appendNoted appends the inside of a description with the bounds behind it.
func appendNoted(dst, description, note []byte) []byte {
	dst = append(append(dst, '"'), description...)
	if note == nil {
		return dst
	}
	if description != nil {
		dst = append(dst, `\n\n`...)
	}
	quoted := appendQuoted(nil, append(append([]byte{'{'}, bytes.TrimSpace(note)...), '}'))
	return append(dst, quoted[1:len(quoted)-1]...)
}

// each appends an object whose values are schemas.
func (c *closing) each(dst, raw []byte) []byte {
	dst, n := append(dst, '{'), 0
	scan.Each(raw, func(key, value []byte) {
		dst = c.schema(append(append(append(comma(dst, n), '"'), key...), `":`...), value)
		n++
	})
	return append(dst, '}')
}

// all appends an array of schemas.
func (c *closing) all(dst, raw []byte) []byte {
	dst, n := append(dst, '['), 0
	scan.Elements(raw, func(one []byte) {
		dst = c.schema(comma(dst, n), one)
		n++
	})
	return append(dst, ']')
}

// isBound says whether a member of a schema is a bound of values, to which Claude is not held.
func isBound(name string, value []byte) bool {
	switch name {
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties":
		return true
	case "minItems":
		return string(value) != "0" && string(value) != "1"
	case "format":
		return !hasAny(" date-time time date duration email hostname uri ipv4 ipv6 uuid ", " "+string(inside(value))+" ")
	}
	return false
}

// isObject says whether a schema is one of objects.
func isObject(schema []byte) bool {
	kind := scan.Lookup(schema, "type")
	return bytes.Contains(kind, []byte(`"object"`)) || kind == nil && scan.Lookup(schema, "properties") != nil
}
