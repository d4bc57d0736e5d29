// Package condition compiles and evaluates the conditions of routes: expressions of the Common Expression Language (https://cel.dev) over
// what is known of a call. Both planes use it, so that what the one accepts the other runs.
// It refuses what is no boolean, what is longer or deeper than a condition needs to be, and to evaluate beyond a bound.
package condition

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

const (
	TextMax   = 2000   // bytes of one condition
	depthMax  = 40     // of nested brackets and operators
	costLimit = 20_000 // of CEL's units, about one for an operator or for ten bytes of a text; some hundred µs at most
)

// Language compiles conditions.
type Language struct{ env *cel.Env }

// New returns the language.
func New() (*Language, error) {
	options := []cel.EnvOption{cel.ParserExpressionSizeLimit(TextMax), cel.ParserRecursionLimit(depthMax), cel.DefaultUTCTimeZone(true)}
	for _, each := range variables {
		options = append(options, cel.Variable(each.Name, kindOf(each.Type)))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make the language of conditions: %w", err)
	}
	return &Language{env}, nil
}

// Error says what is wrong with a condition, and where.
type Error struct {
	Line   int // from 1
	Column int // in characters, from 1
	Reason string
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// Condition is a compiled condition. It may be used by many calls at once.
type Condition struct {
	Text    string
	Asks    []string // the variables that it names, sorted
	program cel.Program
}

// Compile compiles a condition, or says what is wrong with it: an *Error.
func (l *Language) Compile(text string) (*Condition, error) {
	if strings.TrimSpace(text) == "" {
		return nil, &Error{1, 1, "the condition is empty"}
	}
	if len(text) > TextMax {
		return nil, &Error{1, 1, fmt.Sprintf("a condition has at most %d bytes", TextMax)}
	}
	ast, issues := l.env.Compile(text)
	if all := issues.Errors(); len(all) > 0 {
		return nil, &Error{max(all[0].Location.Line(), 1), max(all[0].Location.Column()+1, 1), helped(tidy(all[0].Message))}
	}
	if ast.OutputType() != cel.BoolType {
		return nil, &Error{1, 1, fmt.Sprintf("a condition is true or false, and this is of type %s", ast.OutputType())}
	}
	program, err := l.env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(costLimit))
	if err != nil {
		return nil, &Error{1, 1, tidy(err.Error())}
	}
	out := &Condition{Text: text, program: program}
	for _, reference := range ast.NativeRep().ReferenceMap() {
		if isVariable(reference.Name) && !slices.Contains(out.Asks, reference.Name) {
			out.Asks = append(out.Asks, reference.Name)
		}
	}
	slices.Sort(out.Asks)
	return out, nil
}

// tidy makes CEL's message one line that ends without a stop.
func tidy(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	message = strings.TrimPrefix(strings.TrimSpace(message), "Syntax error: ")
	return strings.TrimSuffix(strings.ReplaceAll(message, " (in container '')", ""), ".")
}

// helped adds to a message how to mend what people get wrong most.
func helped(message string) string {
	switch {
	case strings.HasPrefix(message, "undeclared reference") && !strings.Contains(message, "did you mean"):
		names := make([]string, len(variables))
		for i, each := range variables {
			names[i] = each.Name
		}
		return message + "; there are " + strings.Join(names, ", ")
	case strings.Contains(message, "(int, double)"), strings.Contains(message, "(double, int)"):
		return message + "; write the number without a decimal point"
	default:
		return message
	}
}

// Holds says whether the condition is true of the call. One that cannot be decided does not hold, and why says so.
func (c *Condition) Holds(call *Call) (holds bool, why error) {
	value, _, err := c.program.Eval(call)
	if err != nil {
		return false, fmt.Errorf("%s", tidy(err.Error()))
	}
	holds, _ = value.Value().(bool)
	return holds, nil
}
