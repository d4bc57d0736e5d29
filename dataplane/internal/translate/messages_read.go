package translate

import "tollgate.dev/dataplane/internal/scan"

// readMessages reads a request of Anthropic's Messages (https://docs.anthropic.com/en/api/messages).
func readMessages(p *parser, _ *Ask, body []byte) *conversation {
	cv := &conversation{}
	var mark []byte
	p.object(body, func(key string, value []byte) bool {
		switch key {
		case "model", "stream", "max_tokens": // read by Ask
		case "system":
			cv.system = p.content(value, p.block)
		case "messages":
			p.array(value, func(message []byte) { p.messagesMessage(cv, message) })
		case "tools":
			p.array(value, func(raw []byte) { cv.tools = append(cv.tools, p.messagesTool(raw)) })
		case "tool_choice":
			p.messagesChoice(cv, value)
		case "temperature":
			cv.set(optTemperature, p.here(), p.number(value))
		case "top_p":
			cv.set(optTopP, p.here(), p.number(value))
		case "top_k":
			cv.set(optTopK, p.here(), p.number(value))
		case "stop_sequences":
			p.array(value, func(each []byte) { p.text(each) })
			cv.set(optStop, p.here(), value)
		case "metadata":
			cv.set(optUser, p.here()+".user_id", p.messagesUser(value))
		case "thinking":
			p.messagesThinking(cv, value)
		case "output_config":
			p.messagesOutput(cv, value)
		case "service_tier":
			p.messagesTier(cv, value)
		case "context_management":
			p.messagesContext(value)
		case "output_format": // as output_config.format was called
			p.messagesFormat(cv, value)
		case "cache_control":
			mark = value
		case "speed":
			p.neutral(value, `"standard"`)
		case "diagnostics":
			p.drop(p.here())
		default:
			return false
		}
		return true
	})
	if n := len(cv.turns); n > 0 { // what marks the whole marks its last block
		cv.turns[n-1].parts = marked(cv.turns[n-1].parts, mark)
	}
	return cv
}

// messagesTier reads whether only capacity that nobody has booked is used, which is what others call the default.
func (p *parser) messagesTier(cv *conversation, value []byte) {
	switch string(value) {
	case `"auto"`:
	case `"standard_only"`:
		cv.set(optTier, p.here(), []byte("default"))
	default:
		p.wrong("must be auto or standard_only")
	}
}

func (p *parser) messagesUser(raw []byte) (user []byte) {
	p.object(raw, func(key string, value []byte) bool {
		if key != "user_id" {
			return false
		}
		user = p.text(value)
		return true
	})
	return user
}

func (p *parser) messagesMessage(cv *conversation, raw []byte) {
	role := string(scan.Lookup(raw, "role"))
	if role != `"user"` && role != `"assistant"` && role != `"system"` {
		p.wrong("has the role " + role + "; use user, assistant or system")
	}
	path := p.here()
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "role":
		case "content":
			if role == `"system"` {
				cv.instruct(path, p.content(value, p.block)...)
			} else {
				cv.say(role == `"assistant"`, p.content(value, p.block)...)
			}
		default:
			return false
		}
		return true
	})
}

func (p *parser) block(raw []byte) part {
	made := part{path: p.here()}
	kind := string(scan.Lookup(raw, "type"))
	switch kind {
	case `"tool_reference"`:
		return p.toolReference(made, raw)
	case `"tool_addition"`, `"tool_removal"`:
		return p.toolChange(made, kind, raw)
	case `"search_result"`, `"mid_conv_system"`:
		return p.textBlock(made, kind, raw)
	}
	var ok bool
	if made.kind, ok = blockKind(kind); !ok {
		p.wrong("is of the type " + kind + ", which cannot be carried to a provider that speaks another format")
		return made
	}
	if made.kind == partCall {
		made.arguments = []byte("{}")
	}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "citations":
			p.citations(value)
		case "cache_control":
			made.cache = value
		case "text", "thinking", "data":
			made.text = p.text(value)
		case "signature":
			made.signature = p.text(value)
		case "source":
			p.messagesSource(&made, value)
		case "title":
			made.media.name, made.media.naming = p.text(value), p.here()
		case "id", "tool_use_id":
			made.id = p.text(value)
		case "name":
			made.name = p.text(value)
		case "input":
			if made.arguments = value; value[0] != '{' {
				p.wrong("must be an object")
			}
		case "content":
			made.result = p.content(value, p.block)
		case "is_error":
			made.failed = p.flag(value)
		case "caller": // who called: the model itself, where it runs no programs
		default:
			return false
		}
		return true
	})
	return made
}

// messagesContext takes the clearing of old thoughts, which do not go to other providers at all.
func (p *parser) messagesContext(raw []byte) {
	path := p.here()
	p.object(raw, func(key string, value []byte) bool {
		if key != "edits" {
			return false
		}
		p.array(value, func(edit []byte) {
			if string(scan.Lookup(edit, "type")) != `"clear_thinking_20251015"` {
				p.lacks(path, true)
			}
		})
		return true
	})
}

// citations takes those that an answer had, which say nothing to a model, and refuses to ask for them: no other format has a place for them.
func (p *parser) citations(value []byte) {
	switch {
	case value[0] == '[':
		p.drop(p.here())
	case string(scan.Lookup(value, "enabled")) == "true":
		p.lacks(p.here(), false)
	}
}

func blockKind(kind string) (partKind, bool) {
	switch kind {
	case `"text"`:
		return partText, true
	case `"image"`:
		return partImage, true
	case `"document"`:
		return partDocument, true
	case `"tool_use"`:
		return partCall, true
	case `"tool_result"`:
		return partResult, true
	case `"thinking"`:
		return partThinking, true
	case `"redacted_thinking"`:
		return partRedacted, true
	default:
		return partText, false
	}
}

func (p *parser) messagesSource(into *part, raw []byte) {
	kind := string(scan.Lookup(raw, "type"))
	p.object(raw, func(key string, value []byte) bool {
		switch {
		case key == "type":
			p.neutral(value, `"base64"`, `"url"`, `"text"`)
		case key == "media_type":
			into.media.kind = p.text(value)
		case key == "data" && kind == `"text"`:
			into.kind, into.text = partText, p.text(value)
		case key == "data":
			into.media.base64 = p.text(value)
		case key == "url":
			p.at(&into.media, p.text(value))
		default:
			return false
		}
		return true
	})
}

func (p *parser) messagesTool(raw []byte) tool {
	made := tool{path: p.here()}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
			p.neutral(value, `"custom"`)
		case "name":
			made.name = p.text(value)
		case "description":
			made.description = p.text(value)
		case "input_schema":
			made.schema = value
		case "strict":
			made.strict = p.flag(value)
		case "cache_control":
			made.cache = value
		case "eager_input_streaming", "defer_loading", "input_examples": // the provider is told of each tool from the begin
			p.drop(p.here())
		case "allowed_callers":
			p.neutral(value, `["direct"]`)
		default:
			return false
		}
		return true
	})
	return made
}

func (p *parser) messagesChoice(cv *conversation, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
			switch string(value) {
			case `"auto"`:
				cv.choice.kind = choiceAuto
			case `"any"`:
				cv.choice.kind = choiceAny
			case `"tool"`:
				cv.choice.kind = choiceNamed
			case `"none"`:
				cv.choice.kind = choiceNever
			default:
				p.wrong("must be auto, any, tool or none")
			}
		case "name":
			cv.choice.name = p.text(value)
		case "disable_parallel_tool_use":
			cv.choice.one, cv.choice.path = p.flag(value), p.here()
		default:
			return false
		}
		return true
	})
}

func (p *parser) messagesThinking(cv *conversation, raw []byte) {
	path, kind := p.here(), string(scan.Lookup(raw, "type"))
	switch kind {
	case `"disabled"`:
		cv.set(optEffort, path, []byte("none"))
	case `"adaptive"`:
		cv.defaultEffort(path, "high")
	case `"enabled"`:
		budget := scan.Lookup(raw, "budget_tokens")
		n, counted := scan.Int(budget)
		cv.defaultEffort(path, effortOf(n))
		if counted {
			cv.set(optBudget, path, budget)
		}
	default:
		p.wrong("must have the type enabled, adaptive or disabled")
	}
	p.object(raw, func(key string, _ []byte) bool {
		if key == "display" {
			p.drop(p.here())
		}
		return key == "type" || key == "budget_tokens" || key == "display"
	})
}

// defaultEffort sets the effort unless the caller has named one.
func (cv *conversation) defaultEffort(path, effort string) {
	if cv.options[optEffort].value == nil {
		cv.set(optEffort, path, []byte(effort))
	}
}

// effortOf is the effort that a number of tokens to think stands for.
func effortOf(tokens int64) string {
	switch {
	case tokens <= 2048:
		return "low"
	case tokens <= 8192:
		return "medium"
	default:
		return "high"
	}
}

func (p *parser) messagesOutput(cv *conversation, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "effort":
			if string(cv.options[optEffort].value) != "none" {
				cv.set(optEffort, p.here(), p.text(value))
			}
		case "format":
			p.messagesFormat(cv, value)
		default:
			return false
		}
		return true
	})
}

func (p *parser) messagesFormat(cv *conversation, raw []byte) {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
			p.neutral(value, `"json_schema"`)
		case "schema":
			cv.set(optSchema, p.here(), value)
		default:
			return false
		}
		return true
	})
}

// appendMember appends a member whose value is the inside of a string.
func appendMember(dst []byte, name string, inside []byte) []byte {
	dst = append(append(append(dst, ',', '"'), name...), `":"`...)
	return append(append(dst, inside...), '"')
}
