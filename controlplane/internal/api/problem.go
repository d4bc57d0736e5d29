package api

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/fault"
)

// Failures of the transport itself, which no noun knows.
var (
	errMethod   = errors.New("this path does not know that method")
	errTooLarge = errors.New("the body is larger than 1 MiB")
)

// wrongMedia is a body that is not of the endpoint's media type.
type wrongMedia struct{ want string }

// Error implements error.
func (w wrongMedia) Error() string { return "send the body as " + w.want }

// malformed is a body that is not the JSON of the endpoint.
type malformed struct{ message string }

// Error implements error.
func (m malformed) Error() string { return m.message }

// errorBody is the shape of every answer that is not a success.
type errorBody struct {
	Error struct {
		Code    string       `json:"code"`
		Message string       `json:"message"`
		Fields  []errorField `json:"fields"`
	} `json:"error"`
}

type errorField struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// statusOf is the only place where a kind of fault becomes a status and a code.
func statusOf(err error) (status int, code string) {
	var bad malformed
	var media wrongMedia
	switch {
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed, "method_not_allowed"
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge, "body_too_large"
	case errors.As(err, &media):
		return http.StatusUnsupportedMediaType, "unsupported_media_type"
	case errors.As(err, &bad):
		return http.StatusBadRequest, "malformed"
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return http.StatusUnprocessableEntity, "invalid"
	case fault.Unauthenticated:
		return http.StatusUnauthorized, "unauthenticated"
	case fault.Forbidden:
		return http.StatusForbidden, "forbidden"
	case fault.NotFound:
		return http.StatusNotFound, "not_found"
	case fault.Conflict:
		return http.StatusConflict, "conflict"
	case fault.Exhausted:
		return http.StatusTooManyRequests, "exhausted"
	case fault.Unavailable:
		return http.StatusServiceUnavailable, "unavailable"
	default:
		return http.StatusInternalServerError, "internal"
	}
}

// problem answers a failure; what a stranger must not see goes to the log.
func (a *API) problem(c echo.Context, err error) error {
	status, code := statusOf(err)
	body := errorBody{}
	body.Error.Code, body.Error.Message, body.Error.Fields = code, err.Error(), []errorField{}
	if !transportFailure(err) {
		found := fault.Of(err)
		body.Error.Message = found.Message
		for _, field := range found.Fields {
			body.Error.Fields = append(body.Error.Fields, errorField(field))
		}
	}
	if status >= http.StatusInternalServerError {
		a.logger.ErrorContext(c.Request().Context(), "request failed", "method", c.Request().Method, "route", c.Path(), "error", err)
	}
	if status == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="tollgate"`)
	}
	return c.JSON(status, body)
}

// transportFailure says whether the error is the transport's own, whose text strangers may read.
func transportFailure(err error) bool {
	var bad malformed
	var media wrongMedia
	return errors.As(err, &bad) || errors.Is(err, errMethod) || errors.Is(err, errTooLarge) || errors.As(err, &media)
}
