package translate

import (
	"bytes"
	"strings"

	"tollgate.dev/dataplane/internal/scan"
)

// config reads generationConfig. What has no place elsewhere is a setting, and left out where the key wants it so.
func (g *geminiReader) config(raw []byte) {
	g.object(raw, func(key string, value []byte) bool {
		switch name := camel(key); name {
		case "maxOutputTokens": // read by Ask
		case "temperature":
			g.cv.set(optTemperature, g.here(), g.number(value))
		case "topP":
			g.cv.set(optTopP, g.here(), g.number(value))
		case "topK":
			g.cv.set(optTopK, g.here(), g.number(value))
		case "seed":
			g.cv.set(optSeed, g.here(), g.number(value))
		case "frequencyPenalty":
			g.cv.set(optFrequency, g.here(), g.number(value))
		case "presencePenalty":
			g.cv.set(optPresence, g.here(), g.number(value))
		case "stopSequences":
			g.array(value, func(each []byte) { g.text(each) })
			g.cv.set(optStop, g.here(), value)
		case "responseSchema":
			g.cv.set(optSchema, g.here(), appendJSONSchema(nil, value))
		case "responseJsonSchema":
			g.cv.set(optSchema, g.here(), value)
		case "thinkingConfig":
			g.thinking(value)
		default:
			g.setting(name, value)
		}
		return true
	})
}

// setting takes settings that say what happens anyway.
func (g *geminiReader) setting(name string, value []byte) {
	usual := ""
	switch name {
	case "candidateCount":
		g.choices(g.cv, value)
		return
	case "responseLogprobs":
		g.odds(g.cv, value)
		return
	case "logprobs":
		g.likeliest(g.cv, value)
		return
	case "responseMimeType":
		if string(value) == `"application/json"` {
			g.cv.set(optJSON, g.here(), []byte("true"))
			return
		}
		usual = `"text/plain"`
	case "responseModalities":
		usual = `["TEXT"]`
	}
	if string(bytes.ReplaceAll(value, []byte(" "), nil)) != usual {
		g.lacks(g.here(), true)
	}
}

// tier reads who is served first (https://ai.google.dev/gemini-api/docs/flex-inference): words in either case, with or without their type before them.
func (g *geminiReader) tier(value []byte) {
	switch word := geminiTier(g.text(value)); word {
	case "unspecified":
	case "standard":
		g.cv.set(optTier, g.here(), []byte("default"))
	case "flex", "priority":
		g.cv.set(optTier, g.here(), []byte(word))
	default:
		g.wrong("must be standard, flex or priority")
	}
}

func geminiTier(word []byte) string {
	return strings.TrimPrefix(strings.ToLower(string(word)), "service_tier_")
}

func (g *geminiReader) thinking(raw []byte) {
	g.object(raw, func(key string, value []byte) bool {
		switch camel(key) {
		case "includeThoughts":
			g.flag(value)
			g.drop(g.here()) // providers show what they show
		case "thinkingBudget":
			g.budget(value)
		case "thinkingLevel":
			if level := strings.ToLower(string(g.text(value))); level != "thinking_level_unspecified" {
				g.cv.set(optEffort, g.here(), []byte(level))
			}
		default:
			return false
		}
		return true
	})
}

// budget reads how many tokens may be thought: 0 is none, -1 as the model likes.
func (g *geminiReader) budget(value []byte) {
	n, ok := scan.Int(g.number(value))
	switch {
	case string(value) == "-1":
	case !ok:
		g.wrong("must be a whole number, or -1")
	case n == 0:
		g.cv.set(optEffort, g.here(), []byte("none"))
	default:
		g.cv.set(optEffort, g.here(), []byte(effortOf(n)))
		g.cv.set(optBudget, g.here(), value)
	}
}

func (g *geminiReader) tool(raw []byte) {
	g.object(raw, func(key string, value []byte) bool {
		if camel(key) != "functionDeclarations" {
			return false // Google runs it itself
		}
		g.array(value, func(raw []byte) { g.cv.tools = append(g.cv.tools, g.function(raw)) })
		return true
	})
}

func (g *geminiReader) function(raw []byte) tool {
	made := tool{path: g.here()}
	g.object(raw, func(key string, value []byte) bool {
		switch camel(key) {
		case "name":
			made.name = g.text(value)
		case "description":
			made.description = g.text(value)
		case "parameters":
			made.schema = appendJSONSchema(nil, value)
		case "parametersJsonSchema":
			made.schema = value
		case "response", "responseJsonSchema":
			g.drop(g.here())
		case "behavior":
			g.neutral(value, `"BLOCKING"`)
		default:
			return false
		}
		return true
	})
	return made
}

func (g *geminiReader) toolConfig(raw []byte) {
	g.object(raw, func(key string, value []byte) bool {
		if camel(key) != "functionCallingConfig" {
			return false
		}
		g.object(value, func(key string, value []byte) bool {
			switch camel(key) {
			case "mode":
				g.mode(value)
			case "allowedFunctionNames":
				g.array(value, func(name []byte) { g.cv.choice.some = append(g.cv.choice.some, g.text(name)) })
			case "streamFunctionCallArguments":
				g.flag(value)
				g.drop(g.here()) // they come as they come
			default:
				return false
			}
			return true
		})
		return true
	})
}

func (g *geminiReader) mode(value []byte) {
	switch string(value) {
	case `"AUTO"`, `"VALIDATED"`, `"MODE_UNSPECIFIED"`:
		g.cv.choice.kind = choiceAuto
	case `"ANY"`:
		g.cv.choice.kind = choiceAny
	case `"NONE"`:
		g.cv.choice.kind = choiceNever
	default:
		g.wrong("must be AUTO, ANY, NONE or VALIDATED")
	}
}

// appendJSONSchema appends a schema of Google's (https://ai.google.dev/api/caching#Schema) as JSON Schema: its types are words in capitals,
// what may be null is said apart, and whole numbers may be strings.
func appendJSONSchema(dst, raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return append(dst, raw...)
	}
	nullable := string(scan.Lookup(raw, "nullable")) == "true"
	dst, n := append(dst, '{'), 0
	scan.Each(raw, func(key, value []byte) {
		name := camel(string(key))
		if name == "nullable" || name == "propertyOrdering" {
			return
		}
		dst = append(append(append(comma(dst, n), '"'), name...), `":`...)
		n++
		switch name {
		case "type":
			dst = appendType(dst, value, nullable)
		case "items":
			dst = appendJSONSchema(dst, value)
		case "properties":
			dst = appendSchemas(dst, value)
		case "anyOf":
			dst = append(dst, '[')
			each := 0
			scan.Elements(value, func(one []byte) {
				dst = appendJSONSchema(comma(dst, each), one)
				each++
			})
			dst = append(dst, ']')
		case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
			if number := inside(value); number != nil {
				if _, ok := scan.Int(number); ok {
					value = number
				}
			}
			dst = append(dst, value...)
		default:
			dst = append(dst, value...)
		}
	})
	return append(dst, '}')
}

func appendType(dst, value []byte, nullable bool) []byte {
	word := bytes.ToLower(value)
	if !nullable || value[0] != '"' {
		return append(dst, word...)
	}
	return append(append(append(dst, '['), word...), `,"null"]`...)
}

// appendSchemas appends the schemas of properties, whose names are the caller's.
func appendSchemas(dst, raw []byte) []byte {
	dst, n := append(dst, '{'), 0
	scan.Each(raw, func(key, value []byte) {
		dst = append(append(append(comma(dst, n), '"'), key...), `":`...)
		dst = appendJSONSchema(dst, value)
		n++
	})
	return append(dst, '}')
}
