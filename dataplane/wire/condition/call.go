package condition

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Call is what is known of a call.
type Call struct {
	Model             string // as the caller wrote it: the route's name or another name of it
	Key               string // the virtual key's name
	Workspace         string // its name
	Agent             string // its name; empty: the key stands for none
	EndUser           string
	Run               string
	Dialect           string // as usage events name it
	Labels            map[string]string
	PromptChars       int64 // characters of everything that the model reads
	PromptTokens      int64 // an estimate: a quarter of the characters
	MaxOutputTokens   int64 // 0: the caller names no limit
	Stream            bool
	Tools             bool      // the request brings tools
	BudgetLeftPercent int64     // of the hard budget of which least is left; 100 where none holds the call
	At                time.Time // in the time zone of the route
}

// Variable is a name that conditions may use.
type Variable struct {
	Name string
	Type string // "string", "int", "bool" or "map(string, string)"
	Help string // what it is
	of   func(*Call) ref.Val
}

var variables = []Variable{
	{"model", "string", "what the caller wrote as the model", func(c *Call) ref.Val { return types.String(c.Model) }},
	{"key", "string", "the name of the virtual key", func(c *Call) ref.Val { return types.String(c.Key) }},
	{"workspace", "string", "the name of the workspace", func(c *Call) ref.Val { return types.String(c.Workspace) }},
	{"agent", "string", "the name of the key's agent, or empty", func(c *Call) ref.Val { return types.String(c.Agent) }},
	{"end_user", "string", "who the call is for, as the caller says, or empty", func(c *Call) ref.Val { return types.String(c.EndUser) }},
	{"run", "string", "the run that the call belongs to", func(c *Call) ref.Val { return types.String(c.Run) }},
	{"labels", "map(string, string)", "what the caller labels the call with", func(c *Call) ref.Val { return types.NewStringStringMap(types.DefaultTypeAdapter, c.Labels) }},
	{"prompt_chars", "int", "characters of everything that the model reads", func(c *Call) ref.Val { return types.Int(c.PromptChars) }},
	{"prompt_tokens", "int", "an estimate of its tokens: a quarter of the characters", func(c *Call) ref.Val { return types.Int(c.PromptTokens) }},
	{"max_output_tokens", "int", "the caller's limit of output, or 0", func(c *Call) ref.Val { return types.Int(c.MaxOutputTokens) }},
	{"stream", "bool", "the answer is streamed", func(c *Call) ref.Val { return types.Bool(c.Stream) }},
	{"tools", "bool", "the request brings tools", func(c *Call) ref.Val { return types.Bool(c.Tools) }},
	{"dialect", "string", `the API that the caller uses: "openai_chat", "anthropic_messages" and so on`, func(c *Call) ref.Val { return types.String(c.Dialect) }},
	{"hour", "int", "0 to 23, in the route's time zone", func(c *Call) ref.Val { return types.Int(c.At.Hour()) }},
	{"weekday", "int", "1 is Monday, 7 is Sunday, in the route's time zone", func(c *Call) ref.Val { return types.Int((c.At.Weekday()+6)%7 + 1) }},
	{"budget_left_percent", "int", "of the hard budget of which least is left, 0 to 100", func(c *Call) ref.Val { return types.Int(c.BudgetLeftPercent) }},
}

// Variables returns the names that conditions may use.
func Variables() []Variable { return slices.Clone(variables) }

func isVariable(name string) bool {
	return slices.ContainsFunc(variables, func(v Variable) bool { return v.Name == name })
}

func kindOf(name string) *cel.Type {
	switch name {
	case "int":
		return cel.IntType
	case "bool":
		return cel.BoolType
	case "string":
		return cel.StringType
	default:
		return cel.MapType(cel.StringType, cel.StringType)
	}
}

// ResolveName implements cel.Activation.
func (c *Call) ResolveName(name string) (any, bool) {
	for i := range variables {
		if variables[i].Name == name {
			return variables[i].of(c), true
		}
	}
	return nil, false
}

// Parent implements cel.Activation.
func (*Call) Parent() cel.Activation { return nil }

// Say writes what the variables are for the call, for people: `prompt_chars = 812, model = "fast"`.
func (c *Call) Say(names []string) string {
	var parts []string
	for i := range variables {
		if slices.Contains(names, variables[i].Name) {
			value := variables[i].of(c).Value()
			if variables[i].Name == "labels" {
				value = c.Labels
			}
			parts = append(parts, fmt.Sprintf("%s = %s", variables[i].Name, said(value)))
		}
	}
	return strings.Join(parts, ", ")
}

func said(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case map[string]string:
		return strings.TrimPrefix(fmt.Sprintf("%q", v), "map")
	default:
		return fmt.Sprint(v)
	}
}
