package scan

import "strings"

// top reads the body's own object, whose keys may decide.
func (s *scanner) top(i int) (int, bool) {
	s.r.Open = i + 1
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		s.r.Empty = true
		return i + 1, true
	}
	for {
		keyAt := i
		keyEnd, ok := s.key(i)
		if !ok {
			return 0, false
		}
		key := s.b[i+1 : keyEnd-1]
		if i, ok = s.colon(keyEnd); !ok {
			return 0, false
		}
		end, ok := s.topMember(key, keyAt, i)
		if !ok {
			return 0, false
		}
		i = s.space(end)
		if i >= len(s.b) {
			return s.fail(i, tooEarly)
		}
		switch s.b[i] {
		case ',':
			i = s.space(i + 1)
		case '}':
			return i + 1, true
		default:
			return s.fail(i, "a comma or } is missing")
		}
	}
}

func (s *scanner) topMember(key []byte, keyAt, i int) (int, bool) {
	field, verdict := s.lookup(key)
	switch {
	case verdict == twisted:
		s.field = field.String()
		return s.fail(keyAt, "the key must be written exactly as "+field.String())
	case verdict == exact && s.r.Fields[field].End > 0:
		s.field = field.String()
		return s.fail(keyAt, "the key "+field.String()+" stands twice")
	}
	end, ok := s.value(i, 1, verdict == exact && field.isText() || verdict == other && isTextKey(key))
	if ok && verdict == exact {
		s.r.Fields[field] = Value{i, end}
	}
	return end, ok
}

func (f Field) isText() bool {
	switch f {
	case Messages, Input, System, Instructions, Tools, Prompt, Choices, Response, Message, Contents, SystemInstruction, Candidates:
		return true
	default:
		return false
	}
}

// isTextKey names further top-level keys whose strings a model reads or has written.
func isTextKey(key []byte) bool {
	switch string(key) {
	case "functions", "prediction", "response_format", "text", "suffix", "documents", "requests", "title", // of requests
		"output", "content", "output_text", "delta", "arguments", "refusal", "item", "part", "content_block": // of answers and their events
		return true
	default:
		return false
	}
}

type verdict uint8

const (
	other   verdict = iota
	exact           // the field's name
	twisted         // the name in other letters, such as "Model" or "ſtream"
)

const keyBytesMax = 64 // longer keys are no field's, escaped or not: 6 bytes for each letter would be 120

// lookup tells whether a raw key names a deciding field.
func (s *scanner) lookup(raw []byte) (Field, verdict) {
	var decoded [2 * keyBytesMax]byte
	key := raw
	if hasEscape(raw) {
		if len(raw) > len(decoded) {
			return 0, other
		}
		key = Unescape(decoded[:0], raw)
	}
	if len(key) > keyBytesMax {
		return 0, other
	}
	for f := s.from; f < s.to; f++ {
		if string(key) == fieldNames[f] {
			return f, exact
		}
	}
	if !s.strict {
		return 0, other
	}
	if f, ok := secondNames[string(key)]; ok {
		return f, exact
	}
	var folded [2 * keyBytesMax]byte
	low := foldKey(folded[:0], key)
	if len(low) == len(key) && string(low) == string(key) {
		return 0, other
	}
	for f := s.from; f < s.to; f++ {
		if strings.EqualFold(string(low), fieldNames[f]) {
			return f, twisted
		}
	}
	return 0, other
}

// foldKey folds as encoding/json (version 1) and the like do: ASCII letters, and the two other letters that fold to them.
func foldKey(dst, key []byte) []byte {
	for i := 0; i < len(key); i++ {
		c := key[i]
		switch {
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c|0x20)
		case c == 0xc5 && i+1 < len(key) && key[i+1] == 0xbf: // U+017F, long s
			dst = append(dst, 's')
			i++
		case c == 0xe2 && i+2 < len(key) && key[i+1] == 0x84 && key[i+2] == 0xaa: // U+212A, Kelvin
			dst = append(dst, 'k')
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

type keyKind uint8

const (
	keyText    keyKind = iota
	keySilent          // its value is structure, not text
	keyMedia           // the same, and the body does not tell its size in tokens
	keyBlob            // its value is text unless it is base64
	keyThought         // its value is text that a model has thought
	keySigned          // structure: what a provider's own thoughts are known by
)

// classify names keys inside messages and tools whose values no model reads as text.
func classify(key []byte) keyKind {
	switch string(key) {
	case "role", "type", "id", "tool_call_id", "call_id", "tool_use_id", "status", "media_type",
		"detail", "cache_control", "mime_type", "format", "finish_reason", "stop_reason", "logprobs", "object", "model",
		"mimeType", "finishReason", "safetyRatings":
		return keySilent
	case "signature", "encrypted_content", "thoughtSignature", "thought_signature":
		return keySigned
	case "reasoning_content", "reasoning_details":
		return keyThought
	case "image_url", "input_audio", "file_id", "file_url", "source", "image", "inlineData", "inline_data", "fileUri", "file_uri":
		return keyMedia
	case "data", "url", "file_data":
		return keyBlob
	default:
		return keyText
	}
}

const blobBytesMin = 256

// isBlob says whether a string is a data URL or long base64.
func isBlob(text []byte) bool {
	if len(text) < blobBytesMin {
		return false
	}
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '+', c == '/', c == '=', c == '-', c == '_', c == ':', c == ';', c == ',', c == '.', c == '\\':
		default:
			return false
		}
	}
	return true
}
