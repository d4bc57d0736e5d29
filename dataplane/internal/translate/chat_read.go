package translate

import (
	"bytes"

	"tollgate.dev/dataplane/internal/scan"
)

// readChat reads a request of OpenAI's Chat Completions (https://platform.openai.com/docs/api-reference/chat/create).
func readChat(p *parser, _ *Ask, body []byte) *conversation {
	cv := &conversation{}
	p.object(body, func(key string, value []byte) bool {
		switch key {
		case "model", "stream", "max_tokens", "max_completion_tokens", "metadata": // read by Ask, labels by the pipeline
		case "stream_options":
			p.streamOptions(value)
		case "messages":
			p.array(value, func(message []byte) { p.chatMessage(cv, message) })
		case "tools":
			p.array(value, func(raw []byte) { cv.tools = append(cv.tools, p.chatTool(raw)) })
		case "tool_choice":
			p.chatChoice(cv, value)
		case "parallel_tool_calls":
			cv.choice.one, cv.choice.path = !p.flag(value), p.here()
		case "temperature":
			cv.set(optTemperature, p.here(), p.number(value))
		case "top_p":
			cv.set(optTopP, p.here(), p.number(value))
		case "n":
			p.choices(cv, value)
		case "logprobs":
			p.odds(cv, value)
		case "top_logprobs":
			p.likeliest(cv, value)
		case "service_tier":
			p.tier(cv, value)
		case "verbosity":
			p.verbosity(cv, value)
		case "seed":
			cv.set(optSeed, p.here(), p.number(value))
		case "frequency_penalty":
			cv.set(optFrequency, p.here(), p.number(value))
		case "presence_penalty":
			cv.set(optPresence, p.here(), p.number(value))
		case "stop":
			p.chatStop(cv, value)
		case "reasoning_effort":
			cv.set(optEffort, p.here(), p.text(value))
		case "response_format":
			p.chatFormat(cv, value)
		case "user", "safety_identifier":
			cv.set(optUser, p.here(), p.text(value))
		case "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "prediction": // the answer is the same without, and later
			p.drop(p.here())
		default:
			return p.chatNeutral(key, value)
		}
		return true
	})
	return cv
}

// chatNeutral takes settings that say what happens anyway.
func (p *parser) chatNeutral(key string, value []byte) bool {
	switch key {
	case "store":
		p.neutral(value, "false")
	case "modalities":
		p.neutral(value, `["text"]`)
	case "logit_bias":
		p.neutral(value, "{}")
	default:
		return false
	}
	return true
}

func (p *parser) chatMessage(cv *conversation, raw []byte) {
	switch role := scan.Lookup(raw, "role"); string(role) {
	case `"system"`, `"developer"`:
		cv.instruct(p.here(), p.chatParts(raw)...)
	case `"user"`:
		cv.say(false, p.chatParts(raw)...)
	case `"assistant"`:
		p.chatAssistant(cv, raw)
	case `"tool"`:
		p.chatResult(cv, raw)
	default:
		p.wrong("has the role " + string(role) + ", which cannot be carried; use system, user, assistant or tool")
	}
}

// chatParts reads what a message says. Its role has been read.
func (p *parser) chatParts(raw []byte) (parts []part) {
	var mark []byte
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "content":
			parts = p.content(value, p.chatPart)
		case "cache_control":
			mark = value
		case "role":
		case "name": // nobody else tells one user from another
			p.drop(p.here())
		default:
			return false
		}
		return true
	})
	return marked(parts, mark)
}

// marked puts the mark for Anthropic's cache that some clients set on a whole message where that message ends.
func marked(parts []part, mark []byte) []part {
	if n := len(parts); n > 0 && mark != nil {
		parts[n-1].cache = mark
	}
	return parts
}

func (p *parser) chatPart(raw []byte) part {
	made := part{path: p.here()}
	kind := string(scan.Lookup(raw, "type"))
	p.object(raw, func(key string, value []byte) bool {
		switch {
		case key == "type":
		case key == "cache_control":
			made.cache = value
		case key == "prompt_cache_breakpoint":
			p.drop(p.here())
		case kind == `"text"` && key == "text", kind == `"refusal"` && key == "refusal":
			made.kind, made.text = partText, p.text(value)
		case kind == `"image_url"` && key == "image_url":
			made.kind = partImage
			p.chatImage(&made.media, value)
		case kind == `"input_audio"` && key == "input_audio":
			made.kind = partAudio
			p.chatAudio(&made.media, value)
		case kind == `"file"` && key == "file":
			made.kind = partDocument
			p.chatFile(&made.media, value)
		default:
			return false
		}
		return true
	})
	return made
}

func (p *parser) chatImage(m *media, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "url":
			p.at(m, p.text(value))
		case "detail":
			m.detail = p.text(value)
		default:
			return false
		}
		return true
	})
}

func (p *parser) chatAudio(m *media, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "data":
			m.base64 = p.text(value)
		case "format":
			m.kind = append([]byte("audio/"), p.text(value)...)
		default:
			return false
		}
		return true
	})
}

func (p *parser) chatFile(m *media, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "file_data":
			p.at(m, p.text(value))
		case "filename":
			m.name, m.naming = p.text(value), p.here()
		default:
			return false
		}
		return true
	})
}

// at takes a place: a data URL holds the bytes themselves. Its parts are written as they are, so that nothing may be in them that ends a string.
func (p *parser) at(m *media, url []byte) {
	if scan.HasEscape(url) {
		url = scan.Unescape(nil, url)
	}
	rest, ok := bytes.CutPrefix(url, []byte("data:"))
	if !ok {
		m.url = url
		return
	}
	if bytes.ContainsFunc(rest, func(r rune) bool { return r == '"' || r == '\\' || r < ' ' }) {
		p.wrong("must be a data URL such as data:image/png;base64,iVBOR")
		return
	}
	m.kind, m.base64, _ = bytes.Cut(rest, []byte(";base64,"))
}

func (p *parser) chatAssistant(cv *conversation, raw []byte) {
	var thoughts, parts, calls []part
	var mark []byte
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "role":
		case "name":
			p.drop(p.here())
		case "content":
			parts = append(parts, p.content(value, p.chatPart)...)
		case "refusal":
			parts = append(parts, part{kind: partText, path: p.here(), text: p.text(value)})
		case "reasoning_content", "reasoning":
			p.drop(p.here()) // unsigned thoughts are not a provider's own; signed ones are in reasoning_details
		case "reasoning_details":
			p.array(value, func(raw []byte) { thoughts = append(thoughts, p.chatThought(raw)) })
		case "tool_calls":
			p.array(value, func(raw []byte) { calls = append(calls, p.chatCall(raw)) })
		case "annotations":
			p.drop(p.here())
		case "cache_control":
			mark = value
		default:
			return false
		}
		return true
	})
	cv.say(true, marked(append(append(thoughts, parts...), calls...), mark)...)
}

// chatThought reads one of the reasoning_details that this edge has answered with: signed thoughts, in the shape that OpenRouter gave them.
func (p *parser) chatThought(raw []byte) part {
	made := part{kind: partThinking, path: p.here()}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
			if string(value) == `"reasoning.encrypted"` {
				made.kind = partRedacted
			}
		case "text", "data":
			made.text = p.text(value)
		case "signature":
			made.signature = p.text(value)
		case "format", "index", "id":
		default:
			return false
		}
		return true
	})
	return made
}

func (p *parser) chatCall(raw []byte) part {
	made := part{kind: partCall, path: p.here(), arguments: []byte("{}")}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "id":
			made.id = p.text(value)
		case "type":
			p.neutral(value, `"function"`)
		case "index":
		case "cache_control":
			made.cache = value
		case "function":
			p.object(value, func(key string, value []byte) bool {
				switch key {
				case "name":
					made.name = p.text(value)
				case "arguments":
					made.arguments = p.arguments(p.text(value))
				default:
					return false
				}
				return true
			})
		default:
			return false
		}
		return true
	})
	return made
}

// arguments returns the JSON that a string holds.
func (p *parser) arguments(text []byte) []byte {
	json := unescaped(text)
	if json[0] != '{' || !scan.Valid(json) {
		p.wrong("must be a JSON object written as a string")
	}
	return json
}

func (p *parser) chatResult(cv *conversation, raw []byte) {
	made := part{kind: partResult, path: p.here()}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "role", "name":
		case "tool_call_id":
			made.id = p.text(value)
		case "content":
			made.result = p.content(value, p.chatPart)
		case "cache_control":
			made.cache = value
		default:
			return false
		}
		return true
	})
	cv.say(false, made)
}

func (p *parser) chatTool(raw []byte) tool {
	made := tool{path: p.here()}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
			p.neutral(value, `"function"`)
		case "cache_control":
			made.cache = value
		case "function":
			p.object(value, func(key string, value []byte) bool { return p.function(&made, key, value) })
		default:
			return false
		}
		return true
	})
	return made
}

func (p *parser) chatChoice(cv *conversation, value []byte) {
	if p.choose(cv, value) {
		return
	}
	if string(scan.Lookup(value, "type")) == `"allowed_tools"` {
		p.object(value, func(key string, value []byte) bool {
			if key == "allowed_tools" {
				p.chooseSome(cv, value, func(raw []byte) []byte { return inside(scan.Lookup(scan.Lookup(raw, "function"), "name")) })
			}
			return key == "allowed_tools" || key == "type"
		})
		return
	}
	p.object(value, func(key string, value []byte) bool {
		switch key {
		case "type":
			p.neutral(value, `"function"`)
		case "function":
			cv.choice.name = p.text(scan.Lookup(value, "name"))
		default:
			return false
		}
		return true
	})
}

func (p *parser) chatStop(cv *conversation, value []byte) {
	if value[0] == '"' {
		value = append(append([]byte("["), value...), ']')
	}
	p.array(value, func(each []byte) { p.text(each) })
	cv.set(optStop, p.here(), value)
}

func (p *parser) chatFormat(cv *conversation, value []byte) {
	kind, path := string(scan.Lookup(value, "type")), p.here()
	p.object(value, func(key string, value []byte) bool {
		switch {
		case key == "type":
			p.neutral(value, `"text"`, `"json_schema"`, `"json_object"`)
			if kind == `"json_object"` {
				cv.set(optJSON, p.here(), []byte("true"))
			}
		case key == "json_schema" && kind == `"json_schema"`:
			cv.shape.strict = strictNever
			p.object(value, func(key string, value []byte) bool {
				if key == "schema" {
					cv.set(optSchema, path, value)
					return true
				}
				return p.shaped(cv, key, value)
			})
		default:
			return false
		}
		return true
	})
}
