package api

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/seal"
)

type object = map[string]any

// describe makes the OpenAPI 3.1 document of the table.
func describe(endpoints []endpoint) ([]byte, error) {
	shapes := shapes{schemas: object{}}
	paths := map[string]object{}
	for _, e := range endpoints {
		pattern := patternOf(prefix + e.path)
		if paths[pattern] == nil {
			paths[pattern] = object{}
		}
		paths[pattern][strings.ToLower(e.method)] = shapes.operation(e)
	}
	shapes.of(reflect.TypeFor[errorBody]())
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Tollgate admin API", "version": "1",
			"description": "Amounts of money are whole numbers of pico-USD (1e-12 USD) as strings. A PATCH changes what it mentions.",
		},
		"paths": paths,
		"components": object{
			"schemas":         shapes.schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer", "description": "an API token, tga_…"}},
		},
		"security": []any{object{"token": []any{}}},
	}
	raw, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return raw, nil
}

// patternOf turns :name segments into {name}.
func patternOf(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}

// shapes collects the schemas of the types that travel.
type shapes struct{ schemas object }

func (s shapes) operation(e endpoint) object {
	answer := object{"description": "done"}
	if e.answer != nil {
		answer["content"] = content(s.of(e.answer))
	}
	operation := object{
		"summary": e.summary, "description": "Needs the permission " + string(e.permission) + ".", "operationId": operationID(e),
		"responses": object{
			strconv.Itoa(e.status): answer,
			"default":              object{"description": "refused or failed", "content": content(s.of(reflect.TypeFor[errorBody]()))},
		},
	}
	if parameters := parametersOf(e); len(parameters) > 0 {
		operation["parameters"] = parameters
	}
	if e.body != nil {
		operation["requestBody"] = object{"required": true, "content": object{e.mediaType(): object{"schema": s.of(e.body)}}}
	}
	return operation
}

func operationID(e endpoint) string {
	words := strings.FieldsFunc(e.path, func(r rune) bool { return r == '/' || r == ':' || r == '-' || r == '_' })
	for i, word := range words {
		words[i] = capital(word)
	}
	return strings.ToLower(e.method) + strings.Join(words, "")
}

func parametersOf(e endpoint) []any {
	var all []any
	for _, segment := range strings.Split(e.path, "/") {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			all = append(all, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string", "format": "uuid"}})
		}
	}
	for _, p := range e.parameters {
		all = append(all, object{"name": p.name, "in": "query", "description": p.help, "schema": object{"type": "string"}})
	}
	return all
}

func content(schema object) object {
	return object{"application/json": object{"schema": schema}}
}

// of returns the schema of a type: a reference for named structs, which it keeps.
func (s shapes) of(t reflect.Type) object {
	if schema := special(t); schema != nil {
		return schema
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(s.of(t.Elem()))
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	case reflect.Struct:
		return s.structOf(t)
	case reflect.String:
		return object{"type": "string"}
	default:
		return object{}
	}
}

func (s shapes) structOf(t reflect.Type) object {
	name := nameOf(t)
	if name == "" {
		return s.properties(t)
	}
	if _, known := s.schemas[name]; !known {
		s.schemas[name] = object{} // ends recursion
		s.schemas[name] = s.properties(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s shapes) properties(t reflect.Type) object {
	properties := object{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || !field.IsExported() || name == "-" || name == "" {
			continue
		}
		properties[name] = s.of(field.Type)
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

// special is the schema of types that travel as something else than what they are made of.
func special(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	case reflect.TypeFor[money.Amount]():
		return object{"type": "string", "pattern": "^-?[0-9]+$", "description": "pico-USD"}
	case reflect.TypeFor[seal.Secret]():
		return object{"type": "string", "format": "password", "writeOnly": true}
	}
	if t.Kind() != reflect.Pointer && t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return object{"type": "string", "description": "a UUID, or empty for none"}
	}
	return nil
}

func nullable(schema object) object {
	if text, ok := schema["type"].(string); ok {
		schema["type"] = []any{text, "null"}
		return schema
	}
	return object{"oneOf": []any{schema, object{"type": "null"}}}
}

// nameOf names a struct after its noun: agent.Agent is Agent, agent.Input is AgentInput; the API's own types keep their name.
func nameOf(t reflect.Type) string {
	if t.Name() == "" || strings.Contains(t.Name(), "[") {
		return ""
	}
	noun := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
	if noun == "api" || strings.EqualFold(noun, t.Name()) {
		return capital(t.Name())
	}
	return capital(noun) + t.Name()
}

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
