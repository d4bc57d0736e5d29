package translate

import (
	"bytes"
	"strconv"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// Shape is how an answer comes to its caller.
type Shape struct {
	Streamed bool // as events
	Array    bool // the events are elements of one array
	Usage    bool // with OpenAI's extra chunk at the end
}

// Shape returns how the answer is wanted.
func (a *Ask) Shape() Shape { return Shape{a.Stream, a.Array, a.IncludeUsage} }

// Recast returns an answer that calls no tools in the shape that is wanted, in its own format and with nothing left out: a whole answer goes
// as few long events, and the events of a stream make one answer. Events are the JSON objects of a stream; a whole answer is the only one.
// Used are its tokens, which a stream of OpenAI's may not say. It reports false where that cannot be done.
func (a *Ask) Recast(events [][]byte, was Shape, used *wire.Tokens) ([]byte, bool) {
	var form recasting
	switch a.Dialect {
	case dialect.OpenAIChat:
		form = recasting{func(events [][]byte) ([]byte, bool) { return wholeChat(events, used) }, func(whole []byte) []byte { return chatEvents(whole, a.IncludeUsage) }}
	case dialect.OpenAIResponses:
		form = recasting{wholeResponse, responseEvents}
	case dialect.AnthropicMessages:
		form = recasting{wholeMessage, messageEvents}
	case dialect.GeminiGenerate:
		form = recasting{wholeGemini, func(whole []byte) []byte { return geminiEvents(whole, a.Array) }}
	default:
		return nil, false
	}
	if len(events) == 0 {
		return nil, false
	}
	whole, ok := events[0], true
	if was.Streamed {
		whole, ok = form.whole(events)
	}
	if !ok || !a.Stream {
		return whole, ok
	}
	return form.events(scan.Compact(nil, whole)), true
}

// recasting is how the answers of one format change their shape.
type recasting struct {
	whole  func(events [][]byte) ([]byte, bool)
	events func(whole []byte) []byte
}

// object is a JSON object in the order of its members.
type object []field

type field struct{ key, value []byte }

func objectOf(raw []byte) (o object) {
	scan.Each(raw, func(key, value []byte) { o = append(o, field{key, value}) })
	return o
}

func (o *object) get(key string) []byte {
	for _, each := range *o {
		if string(each.key) == key {
			return each.value
		}
	}
	return nil
}

func (o *object) set(key string, value []byte) {
	for i := range *o {
		if string((*o)[i].key) == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, field{[]byte(key), value})
}

// with returns a copy in which some members have other values: names and values in turn.
func (o object) with(members ...string) object {
	o = append(object(nil), o...)
	for i := 0; i < len(members); i += 2 {
		o.set(members[i], []byte(members[i+1]))
	}
	return o
}

// over sets every member of another object that says something.
func (o *object) over(raw []byte) {
	scan.Each(raw, func(key, value []byte) {
		if value[0] != 'n' || o.get(string(key)) == nil {
			o.set(string(key), value)
		}
	})
}

// grow adds to a member that comes in pieces: texts and lists become longer, anything else is replaced. Nothing changes what is there.
func (o *object) grow(key string, value []byte) {
	before := o.get(key)
	switch {
	case len(before) == 0 || before[0] == 'n':
		o.set(key, value)
	case value[0] == 'n':
	case before[0] == '"' && value[0] == '"':
		o.set(key, joinedTexts(before, value))
	case before[0] == '[' && value[0] == '[':
		o.set(key, joinedLists(before, value))
	default:
		o.set(key, value)
	}
}

func (o object) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, each := range o {
		dst = append(append(append(comma(dst, i), '"'), each.key...), `":`...)
		dst = append(dst, each.value...)
	}
	return append(dst, '}')
}

func joinedTexts(a, b []byte) []byte {
	return append(append(bytes.Clone(a[:len(a)-1]), b[1:len(b)-1]...), '"')
}

func joinedLists(a, b []byte) []byte {
	first, second := bytes.TrimSpace(a[1:len(a)-1]), bytes.TrimSpace(b[1:len(b)-1])
	out := append(append([]byte{'['}, first...), comma(nil, min(len(first), len(second)))...)
	return append(append(out, second...), ']')
}

// listOf writes objects as an array.
func listOf(all []object) []byte {
	out := []byte{'['}
	for i, each := range all {
		out = each.append(comma(out, i))
	}
	return append(out, ']')
}

func elementsOf(raw []byte) (all []object) {
	scan.Elements(raw, func(one []byte) { all = append(all, objectOf(one)) })
	return all
}

// at returns the object of an index, which comes to be.
func at(all *[]object, index []byte) *object {
	n, _ := scan.Int(index) // without one it is the first
	n = min(max(n, 0), choicesMax)
	for len(*all) <= int(n) {
		*all = append(*all, object{{[]byte("index"), strconv.AppendInt(nil, int64(len(*all)), 10)}})
	}
	return &(*all)[n]
}

// wholeChat makes one answer of OpenAI's chunks.
func wholeChat(events [][]byte, used *wire.Tokens) ([]byte, bool) {
	var head object
	var choices, messages []object
	usage := appendChatUsage(nil, used)
	for _, event := range events {
		scan.Each(event, func(key, value []byte) {
			switch string(key) {
			case "choices":
				scan.Elements(value, func(choice []byte) { chatChoiceGrows(&choices, &messages, choice) })
			case "usage":
				if value[0] == '{' {
					usage = value
				}
			default:
				if value[0] != 'n' || head.get(string(key)) == nil {
					head.set(string(key), value)
				}
			}
		})
	}
	for i := range choices {
		choices[i].set("message", messages[i].append(nil))
	}
	head = head.with("object", `"chat.completion"`, "choices", string(listOf(choices)), "usage", string(usage))
	return head.append(nil), len(choices) > 0
}

func chatChoiceGrows(choices, messages *[]object, raw []byte) {
	choice := at(choices, scan.Lookup(raw, "index"))
	for len(*messages) < len(*choices) {
		*messages = append(*messages, object{}.with("role", `"assistant"`, "content", "null"))
	}
	index, _ := scan.Int(choice.get("index"))
	message := &(*messages)[index]
	scan.Each(raw, func(key, value []byte) {
		switch string(key) {
		case "index":
		case "delta":
			scan.Each(value, func(key, value []byte) {
				switch string(key) {
				case "role":
				case "reasoning_details":
					message.set("reasoning_details", joinedThoughts(message.get("reasoning_details"), value))
				default:
					message.grow(string(key), value)
				}
			})
		case "logprobs":
			odds := objectOf(choice.get("logprobs"))
			scan.Each(value, func(key, value []byte) { odds.grow(string(key), value) })
			if choice.set("logprobs", []byte("null")); odds != nil {
				choice.set("logprobs", odds.append(nil))
			}
		default:
			choice.grow(string(key), value)
		}
	})
}

// joinedThoughts adds pieces of thoughts: what follows its like is more of the same.
func joinedThoughts(before, more []byte) []byte {
	all := elementsOf(before)
	for _, piece := range elementsOf(more) {
		last := len(all) - 1
		if last < 0 || !bytes.Equal(all[last].get("type"), piece.get("type")) || !bytes.Equal(all[last].get("index"), piece.get("index")) {
			all = append(all, piece)
			continue
		}
		for _, each := range piece {
			switch string(each.key) {
			case "text", "summary", "data", "signature":
				all[last].grow(string(each.key), each.value)
			default:
				all[last].set(string(each.key), each.value)
			}
		}
	}
	return listOf(all)
}

// chatEvents makes chunks of one answer of OpenAI's: what each choice says, why it ended, and the usage where it is wanted.
func chatEvents(whole []byte, withUsage bool) (out []byte) {
	head, usage := object{}, []byte("null")
	var choices [][]byte
	scan.Each(whole, func(key, value []byte) {
		switch string(key) {
		case "choices":
			scan.Elements(value, func(choice []byte) { choices = append(choices, choice) })
		case "usage":
			usage = value
		default:
			head = append(head, field{key, value})
		}
	})
	send := func(choices []byte, more ...string) {
		chunk := head.with(append([]string{"object", `"chat.completion.chunk"`, "choices", string(choices)}, more...)...)
		out = append(chunk.append(append(out, "data: "...)), "\n\n"...)
	}
	for _, raw := range choices {
		choice := object{}
		scan.Each(raw, func(key, value []byte) {
			if string(key) == "message" {
				key = []byte("delta")
			}
			choice = append(choice, field{key, value})
		})
		send(listOf([]object{choice.with("finish_reason", "null")}))
		send(listOf([]object{choice.with("delta", "{}", "logprobs", "null")}))
	}
	if withUsage {
		send([]byte("[]"), "usage", string(usage))
	}
	return append(out, "data: [DONE]\n\n"...)
}

// wholeGemini makes one answer of Google's chunks.
func wholeGemini(events [][]byte) ([]byte, bool) {
	var head object
	var candidates []object
	var said [][]object // parts of each
	for _, event := range events {
		scan.Each(event, func(key, value []byte) {
			if string(key) != "candidates" {
				head.set(string(key), value)
				return
			}
			scan.Elements(value, func(raw []byte) {
				candidate := at(&candidates, scan.Lookup(raw, "index"))
				for len(said) < len(candidates) {
					said = append(said, nil)
				}
				index, _ := scan.Int(candidate.get("index"))
				scan.Each(raw, func(key, value []byte) {
					switch string(key) {
					case "index":
					case "content":
						scan.Elements(scan.Lookup(value, "parts"), func(part []byte) { said[index] = joinedParts(said[index], objectOf(part)) })
						candidate.set("content", value)
					case "logprobsResult":
						odds := objectOf(candidate.get("logprobsResult"))
						scan.Each(value, func(key, value []byte) { odds.grow(string(key), value) })
						candidate.set("logprobsResult", odds.append(nil))
					default:
						candidate.set(string(key), value)
					}
				})
			})
		})
	}
	for i := range candidates {
		content := objectOf(candidates[i].get("content")).with("parts", string(listOf(said[i])))
		candidates[i].set("content", content.append(nil))
	}
	head.set("candidates", listOf(candidates))
	return head.append(nil), len(candidates) > 0
}

// joinedParts adds a part. Texts that follow one another are one, unless a signature stands between.
func joinedParts(all []object, part object) []object {
	text, last := part.get("text"), len(all)-1
	switch {
	case text == nil || part.get("thoughtSignature") != nil:
	case string(text) == `""`:
		return all
	case last >= 0 && all[last].get("text") != nil && all[last].get("thoughtSignature") == nil && bytes.Equal(all[last].get("thought"), part.get("thought")):
		all[last].set("text", joinedTexts(all[last].get("text"), text))
		return all
	}
	return append(all, part)
}

// geminiEvents makes one chunk of one answer of Google's.
func geminiEvents(whole []byte, array bool) []byte {
	if array {
		return append(append([]byte{'['}, whole...), ']')
	}
	return append(append([]byte("data: "), whole...), "\n\n"...)
}
