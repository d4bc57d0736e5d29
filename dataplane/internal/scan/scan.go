// Package scan reads a JSON body once: it validates all of it (RFC 8259, UTF-8, bounded depth), finds the top-level fields that decide
// and the spans of text that guardrails must see, and leaves the rest as it lies.
// It refuses duplicate and case-twisted spellings of the fields that decide, because two readers could take them differently.
package scan

import "fmt"

// DepthMax is how deep arrays and objects may nest.
const DepthMax = 512

// Field is a top-level field that decides.
type Field uint8

// The fields that decide, in all dialects together: first those of requests, then those of answers and their events.
const (
	Model Field = iota
	Stream
	MaxTokens
	MaxCompletionTokens
	MaxOutputTokens
	StreamOptions
	Metadata
	User
	N
	Messages
	Input
	System
	Instructions
	Tools
	PreviousResponseID
	Conversation
	Prompt
	Background
	Contents
	SystemInstruction
	GenerationConfig
	CachedContent
	Usage // the first of an answer's
	Failure
	Type
	Choices
	Response
	Message
	ServiceTier
	UsageMetadata
	Candidates
	PromptFeedback
	fieldCount
)

// A request and an answer have fields of their own that decide.
const (
	requestFields = Usage      // the fields before it
	answerFields  = fieldCount // from Usage up to it
)

var fieldNames = [fieldCount]string{
	"model", "stream", "max_tokens", "max_completion_tokens", "max_output_tokens", "stream_options", "metadata", "user", "n",
	"messages", "input", "system", "instructions", "tools", "previous_response_id", "conversation", "prompt", "background",
	"contents", "systemInstruction", "generationConfig", "cachedContent",
	"usage", "error", "type", "choices", "response", "message", "service_tier",
	"usageMetadata", "candidates", "promptFeedback",
}

// secondNames are those that Google's APIs take besides (https://protobuf.dev/programming-guides/json).
var secondNames = map[string]Field{
	"system_instruction": SystemInstruction, "generation_config": GenerationConfig, "cached_content": CachedContent,
}

// String returns the field's name in JSON.
func (f Field) String() string { return fieldNames[f] }

// Value is where a value lies in the body. The zero value means that the field is absent.
type Value struct{ Start, End int }

// Result is what a scan found. It may be reused; Scan empties it first.
type Result struct {
	Fields [fieldCount]Value
	Open   int     // index after the opening brace of the whole body
	Empty  bool    // the body is {}
	Texts  []Value // string values that a model reads, without their quotes, escapes as they lie
	Media  int     // values whose size in tokens the body does not tell: images, audio, files

	Thoughts  bool // among what a model reads are thoughts, or a provider's signature of some
	Files     bool // some key names files by their ids, or has escapes and may do so
	Developer bool // some role among what a model reads is developer
}

// Error says what is wrong with a body, and where.
type Error struct {
	Reason string
	Field  string // the deciding field that is wrong; empty: none
	Offset int    // in bytes, from 0
	Line   int    // from 1
	Column int    // in bytes, from 1
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s at byte %d (line %d, column %d)", e.Reason, e.Offset, e.Line, e.Column)
}

// Scan reads the body of a request: one JSON object with nothing after it.
func (r *Result) Scan(body []byte) *Error {
	return r.scan(scanner{b: body, r: r, to: requestFields, strict: true})
}

// ScanAnswer reads the body of an answer, or the data of an event. Keys in other letters are just other keys there.
func (r *Result) ScanAnswer(body []byte) *Error {
	return r.scan(scanner{b: body, r: r, from: requestFields, to: answerFields})
}

func (r *Result) scan(s scanner) *Error {
	body := s.b
	*r = Result{Texts: r.Texts[:0]}
	i := s.space(0)
	if i >= len(body) || body[i] != '{' {
		return s.fault(i, "the body is not a JSON object")
	}
	end, ok := s.top(i)
	if !ok {
		return s.failure()
	}
	if end = s.space(end); end < len(body) {
		return s.fault(end, "something follows the JSON object")
	}
	return nil
}

// Valid says whether text is one JSON value and nothing else.
func Valid(text []byte) bool {
	s := scanner{b: text}
	end, ok := s.value(s.space(0), 0, false)
	return ok && s.space(end) == len(text)
}

// scanner is one pass. Its methods take an index and return the index after what they read.
type scanner struct {
	b       []byte
	r       *Result // nil: only validate
	from    Field   // the fields that decide here: from, up to but not including to
	to      Field
	strict  bool // refuse their names in other letters
	escapes int  // that were read
	reason  string
	field   string
	at      int
}

func (s *scanner) fail(at int, reason string) (int, bool) {
	s.at, s.reason = at, reason
	return 0, false
}

func (s *scanner) fault(at int, reason string) *Error {
	s.fail(at, reason)
	return s.failure()
}

func (s *scanner) failure() *Error {
	line, begin := 1, 0
	at := min(s.at, len(s.b))
	for i, c := range s.b[:at] {
		if c == '\n' {
			line, begin = line+1, i+1
		}
	}
	return &Error{Reason: s.reason, Field: s.field, Offset: at, Line: line, Column: at - begin + 1}
}

func (s *scanner) space(i int) int {
	for i < len(s.b) && (s.b[i] == ' ' || s.b[i] == '\n' || s.b[i] == '\r' || s.b[i] == '\t') {
		i++
	}
	return i
}

const tooEarly = "the body ends too early"

func (s *scanner) value(i, depth int, text bool) (int, bool) {
	if i >= len(s.b) {
		return s.fail(i, tooEarly)
	}
	switch s.b[i] {
	case '"':
		end, ok := s.str(i)
		if ok && text && s.r != nil {
			s.r.Texts = append(s.r.Texts, Value{i + 1, end - 1})
		}
		return end, ok
	case '{':
		return s.object(i, depth+1, text)
	case '[':
		return s.array(i, depth+1, text)
	case 't':
		return s.word(i, "true")
	case 'f':
		return s.word(i, "false")
	case 'n':
		return s.word(i, "null")
	default:
		return s.number(i)
	}
}

func (s *scanner) word(i int, word string) (int, bool) {
	if len(s.b)-i < len(word) || string(s.b[i:i+len(word)]) != word {
		return s.fail(i, "not a JSON value")
	}
	return i + len(word), true
}

func (s *scanner) number(i int) (int, bool) {
	begin := i
	if i < len(s.b) && s.b[i] == '-' {
		i++
	}
	switch {
	case i < len(s.b) && s.b[i] == '0':
		i++
	case i < len(s.b) && s.b[i] >= '1' && s.b[i] <= '9':
		i = s.digits(i)
	default:
		return s.fail(begin, "not a JSON value")
	}
	if i < len(s.b) && s.b[i] == '.' {
		next := s.digits(i + 1)
		if next == i+1 {
			return s.fail(begin, "not a JSON number")
		}
		i = next
	}
	if i < len(s.b) && (s.b[i] == 'e' || s.b[i] == 'E') {
		i++
		if i < len(s.b) && (s.b[i] == '+' || s.b[i] == '-') {
			i++
		}
		next := s.digits(i)
		if next == i {
			return s.fail(begin, "not a JSON number")
		}
		i = next
	}
	return i, true
}

func (s *scanner) digits(i int) int {
	for i < len(s.b) && s.b[i] >= '0' && s.b[i] <= '9' {
		i++
	}
	return i
}

func (s *scanner) array(i, depth int, text bool) (int, bool) {
	if depth > DepthMax {
		return s.fail(i, "arrays and objects nest too deep")
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == ']' {
		return i + 1, true
	}
	for {
		end, ok := s.value(i, depth, text)
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
		case ']':
			return i + 1, true
		default:
			return s.fail(i, "a comma or ] is missing")
		}
	}
}

func (s *scanner) object(i, depth int, text bool) (int, bool) {
	if depth > DepthMax {
		return s.fail(i, "arrays and objects nest too deep")
	}
	i = s.space(i + 1)
	if i < len(s.b) && s.b[i] == '}' {
		return i + 1, true
	}
	for {
		keyEnd, ok := s.key(i)
		if !ok {
			return 0, false
		}
		key := s.b[i+1 : keyEnd-1]
		if i, ok = s.colon(keyEnd); !ok {
			return 0, false
		}
		end, ok := s.member(key, i, depth, text)
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

// member reads the value of one key. In text, keys whose values no model reads are left out.
func (s *scanner) member(key []byte, i, depth int, text bool) (int, bool) {
	if !text || s.r == nil {
		return s.value(i, depth, false)
	}
	kind := classify(key)
	switch kind {
	case keyMedia:
		s.r.Media++
	case keyThought, keySigned:
		s.r.Thoughts = true
	}
	if kind == keyBlob && i < len(s.b) && s.b[i] == '"' {
		end, ok := s.str(i)
		if ok && !isBlob(s.b[i+1:end-1]) {
			s.r.Texts = append(s.r.Texts, Value{i + 1, end - 1})
		}
		return end, ok
	}
	end, ok := s.value(i, depth, kind != keySilent && kind != keySigned)
	if kind == keySilent && ok && len(key) == len("role") && string(s.b[i:end]) == `"developer"` {
		s.r.Developer = true
	}
	return end, ok
}

func (s *scanner) key(i int) (int, bool) {
	if i >= len(s.b) {
		return s.fail(i, tooEarly)
	}
	if s.b[i] != '"' {
		return s.fail(i, "a key in quotes is missing")
	}
	escapes := s.escapes
	end, ok := s.str(i)
	if ok && s.r != nil && (s.escapes != escapes || namesFiles(s.b[i+1:end-1])) {
		s.r.Files = true
	}
	return end, ok
}

func namesFiles(key []byte) bool {
	if len(key) < len("file_id") || key[0] != 'f' {
		return false
	}
	switch string(key) {
	case "file_id", "file_ids", "fileUri", "file_uri":
		return true
	default:
		return false
	}
}

func (s *scanner) colon(i int) (int, bool) {
	i = s.space(i)
	if i >= len(s.b) {
		return s.fail(i, tooEarly)
	}
	if s.b[i] != ':' {
		return s.fail(i, "a colon is missing")
	}
	return s.space(i + 1), true
}
