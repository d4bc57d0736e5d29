package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

const (
	valueMax = 4 << 10 // bytes of a parameter's value
)

var parameterName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// kept are the fields that say what is asked, of whom and how it is answered: a route leaves them to the caller.
var kept = []string{
	"model", "stream", "stream_options", "messages", "input", "system", "instructions", "prompt", "contents", "tools", "n", "metadata", "user",
	"previous_response_id", "conversation", "background", "store", "anthropic_version",
}

// Limits are the fields that limit the output, under the names of all dialects.
var limits = []string{"max_tokens", "max_completion_tokens", "max_output_tokens"}

// IsLimit says whether a field limits the tokens of output.
func IsLimit(name string) bool { return slices.Contains(limits, name) }

// CheckParameter says what is wrong with a field that a target sets in the provider's request.
func CheckParameter(name string, value []byte) error {
	switch {
	case !parameterName.MatchString(name):
		return errors.New("a field has a name of lower-case letters, digits and _")
	case slices.Contains(kept, name):
		return fmt.Errorf("the field %s is the caller's own and cannot be set by a route", name)
	case len(value) > valueMax:
		return fmt.Errorf("a value has at most %d bytes", valueMax)
	case !json.Valid(value):
		return errors.New("the value is not JSON; a text stands in quotes")
	case string(value) == "null":
		return errors.New("leave the field out instead of setting it to null")
	}
	var limit int64
	if IsLimit(name) && (json.Unmarshal(value, &limit) != nil || limit < 1) {
		return errors.New("a limit of tokens is a whole number of at least 1")
	}
	return nil
}
