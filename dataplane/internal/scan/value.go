package scan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Has says whether the field is there and not null.
func (r *Result) Has(body []byte, field Field) bool {
	v := r.Fields[field]
	return v.End > 0 && body[v.Start] != 'n'
}

// Bytes returns the field's value as it lies in the body; nil when absent.
func (r *Result) Bytes(body []byte, field Field) []byte {
	v := r.Fields[field]
	if v.End == 0 {
		return nil
	}
	return body[v.Start:v.End]
}

// Wrong returns the error of a field whose value has the wrong type.
func (r *Result) Wrong(body []byte, field Field, reason string) *Error {
	s := scanner{b: body, field: field.String()}
	return s.fault(r.Fields[field].Start, reason)
}

// Text returns the field's string. When it has no escapes it is a part of the body. Absent and null are nil.
func (r *Result) Text(body []byte, field Field) ([]byte, *Error) {
	raw := r.Bytes(body, field)
	if raw == nil || raw[0] == 'n' {
		return nil, nil
	}
	if raw[0] != '"' {
		return nil, r.Wrong(body, field, field.String()+" must be a string")
	}
	inner := raw[1 : len(raw)-1]
	if hasEscape(inner) {
		return Unescape(make([]byte, 0, len(inner)), inner), nil
	}
	return inner, nil
}

// Bool returns the field's boolean. Absent and null are false.
func (r *Result) Bool(body []byte, field Field) (bool, *Error) {
	raw := r.Bytes(body, field)
	switch {
	case raw == nil || raw[0] == 'n' || raw[0] == 'f':
		return false, nil
	case raw[0] == 't':
		return true, nil
	default:
		return false, r.Wrong(body, field, field.String()+" must be true or false")
	}
}

// Int returns the field's non-negative integer of at most 18 digits. Absent and null are 0, false.
func (r *Result) Int(body []byte, field Field) (int64, bool, *Error) {
	raw := r.Bytes(body, field)
	if raw == nil || raw[0] == 'n' {
		return 0, false, nil
	}
	n, ok := Int(raw)
	if !ok {
		return 0, false, r.Wrong(body, field, field.String()+" must be a whole number that is not negative")
	}
	return n, true, nil
}

// Int reads a JSON number that is a non-negative integer of at most 18 digits.
func Int(raw []byte) (int64, bool) {
	if len(raw) == 0 || len(raw) > 18 {
		return 0, false
	}
	n := int64(0)
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// Lookup returns the raw value of a key of a JSON object that a scan has validated; nil when absent. Of duplicates the last counts.
func Lookup(object []byte, key string) []byte {
	var found []byte
	Each(object, func(name, value []byte) {
		if string(name) == key {
			found = value
		}
	})
	return found
}

// Each calls do with every key (without quotes, escapes as they lie) and raw value of a JSON object that a scan has validated.
// It does nothing for other values.
func Each(object []byte, do func(key, value []byte)) {
	s := scanner{b: object}
	i := s.space(0)
	if i >= len(object) || object[i] != '{' {
		return
	}
	i = s.space(i + 1)
	for i < len(object) && object[i] == '"' {
		keyEnd, ok := s.key(i)
		if !ok {
			return
		}
		begin, ok := s.colon(keyEnd)
		if !ok {
			return
		}
		end, ok := s.value(begin, 0, false)
		if !ok {
			return
		}
		do(object[i+1:keyEnd-1], object[begin:end])
		if i = s.space(end); i < len(object) && object[i] == ',' {
			i = s.space(i + 1)
		}
	}
}

// Elements calls do with every raw element of a JSON array that a scan has validated. It does nothing for other values.
func Elements(array []byte, do func(value []byte)) {
	s := scanner{b: array}
	i := s.space(0)
	if i >= len(array) || array[i] != '[' {
		return
	}
	i = s.space(i + 1)
	for i < len(array) && array[i] != ']' {
		end, ok := s.value(i, 0, false)
		if !ok {
			return
		}
		do(array[i:end])
		if i = s.space(end); i < len(array) && array[i] == ',' {
			i = s.space(i + 1)
		}
	}
}

func hasEscape(text []byte) bool { return bytes.IndexByte(text, '\\') >= 0 }

// HasEscape says whether the inside of a JSON string differs from the text that it stands for.
func HasEscape(text []byte) bool { return hasEscape(text) }

// Unescape appends the text that the inside of a JSON string stands for. What is not a JSON escape is kept as it lies.
func Unescape(dst, text []byte) []byte {
	for {
		k := bytes.IndexByte(text, '\\')
		if k < 0 || k+1 >= len(text) {
			return append(dst, text...)
		}
		dst = append(dst, text[:k]...)
		var used int
		dst, used = unescapeOne(dst, text[k:])
		text = text[k+used:]
	}
}

func unescapeOne(dst, text []byte) ([]byte, int) {
	switch c := text[1]; c {
	case '"', '\\', '/':
		return append(dst, c), 2
	case 'b':
		return append(dst, '\b'), 2
	case 'f':
		return append(dst, '\f'), 2
	case 'n':
		return append(dst, '\n'), 2
	case 'r':
		return append(dst, '\r'), 2
	case 't':
		return append(dst, '\t'), 2
	case 'u':
		r, ok := hex4(text)
		if !ok {
			return append(dst, '\\'), 1
		}
		if utf16.IsSurrogate(r) {
			if low, ok := hex4(text[6:]); ok {
				if both := utf16.DecodeRune(r, low); both != utf8.RuneError {
					return utf8.AppendRune(dst, both), 12
				}
			}
			r = utf8.RuneError
		}
		return utf8.AppendRune(dst, r), 6
	default:
		return append(dst, '\\'), 1
	}
}

// hex4 reads \uXXXX at the begin of text.
func hex4(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	r := rune(0)
	for _, c := range text[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Edit replaces the bytes of a body from Start to End.
type Edit struct {
	Start, End int
	Text       []byte
}

// Splice appends the body with the edits made. The edits are in rising order and do not overlap.
func Splice(dst, body []byte, edits []Edit) []byte {
	at := 0
	for _, e := range edits {
		dst = append(dst, body[at:e.Start]...)
		dst = append(dst, e.Text...)
		at = e.End
	}
	return append(dst, body[at:]...)
}

// Member returns where the member of an object stands, its key included, whose value stands there.
func Member(body []byte, value Value) Value {
	shut := bytes.LastIndexByte(body[:value.Start], '"')
	return Value{Start: bytes.LastIndexByte(body[:shut], '"'), End: value.End}
}

// WithComma takes the comma to a member that goes: the one behind it, or else the one before.
func WithComma(body []byte, member Value) Value {
	const space = " \t\r\n"
	if behind := bytes.TrimLeft(body[member.End:], space); behind[0] == ',' {
		member.End = len(body) - len(behind) + 1
		return member
	}
	if before := bytes.TrimRight(body[:member.Start], space); before[len(before)-1] == ',' {
		member.Start = len(before) - 1
	}
	return member
}
