package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	bodyBytesMax = 1 << 20
	bodyTimeout  = 30 * time.Second
)

// sent is the body of a request.
type sent struct{ raw []byte }

// read takes the body of a request whose endpoint has one.
func (e endpoint) read(c echo.Context) (*sent, error) {
	if e.body == nil {
		return nil, nil
	}
	media, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil || media != e.mediaType() {
		return nil, wrongMedia{e.mediaType()}
	}
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(bodyTimeout)) // a recorder in tests has none
	raw, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, bodyBytesMax))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, malformed{"the body did not arrive whole"}
	}
	return &sent{raw}, nil
}

// mediaType is what the body of a request must be.
func (e endpoint) mediaType() string {
	if e.media != "" {
		return e.media
	}
	return echo.MIMEApplicationJSON
}

// into decodes the body, which must be one object of known fields.
func (s *sent) into(target any) error {
	decoder := json.NewDecoder(bytes.NewReader(s.raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return explain(err, func() string { return culprit(s.raw, reflect.TypeOf(target).Elem()) })
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return malformed{"there is something after the JSON object"}
	}
	return nil
}

// over decodes the body and takes what it does not mention from before. Both point to the same type of struct.
func (s *sent) over(before, target any) error {
	if err := s.into(target); err != nil {
		return err
	}
	var mentioned map[string]json.RawMessage
	if err := json.Unmarshal(s.raw, &mentioned); err != nil {
		return explain(err, func() string { return "" })
	}
	names := slices.Collect(maps.Keys(mentioned))
	from, to := reflect.ValueOf(before).Elem(), reflect.ValueOf(target).Elem()
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		if !slices.ContainsFunc(names, func(each string) bool { return strings.EqualFold(each, name) }) { // as encoding/json matches names
			to.Field(i).Set(from.Field(i))
		}
	}
	return nil
}

// explain says where the JSON is wrong without repeating values: a body may hold secrets. Where finds the field whose value is no text of its type.
func explain(err error, where func() string) error {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return malformed{fmt.Sprintf("the body is not JSON: something is wrong at byte %d", syntax.Offset)}
	case errors.As(err, &wrongType):
		return malformed{fmt.Sprintf("%s is a JSON %s; it must be %s", orBody(wrongType.Field), kindOf(wrongType.Value), shapeOf(wrongType.Type.Kind()))}
	case errors.Is(err, io.EOF):
		return malformed{"the body is empty; send a JSON object"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed{"the body is not JSON: it ends too early"}
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return malformed{"unknown field " + name}
	}
	return malformed{cmp.Or(where(), "a value") + " has a wrong form: ids are UUIDs, times are like 2026-01-31T12:00:00Z"}
}

// culprit returns the place of the first value that cannot be read as what stands there, such as "targets[1].provider_id".
func culprit(raw []byte, of reflect.Type) string {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	var fields map[string]json.RawMessage
	var elements []json.RawMessage
	switch {
	case of.Kind() == reflect.Struct && json.Unmarshal(raw, &fields) == nil:
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if each := of.Field(i).Type; fields[name] != nil && json.Unmarshal(fields[name], reflect.New(each).Interface()) != nil {
				return strings.TrimSuffix(strings.Replace(name+"."+culprit(fields[name], each), ".[", "[", 1), ".")
			}
		}
	case of.Kind() == reflect.Slice && json.Unmarshal(raw, &elements) == nil:
		for i, each := range elements {
			if json.Unmarshal(each, reflect.New(of.Elem()).Interface()) != nil {
				return strings.TrimSuffix(fmt.Sprintf("[%d].%s", i, culprit(each, of.Elem())), ".")
			}
		}
	}
	return ""
}

// shapeOf names a kind of value as JSON does.
func shapeOf(kind reflect.Kind) string {
	switch kind {
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}

func orBody(field string) string {
	if field == "" {
		return "the body"
	}
	return field
}

// kindOf drops the value that encoding/json adds to numbers.
func kindOf(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	return kind
}
