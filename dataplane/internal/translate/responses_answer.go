package translate

import (
	"bytes"
	"strconv"
	"time"

	"tollgate.dev/dataplane/wire"
)

// responseHead names an answer of OpenAI's Responses.
type responseHead struct {
	id    string
	model []byte
	now   time.Time
	ask   *Ask
}

// appendResponseAnswer appends a whole answer in the shape of OpenAI's Responses.
func appendResponseAnswer(dst []byte, a *answer, to *reply, used *wire.Tokens) []byte {
	return appendResponse(dst, &responseHead{to.id, a.model, to.now, to.ask}, a, used)
}

// appendResponse appends the answer in the shape of OpenAI's Responses. A nil usage is of an answer that is under way.
func appendResponse(dst []byte, h *responseHead, a *answer, used *wire.Tokens) []byte {
	status, detail := "completed", "null"
	switch {
	case used == nil:
		status = "in_progress"
	case a.finish == finishLength:
		status, detail = "incomplete", `{"reason":"max_output_tokens"}`
	case a.finish == finishFiltered:
		status, detail = "incomplete", `{"reason":"content_filter"}`
	}
	dst = append(append(append(dst, `{"id":"resp_`...), h.id...), `","object":"response","created_at":`...)
	dst = strconv.AppendInt(dst, h.now.Unix(), 10)
	dst = append(append(append(dst, `,"status":"`...), status...), `","background":false,"error":null,"incomplete_details":`...)
	dst = append(append(dst, detail...), `,"instructions":null,"max_output_tokens":null`...)
	dst = append(appendMember(dst, "model", h.model), `,"output":[`...)
	for i := range a.parts {
		dst = h.appendItem(comma(dst, i), &a.parts[i], i, "completed")
	}
	dst = append(dst, `],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":false,`...)
	dst = append(dst, `"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled","usage":`...)
	if used == nil {
		dst = append(dst, "null"...)
	} else {
		dst = appendResponseUsage(dst, used)
	}
	if used != nil && used.Service != "" {
		dst = appendMember(dst, "service_tier", []byte(used.Service))
	}
	return append(dst, `,"user":null,"metadata":{}}`...)
}

func appendResponseUsage(dst []byte, used *wire.Tokens) []byte {
	input := used.AllInput()
	dst = strconv.AppendInt(append(dst, `{"input_tokens":`...), input, 10)
	dst = strconv.AppendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), used.CachedInput, 10)
	dst = strconv.AppendInt(append(dst, `},"output_tokens":`...), used.Output, 10)
	dst = strconv.AppendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), used.Reasoning, 10)
	dst = strconv.AppendInt(append(dst, `},"total_tokens":`...), input+used.Output, 10)
	return append(dst, '}')
}

// appendItem appends one item of the output: each part is one.
func (h *responseHead) appendItem(dst []byte, b *part, index int, status string) []byte {
	switch b.kind {
	case partCall:
		if h.ask.customs[string(b.name)] {
			dst = append(h.appendItemID(append(dst, `{"id":"ctc_`...), index), `","type":"custom_tool_call","status":"`...)
			dst = appendMember(appendMember(append(append(dst, status...), '"'), "call_id", b.id), "name", b.name)
			return append(appendMember(dst, "input", h.input(b)), '}')
		}
		dst = append(h.appendItemID(append(dst, `{"id":"fc_`...), index), `","type":"function_call","status":"`...)
		dst = append(append(dst, status...), '"')
		dst = appendMember(dst, "call_id", b.id)
		name := b.name
		if n := h.ask.spaces[string(name)]; n > 0 {
			dst, name = appendMember(dst, "namespace", name[:n]), name[n+len(spaceMark):]
		}
		dst = appendMember(dst, "name", name)
		return append(appendQuoted(append(dst, `,"arguments":`...), b.arguments), '}')
	case partThinking, partRedacted:
		dst = append(h.appendItemID(append(dst, `{"id":"rs_`...), index), `","type":"reasoning","summary":[`...)
		prefix, sealed := redactedThoughts, b.text
		if b.kind == partThinking {
			prefix, sealed = signedThoughts, b.signature
			if len(b.text) > 0 {
				dst = append(appendMember(append(dst, `{"type":"summary_text"`...), "text", b.text), '}')
			}
		}
		dst = append(dst, ']')
		if len(sealed) > 0 {
			dst = append(append(append(append(dst, `,"encrypted_content":"`...), prefix...), sealed...), '"')
		}
		return append(dst, '}')
	default:
		dst = append(h.appendItemID(append(dst, `{"id":"msg_`...), index), `","type":"message","status":"`...)
		dst = append(append(dst, status...), `","role":"assistant","content":[`...)
		return append(appendOutputText(dst, b.text, b.odds), `]}`...)
	}
}

// input returns the text with which a custom tool is called; empty: it is not whole yet.
func (*responseHead) input(b *part) []byte {
	if b.arguments == nil {
		return nil
	}
	return customInput(b.arguments)
}

func appendOutputText(dst, text, odds []byte) []byte {
	dst = append(append(dst, `{"type":"output_text","annotations":[],"logprobs":[`...), odds...)
	return append(appendMember(append(dst, ']'), "text", text), '}')
}

func (h *responseHead) appendItemID(dst []byte, index int) []byte {
	return strconv.AppendInt(append(append(dst, h.id...), '_'), int64(index), 10)
}

// responsesEncoder writes the events of OpenAI's Responses (https://platform.openai.com/docs/api-reference/responses-streaming). The last one
// says the whole answer again, so it is kept.
type responsesEncoder struct {
	responseHead
	answer   answer
	sequence int64
	item     int // that is being sent
}

func (r *responsesEncoder) encode(dst []byte, d *delta, used *wire.Tokens) []byte {
	switch d.kind {
	case deltaBegin:
		r.model = bytes.Clone(d.name)
		for _, name := range []string{"response.created", "response.in_progress"} {
			dst = append(r.begin(dst, name), `,"response":`...)
			dst = append(appendResponse(dst, &r.responseHead, &answer{}, nil), "}\n\n"...)
		}
	case deltaPart:
		r.answer.parts = append(r.answer.parts, part{kind: d.part, id: bytes.Clone(d.id), name: bytes.Clone(d.name)})
		return r.partBegins(dst)
	case deltaText:
		b := r.part()
		b.text = append(b.text, d.text...)
		if len(d.odds) > 0 {
			b.odds = append(comma(b.odds, len(b.odds)), d.odds...)
		}
		return r.grows(dst, b.kind, d)
	case deltaSignature:
		b := r.part()
		b.signature = append(b.signature, d.text...)
	case deltaPartEnd:
		return r.partEnds(dst)
	case deltaFinish:
		r.answer.finish = d.finish
	case deltaEnd:
		name := "response.completed"
		if r.answer.finish == finishLength || r.answer.finish == finishFiltered {
			name = "response.incomplete"
		}
		dst = append(r.begin(dst, name), `,"response":`...)
		dst = append(appendResponse(dst, &r.responseHead, &r.answer, used), "}\n\n"...)
	}
	return dst
}

// part returns the part that is being sent.
func (r *responsesEncoder) part() *part { return &r.answer.parts[len(r.answer.parts)-1] }

func (r *responsesEncoder) begin(dst []byte, name string) []byte {
	dst = append(append(append(dst, "event: "...), name...), "\ndata: {\"type\":\""...)
	dst = strconv.AppendInt(append(append(dst, name...), `","sequence_number":`...), r.sequence, 10)
	r.sequence++
	return dst
}

// at begins an event about the item that is being sent.
func (r *responsesEncoder) at(dst []byte, name string) []byte {
	dst = append(r.begin(dst, name), `,"item_id":"`...)
	switch b := r.part(); b.kind {
	case partCall:
		if r.ask.customs[string(b.name)] {
			dst = append(dst, 'c', 't', 'c', '_')
			break
		}
		dst = append(dst, "fc_"...)
	case partThinking, partRedacted:
		dst = append(dst, "rs_"...)
	default:
		dst = append(dst, "msg_"...)
	}
	dst = append(r.appendItemID(dst, r.item), `","output_index":`...)
	return strconv.AppendInt(dst, int64(r.item), 10)
}

// whole appends an event with the item as it is now.
func (r *responsesEncoder) whole(dst []byte, name, status string) []byte {
	dst = strconv.AppendInt(append(r.begin(dst, name), `,"output_index":`...), int64(r.item), 10)
	return append(r.appendItem(append(dst, `,"item":`...), r.part(), r.item, status), "}\n\n"...)
}

func (r *responsesEncoder) partBegins(dst []byte) []byte {
	if kind := r.part().kind; kind != partText {
		return r.partShown(r.whole(dst, "response.output_item.added", "in_progress"), kind)
	}
	dst = strconv.AppendInt(append(r.begin(dst, "response.output_item.added"), `,"output_index":`...), int64(r.item), 10)
	dst = append(r.appendItemID(append(dst, `,"item":{"id":"msg_`...), r.item), "\",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]}}\n\n"...)
	dst = append(r.at(dst, "response.content_part.added"), `,"content_index":0,"part":`...)
	return append(appendOutputText(dst, nil, nil), "}\n\n"...)
}

// partShown begins the summary of thoughts.
func (r *responsesEncoder) partShown(dst []byte, kind partKind) []byte {
	if kind != partThinking {
		return dst
	}
	return append(r.at(dst, "response.reasoning_summary_part.added"), ",\"summary_index\":0,\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}\n\n"...)
}

func (r *responsesEncoder) grows(dst []byte, kind partKind, d *delta) []byte {
	switch kind {
	case partCall:
		if r.ask.customs[string(r.part().name)] { // whose text stands inside of the arguments
			return dst
		}
		dst = r.at(dst, "response.function_call_arguments.delta")
	case partThinking:
		dst = append(r.at(dst, "response.reasoning_summary_text.delta"), `,"summary_index":0`...)
	case partRedacted:
		return dst
	default:
		dst = append(append(r.at(dst, "response.output_text.delta"), `,"content_index":0,"logprobs":[`...), d.odds...)
		dst = append(dst, ']')
	}
	return append(appendMember(dst, "delta", d.text), "}\n\n"...)
}

func (r *responsesEncoder) partEnds(dst []byte) []byte {
	b := r.part()
	switch b.kind {
	case partCall:
		if b.arguments = unescaped(b.text); r.ask.customs[string(b.name)] {
			input := r.input(b)
			dst = append(appendMember(r.at(dst, "response.custom_tool_call_input.delta"), "delta", input), "}\n\n"...)
			dst = append(appendMember(r.at(dst, "response.custom_tool_call_input.done"), "input", input), "}\n\n"...)
			break
		}
		dst = append(r.at(dst, "response.function_call_arguments.done"), `,"arguments":`...)
		dst = append(appendQuoted(dst, b.arguments), "}\n\n"...)
	case partThinking:
		dst = append(r.at(dst, "response.reasoning_summary_text.done"), `,"summary_index":0`...)
		dst = append(appendMember(dst, "text", b.text), "}\n\n"...)
		dst = append(r.at(dst, "response.reasoning_summary_part.done"), `,"summary_index":0,"part":{"type":"summary_text"`...)
		dst = append(appendMember(dst, "text", b.text), "}}\n\n"...)
	case partText:
		dst = append(append(r.at(dst, "response.output_text.done"), `,"content_index":0,"logprobs":[`...), b.odds...)
		dst = append(appendMember(append(dst, ']'), "text", b.text), "}\n\n"...)
		dst = append(r.at(dst, "response.content_part.done"), `,"content_index":0,"part":`...)
		dst = append(appendOutputText(dst, b.text, b.odds), "}\n\n"...)
	}
	dst = r.whole(dst, "response.output_item.done", "completed")
	r.item++
	return dst
}
