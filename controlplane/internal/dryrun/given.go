package dryrun

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
)

// Given is a call as its caller sends it.
type Given struct {
	Path    string            `json:"path"`    // behind an edge's address: "/v1/chat/completions"
	Headers map[string]string `json:"headers"` // those that an edge looks at: labels, run, end user, content type
	Body    json.RawMessage   `json:"body"`    // the JSON itself, or a string with the text of a body
}

// reader reads calls as edges do.
type reader interface {
	Read(path string, header http.Header, body []byte, now time.Time) (condition.Call, error)
	Knows(dialect string) bool
	Reaches(dialect string, provider *wire.Provider, model string) bool
}

// judgeGiven refuses what the call says itself.
func (r Request) judgeGiven(wrong *fault.Fields) {
	for _, each := range []struct {
		field string
		given bool
	}{
		{"model", r.Model != ""},
		{"end_user", r.EndUser != ""},
		{"run", r.Run != ""},
		{"dialect", r.Dialect != ""},
		{"labels", len(r.Labels) > 0},
		{"prompt_chars", r.PromptChars != 0},
		{"max_output_tokens", r.MaxOutputTokens != 0},
		{"stream", r.Stream},
		{"tools", r.Tools},
	} {
		if each.given {
			wrong.Add(each.field, "the request says it itself; leave it out")
		}
	}
}

// with takes over what the call says of itself.
func (r Request) with(reader reader, now time.Time) (Request, error) {
	if r.Request == nil {
		return r, nil
	}
	header, body := http.Header{}, []byte(r.Request.Body)
	for name, value := range r.Request.Headers {
		header.Set(name, value)
	}
	if len(body) > 0 && body[0] == '"' {
		var text string
		if err := json.Unmarshal(body, &text); err != nil {
			return r, refusedField("request.body", err)
		}
		body = []byte(text)
	}
	said, err := reader.Read(r.Request.Path, header, body, now)
	if err != nil {
		return r, refusedField("request.body", err)
	}
	r.Model, r.EndUser, r.Run, r.Dialect, r.Labels = said.Model, said.EndUser, said.Run, said.Dialect, said.Labels
	r.PromptChars, r.MaxOutputTokens, r.Stream, r.Tools = said.PromptChars, said.MaxOutputTokens, said.Stream, said.Tools
	return r, nil
}

func refusedField(field string, err error) error {
	var wrong fault.Fields
	wrong.Add(field, "%v", err)
	return wrong.Err()
}

// elsewhere says that the call names another route; empty: it names this one.
func elsewhere(model string, found route.Route) string {
	if model == found.Name || slices.Contains(found.Aliases, model) {
		return ""
	}
	return fmt.Sprintf("The request names the model “%s”, which is not this route's name: an edge would look for another route. What follows is what this one would make of it.", model)
}
