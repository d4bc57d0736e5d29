package translate

import (
	"strconv"

	"tollgate.dev/dataplane/internal/scan"
)

// eventWriter writes the named events of a stream, as Anthropic and OpenAI's Responses send them.
type eventWriter struct {
	out      []byte
	numbered bool // by sequence_number
	sequence int64
}

// send appends an event: its members beside its type, names and values in turn.
func (w *eventWriter) send(kind string, members ...string) {
	w.out = append(append(append(append(w.out, "event: "...), kind...), "\ndata: {\"type\":\""...), kind...)
	w.out = append(w.out, '"')
	if w.numbered {
		w.out = strconv.AppendInt(append(w.out, `,"sequence_number":`...), w.sequence, 10)
		w.sequence++
	}
	for i := 0; i < len(members); i += 2 {
		w.out = append(append(append(append(w.out, `,"`...), members[i]...), `":`...), members[i+1]...)
	}
	w.out = append(w.out, "}\n\n"...)
}

// wholeMessage makes one answer of Anthropic's events.
func wholeMessage(events [][]byte) ([]byte, bool) {
	var message, usage object
	var blocks []object
	ended := false
	for _, event := range events {
		switch string(inside(scan.Lookup(event, "type"))) {
		case "message_start":
			message = objectOf(scan.Lookup(event, "message"))
			usage.over(message.get("usage"))
		case "content_block_start":
			blocks = append(blocks, objectOf(scan.Lookup(event, "content_block")))
		case "content_block_delta":
			if len(blocks) == 0 {
				return nil, false
			}
			blockGrows(&blocks[len(blocks)-1], scan.Lookup(event, "delta"))
		case "message_delta":
			message.over(scan.Lookup(event, "delta"))
			usage.over(scan.Lookup(event, "usage"))
		case "message_stop":
			ended = true
		}
	}
	message = message.with("content", string(listOf(blocks)), "usage", string(usage.append(nil)))
	return message.append(nil), ended
}

// blockGrows adds a piece to a block.
func blockGrows(block *object, piece []byte) {
	scan.Each(piece, func(key, value []byte) {
		switch string(key) {
		case "type":
		case "citation":
			block.grow("citations", append(append([]byte{'['}, value...), ']'))
		default:
			block.grow(string(key), value)
		}
	})
}

// messageEvents makes events of one answer of Anthropic's.
func messageEvents(whole []byte) []byte {
	message, w := objectOf(whole), eventWriter{}
	begun := message.with("content", "[]", "stop_reason", "null", "stop_sequence", "null")
	w.send("message_start", "message", string(begun.append(nil)))
	for i, block := range elementsOf(message.get("content")) {
		index := strconv.Itoa(i)
		empty, pieces := emptied(block)
		w.send("content_block_start", "index", index, "content_block", string(empty.append(nil)))
		for _, piece := range pieces {
			w.send("content_block_delta", "index", index, "delta", piece)
		}
		w.send("content_block_stop", "index", index)
	}
	end := object{}.with("stop_reason", orNull(message.get("stop_reason")), "stop_sequence", orNull(message.get("stop_sequence")))
	w.send("message_delta", "delta", string(end.append(nil)), "usage", orNull(message.get("usage")))
	w.send("message_stop")
	return w.out
}

// emptied returns a block as it begins, and the pieces that make it whole.
func emptied(block object) (empty object, pieces []string) {
	empty = block
	piece := func(kind, key string, value []byte) {
		pieces = append(pieces, `{"type":"`+kind+`","`+key+`":`+string(value)+`}`)
	}
	switch string(inside(block.get("type"))) {
	case "text":
		empty = block.with("text", `""`)
		if block.get("citations") != nil {
			empty.set("citations", []byte("[]"))
		}
		scan.Elements(block.get("citations"), func(one []byte) { piece("citations_delta", "citation", one) })
		piece("text_delta", "text", []byte(orEmpty(block.get("text"))))
	case "thinking":
		empty = block.with("thinking", `""`, "signature", `""`)
		piece("thinking_delta", "thinking", []byte(orEmpty(block.get("thinking"))))
		piece("signature_delta", "signature", []byte(orEmpty(block.get("signature"))))
	}
	return empty, pieces
}

func orNull(value []byte) string {
	if value == nil {
		return "null"
	}
	return string(value)
}

func orEmpty(value []byte) string {
	if value == nil {
		return `""`
	}
	return string(value)
}

// wholeResponse returns the answer that the last event of OpenAI's Responses tells.
func wholeResponse(events [][]byte) ([]byte, bool) {
	last := events[len(events)-1]
	whole := scan.Lookup(last, "response")
	return whole, whole != nil && string(scan.Lookup(last, "type")) == `"response.completed"`
}

// responseEvents makes events of one answer of OpenAI's Responses.
func responseEvents(whole []byte) []byte {
	answer, w := objectOf(whole), eventWriter{numbered: true}
	begun := string(answer.with("status", `"in_progress"`, "output", "[]", "usage", "null").append(nil))
	w.send("response.created", "response", begun)
	w.send("response.in_progress", "response", begun)
	for i, item := range elementsOf(answer.get("output")) {
		w.item(item, strconv.Itoa(i))
	}
	w.send("response.completed", "response", string(whole))
	return w.out
}

// item sends an item of the output: its pieces where it is a message, or thoughts that are shown.
func (w *eventWriter) item(item object, index string) {
	begun, list, what := item.with("status", `"in_progress"`), "", ""
	switch string(inside(item.get("type"))) {
	case "message":
		list, what = "content", "content"
	case "reasoning":
		begun, list, what = item, "summary", "summary"
	}
	if list != "" {
		begun = begun.with(list, "[]")
	}
	w.send("response.output_item.added", "output_index", index, "item", string(begun.append(nil)))
	for i, part := range elementsOf(item.get(list)) {
		at := []string{"item_id", orEmpty(item.get("id")), "output_index", index, what + "_index", strconv.Itoa(i)}
		w.part(part, at, what == "summary")
	}
	w.send("response.output_item.done", "output_index", index, "item", string(item.append(nil)))
}

func (w *eventWriter) part(part object, at []string, thought bool) {
	text, whole := orEmpty(part.get("text")), string(part.append(nil))
	empty := part.with("text", `""`)
	about := func(more ...string) []string { return append(append([]string(nil), at...), more...) }
	if thought {
		w.send("response.reasoning_summary_part.added", about("part", string(empty.append(nil)))...)
		w.send("response.reasoning_summary_text.delta", about("delta", text)...)
		w.send("response.reasoning_summary_text.done", about("text", text)...)
		w.send("response.reasoning_summary_part.done", about("part", whole)...)
		return
	}
	odds := "[]"
	if told := part.get("logprobs"); told != nil {
		odds, empty = string(told), empty.with("logprobs", "[]")
	}
	w.send("response.content_part.added", about("part", string(empty.with("annotations", "[]").append(nil)))...)
	w.send("response.output_text.delta", about("delta", text, "logprobs", odds)...)
	w.send("response.output_text.done", about("text", text, "logprobs", odds)...)
	w.send("response.content_part.done", about("part", whole)...)
}
