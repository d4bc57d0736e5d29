// Package translate reads what a request asks in its dialect and rewrites the few fields that a provider must see differently.
// It carries a request to a provider that speaks another format, and the answer back. It refuses to drop a field silently.
package translate

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// Ask is what a request asks for.
type Ask struct {
	Dialect      dialect.Dialect
	Model        []byte // a route's name; a part of the body where possible
	Stream       bool
	Array        bool      // as a JSON array instead of events
	MaxOutput    int64     // tokens of one choice; 0: the caller names no limit
	Choices      int64     // answers asked for, at least 1
	IncludeUsage bool      // the caller wants OpenAI's extra usage chunk
	Tools        bool      // the request brings tools
	Unbounded    bool      // the body does not tell how large the input is: images, files, stored conversations
	Packed       bool      // embeddings are wanted as base64; known once they are asked for in another format
	stop         []byte    // the only sequence at which a translated answer is to end; inside of a string
	Portions     []Portion // of a request for embeddings in another format
	Background   bool      // the provider answers at once and works at it afterwards
	Tier         string    // flex or priority, which Vertex AI is told in the head of a translated request; empty: neither
	EndUser      []byte
	Task         *Task // what is no conversation; nil: a conversation or embeddings

	spaces  map[string]int  // bytes of the namespace in the names of its tools, as another format has them
	customs map[string]bool // names of its tools that take any text, which another format has as functions
}

// choicesMax is OpenAI's own limit of n.
const choicesMax = 128

// Read reads the ask from a scanned body. Wrong types are refused with their place.
func Read(d dialect.Dialect, body []byte, r *scan.Result) (Ask, *refusal.Error) {
	ask := Ask{Dialect: d, Choices: 1}
	reader := reader{body: body, r: r}
	if d.IsGoogle() {
		ask.readGemini(&reader)
		return ask, reader.problem
	}
	ask.Model = reader.text(scan.Model)
	ask.Stream = reader.flag(scan.Stream)
	for _, field := range limitFields(d) {
		n, given := reader.number(field)
		if given && n == 0 {
			reader.refuse(field, field.String()+" must be at least 1")
		}
		ask.MaxOutput = max(ask.MaxOutput, n)
	}
	if n, given := reader.number(scan.N); given && (d == dialect.OpenAIChat) {
		if n < 1 || n > choicesMax {
			reader.refuse(scan.N, fmt.Sprintf("n must be from 1 to %d", choicesMax))
		}
		ask.Choices = n
	}
	ask.Background = d == dialect.OpenAIResponses && reader.flag(scan.Background)
	ask.readUsageOption(&reader)
	ask.Unbounded = r.Media > 0 || r.Has(body, scan.PreviousResponseID) || r.Has(body, scan.Conversation) ||
		d == dialect.OpenAIResponses && r.Has(body, scan.Prompt)
	ask.Tools = r.Has(body, scan.Tools)
	ask.EndUser = endUser(d, &reader)
	if !d.HasOutput() && ask.Stream {
		reader.refuse(scan.Stream, "these answers are not streamed")
	}
	return ask, reader.problem
}

func (a *Ask) readUsageOption(reader *reader) {
	raw := reader.r.Bytes(reader.body, scan.StreamOptions)
	if raw == nil || raw[0] == 'n' || a.Dialect != dialect.OpenAIChat {
		return
	}
	if raw[0] != '{' {
		reader.refuse(scan.StreamOptions, "stream_options must be an object")
		return
	}
	count := 0
	scan.Each(raw, func(key, value []byte) {
		if string(key) == "include_usage" {
			count++
			a.IncludeUsage = value[0] == 't'
		}
	})
	if count > 1 {
		reader.refuse(scan.StreamOptions, "include_usage stands twice")
	}
}

func endUser(d dialect.Dialect, reader *reader) []byte {
	if d.IsAnthropic() {
		raw := scan.Lookup(reader.r.Bytes(reader.body, scan.Metadata), "user_id")
		if len(raw) > 2 && raw[0] == '"' {
			return raw[1 : len(raw)-1]
		}
		return nil
	}
	return reader.text(scan.User)
}

func limitFields(d dialect.Dialect) []scan.Field {
	switch d {
	case dialect.OpenAIChat:
		return chatLimits[:]
	case dialect.OpenAIResponses:
		return responsesLimits[:]
	case dialect.AnthropicMessages:
		return messagesLimits[:]
	default:
		return nil
	}
}

var (
	chatLimits      = [...]scan.Field{scan.MaxTokens, scan.MaxCompletionTokens}
	responsesLimits = [...]scan.Field{scan.MaxOutputTokens}
	messagesLimits  = [...]scan.Field{scan.MaxTokens}
)

// reader keeps the first problem.
type reader struct {
	body    []byte
	r       *scan.Result
	problem *refusal.Error
}

func (r *reader) note(err *scan.Error) {
	if err != nil && r.problem == nil {
		r.problem = Malformed(err)
	}
}

func (r *reader) refuse(field scan.Field, reason string) { r.note(r.r.Wrong(r.body, field, reason)) }

func (r *reader) text(field scan.Field) []byte {
	text, err := r.r.Text(r.body, field)
	r.note(err)
	return text
}

func (r *reader) flag(field scan.Field) bool {
	flag, err := r.r.Bool(r.body, field)
	r.note(err)
	return flag
}

func (r *reader) number(field scan.Field) (int64, bool) {
	n, given, err := r.r.Int(r.body, field)
	r.note(err)
	return n, given
}

// Malformed returns the refusal of a body that the scanner refuses.
func Malformed(err *scan.Error) *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The request body cannot be read: "+err.Error()+".")
	problem.Param = err.Field
	problem.Place = &refusal.Place{Offset: err.Offset, Line: err.Line, Column: err.Column}
	return problem
}

// Mismatch returns the refusal of a route none of whose providers the dialect reaches.
func Mismatch(d dialect.Dialect, route *state.Route) *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodeDialectMismatch, fmt.Sprintf(
		"The field model names %q, whose providers have nothing like %s. Name a model whose provider has.", route.Name, d.Path()))
	problem.Param = "model"
	return problem
}

// Bounds of what a request can cost.
const (
	DefaultMaxOutput = 8192    // tokens that are set as the limit when the caller names none and a hard budget needs one
	unknownContext   = 200_000 // tokens that an input of unknown size is reserved for when the model's context is not known
	hiddenTokens     = 64      // what providers add to a request for its formatting
	toolsTokens      = 1024    // what they add to explain its tools to the model
)

// InputBound returns the most tokens that the input can be. A token is at least one byte of the body, except for what the body only names.
func (a *Ask) InputBound(bodyBytes int, price *state.Price) int64 {
	if a.Dialect.IsFree() {
		return 0
	}
	if a.Task != nil {
		return a.Task.Most.Input
	}
	bound := int64(bodyBytes) + hiddenTokens
	if a.Tools {
		bound += toolsTokens
	}
	context := int64(price.ContextTokens)
	if a.Unbounded {
		bound += max(context, unknownContext)
	}
	if context > 0 && !a.Dialect.Embeds() {
		bound = min(bound, context)
	}
	return bound
}

// OutputBound returns the most tokens of output for all choices, and the limit that must be set in the request to make it true
// (0: none). Only a hard budget makes a limit necessary that the caller did not set.
func (a *Ask) OutputBound(price *state.Price, hard bool) (bound, set int64) {
	if a.Task != nil {
		return a.Task.Most.Output, 0
	}
	if !a.Dialect.HasOutput() {
		return 0, 0
	}
	most := int64(price.MaxOutputTokens)
	limit := a.MaxOutput
	switch {
	case limit == 0 && most > 0:
		limit = min(DefaultMaxOutput, most)
	case limit == 0:
		limit = DefaultMaxOutput
	case most > 0:
		limit = min(limit, most)
	}
	if hard && limit != a.MaxOutput {
		set = limit
	}
	if limit > boundMax {
		limit = boundMax
	}
	return limit * a.Choices, set
}

const boundMax = 1 << 40 // tokens; keeps products in range

// Rewrite returns the edits that turn the caller's body into the provider's: the model's name, the usage of streams, the limit of
// output (0: leave). The edits refer to scratch, which comes back longer.
func (a *Ask) Rewrite(edits []scan.Edit, scratch, body []byte, r *scan.Result, target *state.Target, limit int64) ([]scan.Edit, []byte) {
	w := writer{edits: edits, scratch: scratch, r: r}
	a.Tier = ""
	if a.Dialect.IsGoogle() {
		if isVertex(target) {
			w.tierForVertex(a, body)
		}
		if a.Dialect.Embeds() {
			w.nameGoogles(a, body, target)
		} else if limit > 0 {
			w.limitGemini(body, limit)
		}
		return w.sorted()
	}
	if a.Dialect.IsAnthropic() && isVertex(target) {
		w.versionForVertex(a, body, target)
	} else {
		w.name(a, target)
	}
	if a.Dialect == dialect.OpenAIChat && a.Stream && !a.IncludeUsage {
		w.askForUsage(body)
	}
	if limit > 0 {
		w.limit(a, body, target, limit)
	}
	if a.Dialect == dialect.OpenAIChat && target.Provider.Compatible {
		w.accommodate(body, limit)
	}
	return w.sorted()
}

type writer struct {
	edits   []scan.Edit
	scratch []byte
	r       *scan.Result
}

func (w *writer) sorted() ([]scan.Edit, []byte) {
	slices.SortStableFunc(w.edits, func(x, y scan.Edit) int { return cmp.Or(cmp.Compare(x.Start, y.Start), cmp.Compare(x.End, y.End)) })
	return w.edits, w.scratch
}

func (w *writer) replace(v scan.Value, from int) {
	w.edits = append(w.edits, scan.Edit{Start: v.Start, End: v.End, Text: w.scratch[from:len(w.scratch):len(w.scratch)]})
}

// name says the model as the target calls it.
func (w *writer) name(a *Ask, target *state.Target) {
	if string(a.Model) == target.Model {
		return
	}
	from := len(w.scratch)
	if a.Dialect.IsForm() {
		w.scratch = append(w.scratch, target.Model...)
	} else {
		w.scratch = refusal.AppendString(w.scratch, target.Model)
	}
	w.replace(w.r.Fields[scan.Model], from)
}

// insert puts `"key":value,` at the begin of the object that opens before at.
func (w *writer) insert(at, from int) { w.replace(scan.Value{Start: at, End: at}, from) }

func (w *writer) askForUsage(body []byte) {
	from := len(w.scratch)
	v := w.r.Fields[scan.StreamOptions]
	switch {
	case v.End == 0:
		w.scratch = append(w.scratch, `"stream_options":{"include_usage":true},`...)
		w.insert(w.r.Open, from)
	case body[v.Start] == 'n' || scan.Lookup(body[v.Start:v.End], "include_usage") != nil || isEmptyObject(body[v.Start:v.End]):
		w.scratch = append(w.scratch, '{')
		w.scratch = appendOthers(w.scratch, body[v.Start:v.End])
		w.scratch = append(w.scratch, `"include_usage":true}`...)
		w.replace(v, from)
	default:
		w.scratch = append(w.scratch, `"include_usage":true,`...)
		w.insert(v.Start+1, from)
	}
}

// accommodate says to a server that imitates OpenAI's API what it does not know by the names that OpenAI has given it since: the limit of
// output, and the role developer. What it does not know it would leave out in silence.
func (w *writer) accommodate(body []byte, limit int64) {
	if n, given := scan.Int(w.r.Bytes(body, scan.MaxCompletionTokens)); given && !w.r.Has(body, scan.MaxTokens) {
		if limit > 0 {
			n = min(n, limit)
		}
		from := len(w.scratch)
		if v := w.r.Fields[scan.MaxTokens]; v.End > 0 { // null
			w.scratch = strconv.AppendInt(w.scratch, n, 10)
			w.replace(v, from)
		} else {
			w.scratch = append(strconv.AppendInt(append(w.scratch, `"max_tokens":`...), n, 10), ',')
			w.insert(w.r.Open, from)
		}
	}
	if !w.r.Developer {
		return
	}
	scan.Elements(w.r.Bytes(body, scan.Messages), func(message []byte) {
		if role := scan.Lookup(message, "role"); string(role) == `"developer"` {
			from, at := len(w.scratch), cap(body)-cap(role)
			w.scratch = append(w.scratch, `"system"`...)
			w.replace(scan.Value{Start: at, End: at + len(role)}, from)
		}
	})
}

func isEmptyObject(raw []byte) bool {
	empty := true
	scan.Each(raw, func(_, _ []byte) { empty = false })
	return empty
}

// appendOthers appends the members of stream_options but for include_usage, each with a comma.
func appendOthers(dst, raw []byte) []byte {
	scan.Each(raw, func(key, value []byte) {
		if string(key) != "include_usage" {
			dst = append(append(append(append(append(dst, '"'), key...), `":`...), value...), ',')
		}
	})
	return dst
}

func (w *writer) limit(a *Ask, body []byte, target *state.Target, limit int64) {
	found := false
	for _, field := range limitFields(a.Dialect) {
		if !w.r.Has(body, field) {
			continue
		}
		found = true
		if n, _ := scan.Int(w.r.Bytes(body, field)); n > limit {
			from := len(w.scratch)
			w.scratch = fmt.Appendf(w.scratch, "%d", limit)
			w.replace(w.r.Fields[field], from)
		}
	}
	if found {
		return
	}
	field := limitFields(a.Dialect)[0]
	if a.Dialect == dialect.OpenAIChat && !target.Provider.Compatible {
		field = scan.MaxCompletionTokens // OpenAI's reasoning models refuse max_tokens
	}
	from := len(w.scratch)
	if v := w.r.Fields[field]; v.End > 0 { // null
		w.scratch = fmt.Appendf(w.scratch, "%d", limit)
		w.replace(v, from)
		return
	}
	w.scratch = fmt.Appendf(w.scratch, `"%s":%d,`, field, limit)
	w.insert(w.r.Open, from)
}
