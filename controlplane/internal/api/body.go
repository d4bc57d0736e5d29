package api

import (
	"bytes"
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
		return explain(err)
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
		return explain(err)
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

// explain says where the JSON is wrong without repeating values: a body may hold secrets.
func explain(err error) error {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return malformed{fmt.Sprintf("the body is not JSON: something is wrong at byte %d", syntax.Offset)}
	case errors.As(err, &wrongType):
		return malformed{fmt.Sprintf("%s is a JSON %s; it must be a %s", orBody(wrongType.Field), kindOf(wrongType.Value), wrongType.Type.Kind())}
	case errors.Is(err, io.EOF):
		return malformed{"the body is empty; send a JSON object"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed{"the body is not JSON: it ends too early"}
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return malformed{"unknown field " + name}
	}
	return malformed{"a value has a wrong form: ids are UUIDs, times are like 2026-01-31T12:00:00Z"}
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
