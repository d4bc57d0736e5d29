// Package fault provides the errors that rooms of the control plane hand to each other and transports show to people.
// It refuses to know about HTTP.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what went wrong in terms that every transport can map.
type Kind int

// The kinds. Internal is the zero value, so that an unclassified error never looks harmless.
const (
	Internal Kind = iota
	Invalid
	Unauthenticated
	Forbidden
	NotFound
	Conflict
	Exhausted
	Unavailable
)

// Error is a failure with a message that a stranger may read. The cause is for the log only.
type Error struct {
	Kind    Kind
	Message string
	Fields  []Field // for Invalid and Conflict: what to mend, in the order of the form
	cause   error
}

// Field is one wrong input.
type Field struct {
	Name    string // as in the form and in JSON
	Message string // what is wrong and how to mend it
}

// New returns an error of a kind. Message may be read by a stranger.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error of a kind with a cause for the log.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), cause: cause}
}

// Error implements error: message, fields and cause.
func (e *Error) Error() string {
	text := e.Message
	for _, f := range e.Fields {
		text += "; " + f.Name + ": " + f.Message
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Of returns the fault in err's chain, or an Internal one that hides err from strangers.
func Of(err error) *Error {
	var fault *Error
	if errors.As(err, &fault) {
		return fault
	}
	return Wrap(Internal, err, "something went wrong on our side")
}

// KindOf returns the kind of err.
func KindOf(err error) Kind { return Of(err).Kind }

// Fields collects the wrong inputs of a form.
type Fields []Field

// Add notes a wrong input.
func (f *Fields) Add(name, format string, args ...any) {
	*f = append(*f, Field{Name: name, Message: fmt.Sprintf(format, args...)})
}

// Err returns an Invalid fault with the inputs noted so far, or nil when there are none.
func (f Fields) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Message: "some fields need attention", Fields: f}
}

// Taken returns a Conflict about one field whose value something else has.
func Taken(name, format string, args ...any) *Error {
	var taken Fields
	taken.Add(name, format, args...)
	return &Error{Kind: Conflict, Message: taken[0].Message, Fields: taken}
}
