package refusal

import (
	"net/http"
	"strconv"

	"tollgate.dev/dataplane/wire"
)

// appendGoogles appends the error as Google's APIs write theirs: the number and its word, and details with the machine's code.
func (e *Error) appendGoogles(dst []byte, requestID string) []byte {
	dst = strconv.AppendInt(append(dst, `{"error":{"code":`...), int64(e.Status), 10)
	dst = AppendString(append(dst, `,"message":`...), e.Message)
	dst = AppendString(append(dst, `,"status":`...), googleStatus(e))
	dst = AppendString(append(dst, `,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...), e.Code)
	dst = AppendString(append(dst, `,"domain":"tollgate.dev","metadata":{"request_id":`...), requestID)
	dst = append(dst, `}}`...)
	if e.RetryAfter > 0 {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"`...)
		dst = append(strconv.AppendInt(dst, e.RetrySeconds(), 10), `s"}`...)
	}
	dst = e.appendObject(append(dst, `],"tollgate":`...), openAIType(e))
	return append(dst, `}}`...)
}

// googleStatus returns the word of Google's codes (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto).
func googleStatus(e *Error) string {
	if e.Code == wire.CodeBudgetExhausted {
		return "RESOURCE_EXHAUSTED"
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	}
	if e.Status >= http.StatusInternalServerError {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}
