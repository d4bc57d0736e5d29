package translate

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
)

// appendMessages appends the conversation as a request of Anthropic's Messages (https://docs.anthropic.com/en/api/messages).
// Anthropic wants a limit of output.
func (p *parser) appendMessages(dst []byte, cv *conversation, to *destination) []byte {
	p.settleForClaude(cv, to.target.Model)
	limit := cmp.Or(to.limit, int64(to.price.MaxOutputTokens), DefaultMaxOutput)
	if isVertex(to.target) {
		dst = append(append(dst, '{'), vertexVersion...)
	} else {
		dst = refusal.AppendString(append(dst, `{"model":`...), to.target.Model)
	}
	dst = strconv.AppendInt(append(dst, `,"max_tokens":`...), limit, 10)
	if to.stream {
		dst = append(dst, `,"stream":true`...)
	}
	if len(cv.system) > 0 {
		dst = append(dst, `,"system":[`...)
		dst = p.appendBlocks(dst, cv.system)
		dst = append(dst, ']')
	}
	dst = append(dst, `,"messages":[`...)
	for i, turn := range cv.turns {
		dst = comma(dst, i)
		dst = append(dst, `{"role":"`...)
		dst = append(dst, sideName(turn.assistant)...)
		dst = append(dst, `","content":[`...)
		dst = p.appendBlocks(dst, ordered(turn))
		dst = append(dst, `]}`...)
	}
	dst = append(dst, ']')
	dst = p.appendMessagesTools(dst, cv)
	dst = p.appendMessagesOptions(dst, cv, to.target, limit)
	return append(dst, '}')
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}

func sideName(assistant bool) string {
	if assistant {
		return "assistant"
	}
	return "user"
}

// ordered puts results of tools first: Anthropic wants them before anything else that the user says.
func ordered(t turn) []part {
	if t.assistant {
		return t.parts
	}
	var results, others []part
	for _, each := range t.parts {
		if each.kind == partResult {
			results = append(results, each)
		} else {
			others = append(others, each)
		}
	}
	return append(results, others...)
}

func (p *parser) appendBlocks(dst []byte, parts []part) []byte {
	wrote := 0
	for i := range parts {
		each := &parts[i]
		if each.kind == partThinking && isForeign(each.signature) {
			p.drop(each.path) // Anthropic takes its own thoughts alone, and has signed them
			continue
		}
		if each.kind != partText || len(each.text) > 0 { // Anthropic refuses empty texts
			dst = comma(dst, wrote)
			dst = p.appendBlock(dst, each)
			wrote++
		}
	}
	return dst
}

func (p *parser) appendBlock(dst []byte, b *part) []byte {
	switch b.kind {
	case partText:
		dst = appendMember(append(dst, `{"type":"text"`...), "text", b.text)
	case partImage:
		if string(b.media.detail) == "low" || string(b.media.detail) == "high" {
			p.drop(b.path + ".detail")
		}
		dst = p.appendSource(append(dst, `{"type":"image","source":`...), b)
	case partDocument:
		dst = p.appendSource(append(dst, `{"type":"document","source":`...), b)
		if b.media.name != nil {
			dst = appendMember(dst, "title", b.media.name)
		}
	case partCall:
		dst = appendMember(appendMember(append(dst, `{"type":"tool_use"`...), "id", b.id), "name", b.name)
		dst = append(append(dst, `,"input":`...), b.arguments...)
	case partResult:
		dst = appendMember(append(dst, `{"type":"tool_result"`...), "tool_use_id", b.id)
		dst = append(dst, `,"content":[`...)
		dst = append(p.appendBlocks(dst, b.result), ']')
		if b.failed {
			dst = append(dst, `,"is_error":true`...)
		}
	case partThinking:
		dst = appendMember(appendMember(append(dst, `{"type":"thinking"`...), "thinking", b.text), "signature", b.signature)
	case partRedacted:
		dst = appendMember(append(dst, `{"type":"redacted_thinking"`...), "data", b.text)
	case partAudio:
		p.refuse(b.path, "is sound, which the provider's format does not have")
	}
	if b.cache != nil {
		dst = append(append(dst, `,"cache_control":`...), b.cache...)
	}
	return append(dst, '}')
}

func (p *parser) appendSource(dst []byte, b *part) []byte {
	if b.media.base64 != nil {
		dst = appendMember(append(dst, `{"type":"base64"`...), "media_type", b.media.kind)
		return append(appendMember(dst, "data", b.media.base64), '}')
	}
	if !bytes.HasPrefix(b.media.url, []byte("https://")) && !bytes.HasPrefix(b.media.url, []byte("http://")) {
		p.refuse(b.path, "must be a data URL or begin with https://")
	}
	dst = append(dst, `{"type":"url","url":`...)
	return append(refusal.AppendString(dst, string(b.media.url)), '}')
}

func (p *parser) appendMessagesTools(dst []byte, cv *conversation) []byte {
	if len(cv.tools) == 0 {
		return dst
	}
	dst = append(dst, `,"tools":[`...)
	for i := range cv.tools {
		t := &cv.tools[i]
		dst = comma(dst, i)
		dst = append(append(append(dst, `{"name":"`...), t.name...), '"')
		if t.description != nil {
			dst = appendMember(dst, "description", t.description)
		}
		dst = append(dst, `,"input_schema":`...)
		if t.schema == nil {
			dst = append(dst, `{"type":"object","properties":{}}`...)
		} else if t.strict {
			dst = (&closing{p, t.path}).schema(dst, t.schema)
		} else {
			dst = append(dst, t.schema...)
		}
		if t.strict {
			dst = append(dst, `,"strict":true`...)
		}
		if t.cache != nil {
			dst = append(append(dst, `,"cache_control":`...), t.cache...)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, ']')
	if cv.choice.kind == choiceNone && !cv.choice.one {
		return dst
	}
	dst = append(dst, `,"tool_choice":{"type":"`...)
	switch cv.choice.kind {
	case choiceAny:
		dst = append(dst, `any"`...)
	case choiceNever:
		return append(dst, `none"}`...)
	case choiceNamed:
		dst = appendMember(append(dst, `tool"`...), "name", cv.choice.name)
	default:
		dst = append(dst, `auto"`...)
	}
	if cv.choice.one {
		dst = append(dst, `,"disable_parallel_tool_use":true`...)
	}
	return append(dst, '}')
}

func (p *parser) appendMessagesOptions(dst []byte, cv *conversation, to *state.Target, limit int64) []byte {
	for kind := range cv.options {
		o := cv.options[kind]
		if o.value == nil {
			continue
		}
		switch optionKind(kind) {
		case optTemperature:
			dst = append(append(dst, `,"temperature":`...), o.value...)
		case optTopP:
			dst = append(append(dst, `,"top_p":`...), o.value...)
		case optTopK:
			dst = append(append(dst, `,"top_k":`...), o.value...)
		case optStop:
			dst = append(append(dst, `,"stop_sequences":`...), o.value...)
		case optUser:
			dst = append(append(append(dst, `,"metadata":{"user_id":"`...), o.value...), `"}`...)
		case optFrequency, optPresence:
			if string(o.value) != "0" && string(o.value) != "0.0" {
				p.lacks(o.path, true)
			}
		case optTier:
			if p.onlyDefault(o); !isVertex(to) { // which has no other
				dst = append(dst, `,"service_tier":"standard_only"`...)
			}
		case optEffort, optBudget, optSchema: // below
		default:
			if optionKind(kind) != optJSON || cv.options[optSchema].value == nil { // a schema says it too
				p.lacks(o.path, true)
			}
		}
	}
	return p.appendMessagesThinking(dst, cv, to.Model, limit)
}

// thinkTokens is how many tokens an effort stands for where a number is wanted; 0: it is no effort.
func thinkTokens(effort string) int64 {
	switch effort {
	case "minimal":
		return 1024
	case "low":
		return 2048
	case "medium":
		return 8192
	case "high":
		return 16384
	case "xhigh":
		return 32768
	case "max":
		return 65536
	default:
		return 0
	}
}

// budgetOf is how many tokens may be thought: the caller's own number, or what its effort stands for.
func budgetOf(cv *conversation) int64 {
	if n, ok := scan.Int(cv.options[optBudget].value); ok {
		return n
	}
	return thinkTokens(string(cv.options[optEffort].value))
}

func (p *parser) appendMessagesThinking(dst []byte, cv *conversation, model string, limit int64) []byte {
	effort, schema := cv.options[optEffort], cv.options[optSchema]
	name := string(effort.value)
	config := ""
	switch {
	case effort.value == nil:
	case name == "none":
		dst = append(dst, `,"thinking":{"type":"disabled"}`...)
	case thinkTokens(name) == 0:
		p.refuse(effort.path, "must be none, minimal, low, medium, high, xhigh or max")
	case thinksByBudget(model):
		budget := min(budgetOf(cv), limit-1)
		if budget < 1024 {
			p.refuse(effort.path, "needs a limit of output of more than 1024 tokens at this model")
		}
		dst = strconv.AppendInt(append(dst, `,"thinking":{"type":"enabled","budget_tokens":`...), budget, 10)
		dst = append(dst, '}')
	default:
		if !cv.mustCall() { // beside which no thoughts are had
			dst = append(dst, `,"thinking":{"type":"adaptive"}`...)
		}
		config = `"effort":"` + strings.Replace(name, "minimal", "low", 1) + `"`
	}
	if config == "" && schema.value == nil {
		return dst
	}
	dst = append(append(dst, `,"output_config":{`...), config...)
	if schema.value != nil {
		if config != "" {
			dst = append(dst, ',')
		}
		dst = (&closing{p, schema.path}).schema(append(dst, `"format":{"type":"json_schema","schema":`...), schema.value)
		dst = append(dst, '}')
		p.dropNote(cv)
	}
	return append(dst, '}')
}
