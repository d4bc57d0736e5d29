package translate

import (
	"bytes"
	"slices"

	"tollgate.dev/dataplane/internal/scan"
)

// readResponses reads a request of OpenAI's Responses (https://platform.openai.com/docs/api-reference/responses/create). What the provider
// would have to keep (stored responses, conversations, prompts) is refused: another provider does not have it.
func readResponses(p *parser, ask *Ask, body []byte) *conversation {
	cv := &conversation{}
	if text := inside(scan.Lookup(body, "instructions")); text != nil {
		cv.system = append(cv.system, part{kind: partText, path: "instructions", text: text})
	}
	p.object(body, func(key string, value []byte) bool {
		switch key {
		case "model", "stream", "max_output_tokens", "metadata", "instructions": // read by Ask, or above
		case "stream_options":
			p.streamOptions(value)
		case "include":
			p.array(value, func(what []byte) { p.responsesInclude(cv, what) })
		case "input":
			p.responsesInput(cv, value)
		case "tools":
			p.array(value, func(raw []byte) { cv.tools = append(cv.tools, p.responsesTools(ask, raw)...) })
		case "tool_choice":
			p.responsesChoice(cv, value)
		case "parallel_tool_calls":
			cv.choice.one, cv.choice.path = !p.flag(value), p.here()
		case "temperature":
			cv.set(optTemperature, p.here(), p.number(value))
		case "top_p":
			cv.set(optTopP, p.here(), p.number(value))
		case "reasoning":
			p.responsesReasoning(cv, value)
		case "text":
			p.responsesText(cv, value)
		case "user", "safety_identifier":
			cv.set(optUser, p.here(), p.text(value))
		case "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "client_metadata", "max_tool_calls": // the last is of tools that run at OpenAI
			p.drop(p.here())
		case "store", "background":
			p.neutral(value, "false")
		case "service_tier":
			p.tier(cv, value)
		case "previous_response_id", "conversation", "prompt":
			p.lacks(p.here(), false) // what was said stands at another provider: never left out
		case "truncation":
			p.neutral(value, `"disabled"`)
		case "top_logprobs":
			if p.likeliest(cv, value); string(value) != "0" {
				cv.set(optOdds, p.here(), []byte("true"))
			}
		default:
			return false
		}
		return true
	})
	return cv
}

func (p *parser) responsesInput(cv *conversation, value []byte) {
	if value[0] == '"' {
		cv.say(false, part{kind: partText, path: p.here(), text: p.text(value)})
		return
	}
	p.array(value, func(item []byte) {
		switch kind := string(scan.Lookup(item, "type")); kind {
		case "", `"message"`:
			p.responsesMessage(cv, item)
		case `"function_call"`:
			cv.say(true, p.responsesCall(item))
		case `"custom_tool_call"`:
			cv.say(true, p.customCall(item))
		case `"function_call_output"`, `"custom_tool_call_output"`:
			cv.say(false, p.responsesResult(item))
		case `"reasoning"`:
			p.responsesThought(cv, item)
		default:
			p.wrong("is of the type " + kind + ", which cannot be carried to a provider that speaks another format")
		}
	})
}

func (p *parser) responsesMessage(cv *conversation, raw []byte) {
	role, parts := string(scan.Lookup(raw, "role")), []part(nil)
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type", "role", "id", "status", "phase":
		case "content":
			parts = p.content(value, p.responsesPart)
		default:
			return false
		}
		return true
	})
	switch role {
	case `"system"`, `"developer"`:
		cv.instruct(p.here(), parts...)
	case `"user"`, `"assistant"`:
		cv.say(role == `"assistant"`, parts...)
	default:
		p.wrong("has the role " + role + "; use system, developer, user or assistant")
	}
}

func (p *parser) responsesPart(raw []byte) part {
	made, kind := part{path: p.here()}, string(scan.Lookup(raw, "type"))
	switch kind {
	case `"input_text"`, `"output_text"`, `"refusal"`:
	case `"input_image"`:
		made.kind = partImage
	case `"input_file"`:
		made.kind = partDocument
	default:
		p.wrong("is of the type " + kind + ", which cannot be carried to a provider that speaks another format")
	}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "prompt_cache_breakpoint":
			p.drop(p.here())
		case "annotations", "logprobs": // of an answer; they say nothing to a model
			if string(value) != "[]" {
				p.drop(p.here())
			}
		case "text", "refusal":
			made.text = p.text(value)
		case "image_url", "file_data", "file_url":
			p.at(&made.media, p.text(value))
		case "detail":
			made.media.detail = p.text(value)
		case "filename":
			made.media.name, made.media.naming = p.text(value), p.here()
		default:
			return false
		}
		return true
	})
	return made
}

func (p *parser) responsesCall(raw []byte) part {
	made, space := part{kind: partCall, path: p.here(), arguments: []byte("{}")}, []byte(nil)
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type", "id", "status", "caller":
		case "call_id":
			made.id = p.text(value)
		case "name":
			made.name = p.text(value)
		case "namespace":
			space = p.text(value)
		case "arguments":
			made.arguments = p.arguments(p.text(value))
		default:
			return false
		}
		return true
	})
	made.name = spaced(space, made.name)
	return made
}

func (p *parser) responsesResult(raw []byte) part {
	made := part{kind: partResult, path: p.here()}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type", "id", "status", "caller":
		case "call_id":
			made.id = p.text(value)
		case "output":
			made.result = p.content(value, p.responsesPart)
		default:
			return false
		}
		return true
	})
	return made
}

// How thoughts that another provider has signed travel as encrypted_content.
const (
	signedThoughts   = "thinking."
	redactedThoughts = "redacted."
)

// responsesThought reads thoughts that this edge has answered with. Those of OpenAI itself only OpenAI can read.
func (p *parser) responsesThought(cv *conversation, raw []byte) {
	sealed := inside(scan.Lookup(raw, "encrypted_content"))
	if data, ok := bytes.CutPrefix(sealed, []byte(redactedThoughts)); ok {
		cv.say(true, part{kind: partRedacted, path: p.here(), text: data})
		return
	}
	signature, ok := bytes.CutPrefix(sealed, []byte(signedThoughts))
	if !ok {
		p.drop(p.here())
		return
	}
	made := part{kind: partThinking, path: p.here(), signature: signature}
	scan.Elements(scan.Lookup(raw, "summary"), func(piece []byte) {
		made.text = append(made.text[:len(made.text):len(made.text)], inside(scan.Lookup(piece, "text"))...)
	})
	cv.say(true, made)
}

// responsesTools reads a tool, or the tools of a namespace.
func (p *parser) responsesTools(ask *Ask, raw []byte) (all []tool) {
	switch string(scan.Lookup(raw, "type")) {
	case `"namespace"`:
		name := inside(scan.Lookup(raw, "name"))
		p.object(raw, func(key string, value []byte) bool {
			switch key {
			case "type", "name":
			case "description": // each tool has its own
				p.drop(p.here())
			case "tools":
				p.array(value, func(raw []byte) {
					one := p.responsesTool(raw)
					one.name = ask.space(name, one.name)
					all = append(all, one)
				})
			default:
				return false
			}
			return true
		})
		return all
	case `"custom"`:
		return []tool{p.customTool(ask, raw)}
	case `"web_search"`, `"web_search_preview"`: // runs at OpenAI: a setting, since the caller has no part in it
		p.lacks(p.here(), true)
		return nil
	default:
		return []tool{p.responsesTool(raw)}
	}
}

// spaceMark stands between a namespace and a tool's name where a format has no namespaces.
const spaceMark = "__"

func spaced(space, name []byte) []byte {
	if len(space) == 0 {
		return name
	}
	return slices.Concat(space, []byte(spaceMark), name)
}

// space notes a tool of a namespace, so that an answer that calls it can be told from others.
func (a *Ask) space(space, name []byte) []byte {
	if len(space) == 0 {
		return name
	}
	whole := spaced(space, name)
	if a.spaces == nil {
		a.spaces = map[string]int{}
	}
	a.spaces[string(whole)] = len(space)
	return whole
}

func (p *parser) responsesTool(raw []byte) tool {
	made := tool{path: p.here()}
	p.object(raw, func(key string, value []byte) bool {
		if key == "type" {
			p.neutral(value, `"function"`)
			return true
		}
		return p.function(&made, key, value) || p.toolExtra(key)
	})
	return made
}

func (p *parser) responsesChoice(cv *conversation, value []byte) {
	if p.choose(cv, value) {
		return
	}
	if string(scan.Lookup(value, "type")) == `"allowed_tools"` {
		p.chooseSome(cv, value, func(raw []byte) []byte { return inside(scan.Lookup(raw, "name")) })
		return
	}
	var space []byte
	p.object(value, func(key string, value []byte) bool {
		switch key {
		case "type":
			p.neutral(value, `"function"`, `"custom"`)
		case "name":
			cv.choice.name = p.text(value)
		case "namespace":
			space = p.text(value)
		default:
			return false
		}
		return true
	})
	cv.choice.name = spaced(space, cv.choice.name)
}

// responsesInclude reads what an answer is to have besides.
func (p *parser) responsesInclude(cv *conversation, what []byte) {
	switch string(what) {
	case `"reasoning.encrypted_content"`: // it always has
	case `"message.output_text.logprobs"`:
		cv.set(optOdds, p.here(), []byte("true"))
	default: // of tools that run at OpenAI
		p.drop(p.here())
	}
}

func (p *parser) responsesReasoning(cv *conversation, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "effort":
			cv.set(optEffort, p.here(), p.text(value))
		case "summary", "generate_summary", "context":
			p.drop(p.here())
		case "mode":
			p.neutral(value, `"standard"`)
		default:
			return false
		}
		return true
	})
}

func (p *parser) responsesText(cv *conversation, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "verbosity":
			p.verbosity(cv, value)
		case "format":
			cv.shape.strict = strictNever
			p.object(value, func(key string, value []byte) bool {
				switch key {
				case "type":
					p.neutral(value, `"text"`, `"json_schema"`, `"json_object"`)
					if string(value) == `"json_object"` {
						cv.set(optJSON, p.here(), []byte("true"))
					}
				case "schema":
					cv.set(optSchema, p.here(), value)
				default:
					return p.shaped(cv, key, value)
				}
				return true
			})
		default:
			return false
		}
		return true
	})
}
