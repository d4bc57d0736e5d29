package pipeline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"unicode"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
)

var (
	toolUse      = []byte(`tool_use"`) // of servers too
	toolCalls    = []byte(`"tool_calls"`)
	functionCall = []byte(`"functionCall"`)
	partsKey     = []byte(`"parts"`)
	contentBlock = []byte(`"content_block"`)
)

// toolIn returns the id of the first call of a tool in valid JSON: messages, items, or an answer. It looks for the key alone, which cannot stand
// like that within a string; what it takes for a call and is none names a run like any other word.
func toolIn(d dialect.Dialect, raw []byte) []byte {
	switch d {
	case dialect.OpenAIChat:
		_, raw, _ = bytes.Cut(raw, toolCalls)
		return idIn(raw, `"id"`)
	case dialect.OpenAIResponses:
		return idIn(raw, `"call_id"`)
	case dialect.AnthropicMessages:
		if !bytes.Contains(raw, toolUse) {
			return nil
		}
		return idIn(raw, `"id"`)
	case dialect.GeminiGenerate:
		return googleCall(raw)
	default:
		return nil
	}
}

// openedBlock returns the event that opens a call of a tool among events of Messages.
func openedBlock(events []byte) []byte {
	for {
		_, rest, found := bytes.Cut(events, contentBlock)
		if !found {
			return nil
		}
		event, after, _ := bytes.Cut(rest, []byte("\n"))
		if bytes.Contains(event, toolUse) {
			return event
		}
		events = after
	}
}

// idIn returns the first string that stands under a key.
func idIn(raw []byte, key string) []byte {
	for {
		_, rest, found := bytes.Cut(raw, []byte(key))
		if !found {
			return nil
		}
		raw = rest
		rest, colon := bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(":"))
		rest, quote := bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(`"`))
		if id, _, ended := bytes.Cut(rest, []byte(`"`)); colon && quote && ended {
			return id
		}
	}
}

// googleCall returns what the first call of a function is known by in contents or in an answer of Google's: its signature, which comes back as
// it was given while an id may be the caller's own, else its id (https://ai.google.dev/gemini-api/docs/thought-signatures).
func googleCall(raw []byte) (id []byte) {
	at := bytes.Index(raw, functionCall)
	if at < 0 {
		return nil
	}
	begin := bytes.LastIndex(raw[:at], partsKey)
	if begin < 0 {
		return idIn(raw[at:], `"id"`)
	}
	_, parts, _ := bytes.Cut(raw[begin:], []byte(":"))
	scan.Elements(parts, func(part []byte) {
		function := scan.Lookup(part, "functionCall")
		if function == nil || id != nil {
			return
		}
		id = []byte(unquoted(scan.Lookup(function, "id")))
		for _, name := range [...]string{"thoughtSignature", "thought_signature"} {
			if signature := scan.Lookup(part, name); isSignature(signature) {
				sum := sha256.Sum256(signature)
				id = hex.AppendEncode([]byte("signature-"), sum[:16])
			}
		}
	})
	return id
}

// isSignature tells a signature from the words that stand for one where there is none.
func isSignature(value []byte) bool {
	const enough = 24
	return len(value) > enough && value[0] == '"' && bytes.ContainsFunc(value, unicode.IsUpper) && bytes.ContainsFunc(value, unicode.IsDigit)
}

// identifies says whether an id of a tool's call can be told from those of other conversations: at least 8 letters and digits in parts that have
// both, or letters that follow each other as no words do. What models count by ("call_0", "functions.weather:0") does not.
func identifies(id []byte) bool {
	const enough = 8
	if len(id) > runIDMax {
		return false
	}
	sum := 0
	for len(id) > 0 {
		end := bytes.IndexAny(id, "_-")
		if end < 0 {
			end = len(id)
		}
		part := id[:end]
		id = id[min(end+1, len(id)):]
		letters, digits := 0, 0
		for _, b := range part {
			switch {
			case isLower(b), isUpper(b):
				letters++
			case b >= '0' && b <= '9':
				digits++
			default:
				return false
			}
		}
		if letters > 0 && digits > 0 || digits == 0 && letters >= enough && isShuffled(part) {
			sum += letters + digits
		}
	}
	return sum >= enough
}

// isShuffled says whether letters are of both cases without order, as one of five ids of nine characters is that has no digit. Words that
// are joined (getWeather, toolUseId) have few capitals.
func isShuffled(letters []byte) bool {
	const some = 3
	upper, turns := 0, 0
	for i, b := range letters {
		if isUpper(b) {
			upper++
		}
		if i > 0 && isUpper(b) != isUpper(letters[i-1]) {
			turns++
		}
	}
	return min(upper, len(letters)-upper) >= some && 4*upper > len(letters) && turns >= some
}

func isUpper(b byte) bool { return b >= 'A' && b <= 'Z' }
func isLower(b byte) bool { return b >= 'a' && b <= 'z' }
