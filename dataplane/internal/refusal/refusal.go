// Package refusal provides the error that an edge answers with, and is the one place that writes it in the caller's dialect:
// as a body before an answer has begun, as an event inside a stream that has.
// It refuses to end a cut stream as if it were whole.
package refusal

import (
	"math"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Error is a refusal or failure of a request. Everything in it may be read by the caller.
type Error struct {
	Code       string        // one of wire.Code…
	Status     int           // HTTP status
	Message    string        // a sentence that says what to do
	Param      string        // the request's field that is wrong; empty: none
	Rule       string        // the budget, guardrail or limit that refused, by name
	RuleID     wire.ID       // the same, by id
	Remaining  *Amount       // what is left of the rule's budget or limit
	ResetsAt   time.Time     // when the rule's period ends; zero: never or unknown
	RetryAfter time.Duration // 0: do not say
	Place      *Place        // where in the body
	Models     []string      // names that the caller may use instead
	Attempts   []Attempt     // what was tried at providers
	cause      error
}

// Amount is what is left: money in pico-USD, or a number of requests or tokens.
type Amount struct {
	Pico     int64
	Requests int64
	Tokens   int64
	Money    bool
	OfTokens bool
}

// Place is a position in the request's body.
type Place struct {
	Offset int // in bytes, from 0
	Line   int // from 1
	Column int // in bytes, from 1
}

// Attempt is one call to a provider.
type Attempt struct {
	Provider string
	Model    string
	Status   int    // 0: no answer
	Reason   string // what went wrong, in words that do not tell about the network behind
}

// New returns an error.
func New(status int, code, message string) *Error {
	return &Error{Code: code, Status: status, Message: message}
}

// Wrap returns an error with a cause for the log.
func Wrap(status int, code, message string, cause error) *Error {
	return &Error{Code: code, Status: status, Message: message, cause: cause}
}

// Error implements error.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Message + ": " + e.cause.Error()
	}
	return e.Code + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// RetrySeconds returns RetryAfter in whole seconds, rounded up.
func (e *Error) RetrySeconds() int64 {
	return int64(math.Ceil(e.RetryAfter.Seconds()))
}

// USD returns an amount of pico-USD as a decimal number of dollars without needless zeros.
func USD(pico int64) string {
	var text [32]byte
	return string(AppendUSD(text[:0], pico))
}

// AppendUSD appends an amount of pico-USD as a decimal number of dollars without needless zeros.
func AppendUSD(dst []byte, pico int64) []byte {
	const scale = 1_000_000_000_000
	magnitude := uint64(pico)
	if pico < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	dst = appendUint(dst, magnitude/scale)
	fraction := magnitude % scale
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := uint64(scale / 10); fraction > 0; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit))
		fraction %= unit
	}
	return dst
}

func appendUint(dst []byte, n uint64) []byte {
	var digits [20]byte
	i := len(digits)
	for {
		i--
		digits[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return append(dst, digits[i:]...)
		}
	}
}
