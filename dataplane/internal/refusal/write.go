package refusal

import (
	"net/http"
	"strconv"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/wire"
)

// Write answers a request that has not been answered yet. Headers that are set already stay.
func Write(w http.ResponseWriter, d dialect.Dialect, requestID string, e *Error) {
	body := AppendBody(nil, d, requestID, e)
	header := w.Header()
	header["Content-Type"] = []string{"application/json"}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if e.RetryAfter > 0 {
		header["Retry-After"] = []string{strconv.FormatInt(e.RetrySeconds(), 10)}
	}
	if e.Status == http.StatusUnauthorized {
		header["Www-Authenticate"] = []string{`Bearer realm="tollgate"`}
	}
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // the caller may be gone
}

// AppendBody appends the error as the dialect's JSON body. Shapes:
// https://platform.openai.com/docs/guides/error-codes, https://docs.anthropic.com/en/api/errors and https://google.aip.dev/193, with
// Tollgate's own members beside theirs.
func AppendBody(dst []byte, d dialect.Dialect, requestID string, e *Error) []byte {
	if d.IsGoogle() {
		return e.appendGoogles(dst, requestID)
	}
	if d.IsAnthropic() {
		dst = append(dst, `{"type":"error","error":`...)
		dst = e.appendObject(dst, anthropicType(e))
		dst = append(dst, `,"request_id":`...)
		dst = AppendString(dst, requestID)
		return append(dst, '}')
	}
	dst = append(dst, `{"error":`...)
	dst = e.appendObject(dst, openAIType(e))
	dst = append(dst, `,"request_id":`...)
	dst = AppendString(dst, requestID)
	return append(dst, '}')
}

// AppendEvent appends the error as the event that ends a stream in the dialect. No end marker follows it.
func AppendEvent(dst []byte, d dialect.Dialect, requestID string, e *Error) []byte {
	switch d {
	case dialect.AnthropicMessages:
		dst = append(dst, "event: error\ndata: "...)
		dst = AppendBody(dst, d, requestID, e)
	case dialect.OpenAIResponses, dialect.OpenAIStored:
		dst = append(dst, "event: error\ndata: {\"type\":\"error\",\"code\":"...)
		dst = AppendString(dst, e.Code)
		dst = append(dst, `,"message":`...)
		dst = AppendString(dst, e.Message)
		dst = append(dst, `,"param":null,"error":`...)
		dst = e.appendObject(dst, openAIType(e))
		dst = append(dst, `,"request_id":`...)
		dst = AppendString(dst, requestID)
		dst = append(dst, '}')
	default:
		dst = append(dst, "data: "...)
		dst = AppendBody(dst, d, requestID, e)
	}
	return append(dst, "\n\n"...)
}

// AppendMessage appends the error as a message of OpenAI's Realtime (https://platform.openai.com/docs/api-reference/realtime-server-events/error).
// The event is the caller's that it is about; empty: none.
func AppendMessage(dst []byte, requestID, event string, e *Error) []byte {
	dst = AppendString(append(dst, `{"type":"error","event_id":`...), "event_"+requestID)
	dst = e.appendObject(append(dst, `,"error":`...), openAIType(e))
	if event != "" {
		dst = AppendString(append(dst[:len(dst)-1], `,"event_id":`...), event)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func (e *Error) appendObject(dst []byte, kind string) []byte {
	dst = append(dst, `{"message":`...)
	dst = AppendString(dst, e.Message)
	dst = append(dst, `,"type":`...)
	dst = AppendString(dst, kind)
	dst = append(dst, `,"param":`...)
	if e.Param == "" {
		dst = append(dst, "null"...)
	} else {
		dst = AppendString(dst, e.Param)
	}
	dst = append(dst, `,"code":`...)
	dst = AppendString(dst, e.Code)
	dst = e.appendRule(dst)
	if e.Place != nil {
		dst = append(dst, `,"offset":`...)
		dst = strconv.AppendInt(dst, int64(e.Place.Offset), 10)
		dst = append(dst, `,"line":`...)
		dst = strconv.AppendInt(dst, int64(e.Place.Line), 10)
		dst = append(dst, `,"column":`...)
		dst = strconv.AppendInt(dst, int64(e.Place.Column), 10)
	}
	dst = e.appendLists(dst)
	return append(dst, '}')
}

func (e *Error) appendRule(dst []byte) []byte {
	if e.Rule != "" {
		dst = append(dst, `,"rule":`...)
		dst = AppendString(dst, e.Rule)
	}
	if e.Remaining != nil && e.Remaining.Money {
		dst = append(dst, `,"remaining_usd":"`...)
		dst = AppendUSD(dst, e.Remaining.Pico)
		dst = append(dst, '"')
	} else if e.Remaining != nil && e.Remaining.OfTokens {
		dst = append(dst, `,"remaining_tokens":`...)
		dst = strconv.AppendInt(dst, e.Remaining.Tokens, 10)
	} else if e.Remaining != nil {
		dst = append(dst, `,"remaining_requests":`...)
		dst = strconv.AppendInt(dst, e.Remaining.Requests, 10)
	}
	if !e.ResetsAt.IsZero() {
		dst = append(dst, `,"resets_at":"`...)
		dst = e.ResetsAt.UTC().AppendFormat(dst, time.RFC3339)
		dst = append(dst, '"')
	}
	if e.RetryAfter > 0 {
		dst = append(dst, `,"retry_after_seconds":`...)
		dst = strconv.AppendInt(dst, e.RetrySeconds(), 10)
	}
	return dst
}

func (e *Error) appendLists(dst []byte) []byte {
	if e.Models != nil {
		dst = append(dst, `,"models":[`...)
		for i, name := range e.Models {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(dst, name)
		}
		dst = append(dst, ']')
	}
	if e.Attempts == nil {
		return dst
	}
	dst = append(dst, `,"attempts":[`...)
	for i, attempt := range e.Attempts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"provider":`...)
		dst = AppendString(dst, attempt.Provider)
		dst = append(dst, `,"model":`...)
		dst = AppendString(dst, attempt.Model)
		dst = append(dst, `,"status":`...)
		dst = strconv.AppendInt(dst, int64(attempt.Status), 10)
		dst = append(dst, `,"reason":`...)
		dst = AppendString(dst, attempt.Reason)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func openAIType(e *Error) string {
	switch e.Code {
	case wire.CodeBudgetExhausted:
		return "insufficient_quota"
	case wire.CodeRateLimited:
		return "rate_limit_error"
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		return "authentication_error"
	case e.Status == http.StatusForbidden:
		return "permission_error"
	case e.Status == http.StatusNotFound:
		return "not_found_error"
	case e.Status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case e.Status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

func anthropicType(e *Error) string {
	switch {
	case e.Code == wire.CodeBudgetExhausted:
		return "billing_error"
	case e.Status == http.StatusUnauthorized:
		return "authentication_error"
	case e.Status == http.StatusForbidden:
		return "permission_error"
	case e.Status == http.StatusNotFound:
		return "not_found_error"
	case e.Status == http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case e.Status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case e.Status == http.StatusServiceUnavailable:
		return "overloaded_error"
	case e.Status == http.StatusGatewayTimeout:
		return "timeout_error"
	case e.Status >= http.StatusInternalServerError:
		return "api_error"
	default:
		return "invalid_request_error"
	}
}

// AppendString appends text as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, text string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r < 0x20 || r == 0x7f || r == '<' || r == '>' || r == '&' || r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			dst = append(dst, string(r)...)
		}
	}
	return append(dst, '"')
}
