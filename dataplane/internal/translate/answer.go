package translate

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// finishKind is why a model stopped.
type finishKind uint8

const (
	finishStop     finishKind = iota // it had said everything
	finishSequence                   // it came to a sequence at which the caller wanted it to stop
	finishLength                     // it came to a limit
	finishCalls                      // it calls tools
	finishFiltered                   // its provider does not let it answer
	finishBroken                     // it called a tool in a way that cannot be read: there is no answer
)

// answer is what a model answered, whatever API it came by. Its slices are pieces of the provider's body.
type answer struct {
	id    []byte
	model []byte
	alternative
	others []alternative // where several answers were asked for
}

// errAnswer says that an answer is not what the provider's API defines.
var errAnswer = errors.New("the answer is not what the API defines")

// inside returns the inside of a string; nil: it is none.
func inside(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}

func readMessagesAnswer(_ *reply, body []byte) (a answer, err error) {
	scan.Each(body, func(key, value []byte) {
		switch string(key) {
		case "id":
			a.id = inside(value)
		case "model":
			a.model = inside(value)
		case "content":
			scan.Elements(value, func(raw []byte) { a.parts = append(a.parts, messagesPart(raw)...) })
		case "stop_reason":
			a.finish = messagesFinish(inside(value))
		case "stop_sequence":
			a.stop = inside(value)
		}
	})
	return a, nil
}

// messagesPart reads a block; of one that no other format has nothing is left.
func messagesPart(raw []byte) []part {
	kind, ok := blockKind(string(scan.Lookup(raw, "type")))
	if !ok {
		return nil
	}
	made := part{kind: kind}
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "text", "thinking", "data":
			made.text = inside(value)
		case "signature":
			made.signature = inside(value)
		case "id":
			made.id = inside(value)
		case "name":
			made.name = inside(value)
		case "input":
			made.arguments = value
		}
	})
	made.arguments = objectOr(made.arguments)
	return []part{made}
}

func messagesFinish(reason []byte) finishKind {
	switch string(reason) {
	case "stop_sequence":
		return finishSequence
	case "max_tokens", "model_context_window_exceeded":
		return finishLength
	case "tool_use":
		return finishCalls
	case "refusal":
		return finishFiltered
	default:
		return finishStop
	}
}

func readChatAnswer(_ *reply, body []byte) (a answer, err error) {
	n := 0
	scan.Each(body, func(key, value []byte) {
		switch string(key) {
		case "id":
			a.id = inside(value)
		case "model":
			a.model = inside(value)
		case "choices":
			scan.Elements(value, func(choice []byte) {
				one, ok := readChatChoice(choice)
				if !ok {
					err = errAnswer
				}
				if n++; n == 1 {
					a.alternative = one
				} else {
					a.others = append(a.others, one)
				}
			})
		}
	})
	if n == 0 {
		err = errAnswer
	}
	return a, err
}

// readChatChoice reads one of several answers, and says whether it is sound.
func readChatChoice(choice []byte) (a alternative, sound bool) {
	sound = true
	a.finish = chatFinish(inside(scan.Lookup(choice, "finish_reason")))
	message := scan.Lookup(choice, "message")
	if thoughts := chatThoughts(message); len(thoughts) > 0 {
		a.parts = append(a.parts, part{kind: partThinking, text: thoughts})
	}
	scan.Each(message, func(key, value []byte) {
		switch string(key) {
		case "content", "refusal":
			chatPieces(value, func(kind partKind, text []byte) { a.parts = append(a.parts, part{kind: kind, text: text}) })
			if string(key) == "refusal" && len(inside(value)) > 0 {
				a.finish = finishFiltered
			}
		case "tool_calls":
			scan.Elements(value, func(raw []byte) {
				made, ok := answeredCall(raw)
				sound = sound && ok
				a.parts = append(a.parts, made)
			})
		}
	})
	a.parts = withOdds(a.parts, chatOdds(choice))
	return a, sound
}

// chatThoughts returns the unsigned thoughts of a message, which compatible servers tell under either name, or under both.
func chatThoughts(message []byte) []byte {
	if thoughts := inside(scan.Lookup(message, "reasoning_content")); len(thoughts) > 0 {
		return thoughts
	}
	return inside(scan.Lookup(message, "reasoning"))
}

// chatPieces hands out the texts of content and, where it comes in Mistral's chunks, the thoughts.
func chatPieces(content []byte, do func(kind partKind, text []byte)) {
	if text := inside(content); len(text) > 0 {
		do(partText, text)
	}
	scan.Elements(content, func(chunk []byte) {
		if text := inside(scan.Lookup(chunk, "text")); len(text) > 0 {
			do(partText, text)
		}
		scan.Elements(scan.Lookup(chunk, "thinking"), func(thought []byte) {
			if text := inside(scan.Lookup(thought, "text")); len(text) > 0 {
				do(partThinking, text)
			}
		})
	})
}

// answeredCall reads a call in OpenAI's shape. Its arguments are an object, mostly written as a string; else it is not sound.
func answeredCall(raw []byte) (made part, sound bool) {
	function := scan.Lookup(raw, "function")
	made = part{kind: partCall, id: inside(scan.Lookup(raw, "id")), name: inside(scan.Lookup(function, "name")), arguments: scan.Lookup(function, "arguments")}
	if len(made.arguments) == 0 || made.arguments[0] != '{' {
		made.arguments = unescaped(inside(made.arguments))
	}
	return made, made.arguments[0] == '{' && scan.Valid(made.arguments)
}

// objectOr returns the arguments, or an empty object where they are none.
func objectOr(arguments []byte) []byte {
	if len(arguments) == 0 || arguments[0] != '{' {
		return []byte("{}")
	}
	return arguments
}

// unescaped returns the arguments that the inside of a string holds; of none, an empty object.
func unescaped(text []byte) []byte {
	json := bytes.TrimSpace(scan.Unescape(nil, text))
	if len(json) == 0 {
		return []byte("{}")
	}
	return json
}

func chatFinish(reason []byte) finishKind {
	switch string(reason) {
	case "length":
		return finishLength
	case "tool_calls", "function_call":
		return finishCalls
	case "content_filter":
		return finishFiltered
	default:
		return finishStop
	}
}

// appendChatAnswer appends the answer in the shape of OpenAI's Chat Completions.
func appendChatAnswer(dst []byte, a *answer, to *reply, used *wire.Tokens) []byte {
	dst = appendChatHead(dst, "chat.completion", a.id, a.model, to.now)
	dst = append(dst, `,"choices":[`...)
	a.all(func(index int, s *alternative) { dst = appendChatChoice(comma(dst, index), index, s) })
	dst = appendChatTier(append(dst, ']'), used)
	return append(appendChatUsage(append(dst, `,"usage":`...), used), '}')
}

func appendChatChoice(dst []byte, index int, a *alternative) []byte {
	dst = append(strconv.AppendInt(append(dst, `{"index":`...), int64(index), 10), `,"message":{"role":"assistant","content":`...)
	dst = appendTexts(dst, a.parts)
	dst = append(dst, `,"refusal":null`...)
	dst = appendChatThoughts(dst, a.parts)
	calls := 0
	for i := range a.parts {
		if b := &a.parts[i]; b.kind == partCall {
			if calls == 0 {
				dst = append(dst, `,"tool_calls":[`...)
			}
			dst = appendMember(append(comma(dst, calls), `{"type":"function"`...), "id", b.id)
			dst = append(append(append(dst, `,"function":{"name":"`...), b.name...), `","arguments":`...)
			dst = append(appendQuoted(dst, b.arguments), `}}`...)
			calls++
		}
	}
	if calls > 0 {
		dst = append(dst, ']')
	}
	dst = append(appendChatOdds(append(dst, `},`...), oddsOf(a.parts)), `,"finish_reason":"`...)
	return append(append(dst, chatReason(a.finish)...), `"}`...)
}

// appendChatTier says as a member who served, where that was no plain service.
func appendChatTier(dst []byte, used *wire.Tokens) []byte {
	if used.Service == "" {
		return dst
	}
	return appendMember(dst, "service_tier", []byte(used.Service))
}

func appendChatHead(dst []byte, object string, id, model []byte, now time.Time) []byte {
	dst = append(append(append(dst, `{"id":"chatcmpl-`...), id...), `","object":"`...)
	dst = append(append(dst, object...), `","created":`...)
	return appendMember(strconv.AppendInt(dst, now.Unix(), 10), "model", model)
}

// appendTexts appends all texts as one string, or null.
func appendTexts(dst []byte, parts []part) []byte {
	from := len(dst)
	for i := range parts {
		if parts[i].kind == partText {
			if len(dst) == from {
				dst = append(dst, '"')
			}
			dst = append(dst, parts[i].text...)
		}
	}
	if len(dst) == from {
		return append(dst, "null"...)
	}
	return append(dst, '"')
}

// appendChatThoughts appends thoughts twice: to be shown, and with their signatures to be sent back.
func appendChatThoughts(dst []byte, parts []part) []byte {
	shown, signed := []byte(nil), []byte(nil)
	for i := range parts {
		switch b := &parts[i]; b.kind {
		case partThinking:
			shown = append(shown, b.text...)
			signed = append(appendThought(comma(signed, len(signed)), b), '}')
		case partRedacted:
			signed = append(appendMember(append(comma(signed, len(signed)), `{"type":"reasoning.encrypted"`...), "data", b.text), '}')
		}
	}
	if len(shown) > 0 {
		dst = appendMember(dst, "reasoning_content", shown)
	}
	if len(signed) > 0 {
		dst = append(append(append(dst, `,"reasoning_details":[`...), signed...), ']')
	}
	return dst
}

func appendThought(dst []byte, b *part) []byte {
	dst = appendMember(append(dst, `{"type":"reasoning.text"`...), "text", b.text)
	if b.signature != nil {
		dst = appendMember(dst, "signature", b.signature)
	}
	return dst
}

func chatReason(f finishKind) string {
	switch f {
	case finishLength:
		return "length"
	case finishCalls:
		return "tool_calls"
	case finishFiltered:
		return "content_filter"
	default:
		return "stop"
	}
}

func appendChatUsage(dst []byte, used *wire.Tokens) []byte {
	input := used.AllInput()
	dst = strconv.AppendInt(append(dst, `{"prompt_tokens":`...), input, 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), used.Output, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), input+used.Output, 10)
	dst = strconv.AppendInt(append(dst, `,"prompt_tokens_details":{"cached_tokens":`...), used.CachedInput, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_write_tokens":`...), used.CacheWrite, 10)
	dst = strconv.AppendInt(append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...), used.Reasoning, 10)
	return append(dst, `}}`...)
}

// appendMessagesAnswer appends the answer in the shape of Anthropic's Messages.
func appendMessagesAnswer(dst []byte, a *answer, _ *reply, used *wire.Tokens) []byte {
	dst = append(append(append(dst, `{"id":"msg_`...), a.id...), `","type":"message","role":"assistant"`...)
	dst = append(appendMember(dst, "model", a.model), `,"content":[`...)
	for i := range a.parts {
		dst = appendAnswerBlock(comma(dst, i), &a.parts[i])
	}
	dst = append(append(append(dst, `],"stop_reason":"`...), messagesReason(a.finish)...), `","stop_sequence":`...)
	return append(appendMessagesUsage(append(appendStop(dst, a.stop), `,"usage":`...), used), '}')
}

// appendStop appends the sequence at which a model stopped, or null.
func appendStop(dst, sequence []byte) []byte {
	if sequence == nil {
		return append(dst, "null"...)
	}
	return append(append(append(dst, '"'), sequence...), '"')
}

func appendAnswerBlock(dst []byte, b *part) []byte {
	switch b.kind {
	case partCall:
		dst = appendMember(appendMember(append(dst, `{"type":"tool_use"`...), "id", b.id), "name", b.name)
		return append(append(append(dst, `,"input":`...), b.arguments...), '}')
	case partThinking:
		return append(appendMember(appendMember(append(dst, `{"type":"thinking"`...), "thinking", b.text), "signature", b.signature), '}')
	case partRedacted:
		return append(appendMember(append(dst, `{"type":"redacted_thinking"`...), "data", b.text), '}')
	default:
		return append(appendMember(append(dst, `{"type":"text"`...), "text", b.text), '}')
	}
}

func messagesReason(f finishKind) string {
	switch f {
	case finishLength:
		return "max_tokens"
	case finishCalls:
		return "tool_use"
	case finishSequence:
		return "stop_sequence"
	case finishFiltered:
		return "refusal"
	default:
		return "end_turn"
	}
}

func appendMessagesUsage(dst []byte, used *wire.Tokens) []byte {
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), used.Input, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_read_input_tokens":`...), used.CachedInput, 10)
	dst = strconv.AppendInt(append(dst, `,"cache_creation_input_tokens":`...), used.CacheWrite, 10)
	if used.CacheWrite > 0 {
		dst = strconv.AppendInt(append(dst, `,"cache_creation":{"ephemeral_5m_input_tokens":`...), used.CacheWrite-used.CacheWriteHour, 10)
		dst = append(strconv.AppendInt(append(dst, `,"ephemeral_1h_input_tokens":`...), used.CacheWriteHour, 10), '}')
	}
	dst = strconv.AppendInt(append(dst, `,"output_tokens":`...), used.Output, 10)
	if used.Reasoning > 0 {
		dst = append(strconv.AppendInt(append(dst, `,"output_tokens_details":{"thinking_tokens":`...), used.Reasoning, 10), '}')
	}
	return append(dst, '}')
}
