package pipeline

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

const filenameMax = 200 // bytes of a caller's name for a file

// fileNote is what the edge writes for itself into the name of a file, sealed: that the file is the workspace's, and of a batch what it can cost.
type fileNote struct {
	Model  string          `json:"m,omitempty"` // a route's name
	Target string          `json:"t,omitempty"` // its name at the provider
	Format dialect.Dialect `json:"d,omitempty"` // of all lines
	Lines  int64           `json:"l,omitempty"`
	Input  int64           `json:"i,omitempty"` // most tokens
	Output int64           `json:"o,omitempty"` // most tokens
	Bytes  int             `json:"b"`           // of the content, so that the note goes with no other
}

// upload reads a file that the provider is to keep. Of a batch every line is checked as if it were a call, and put as its provider has it.
func (p *Pipeline) upload(c *call, e *errand) *refusal.Error {
	parts, problem := translate.Form(c.r.Header.Get("Content-Type"), c.body.B)
	if problem != nil {
		return problem
	}
	var file *translate.Part
	fields := map[string]string{}
	for i := range parts {
		one := &parts[i]
		switch _, twice := fields[one.Name]; {
		case one.File && one.Name == "file" && file == nil:
			file = one
		case one.File, twice:
			return invalidField(one.Name, "stands twice, or is a file where none is expected")
		case one.Name == "purpose", one.Name == "expires_after[anchor]", one.Name == "expires_after[seconds]":
			fields[one.Name] = string(one.Content)
		default:
			return invalidField(cleaned(one.Name, endUserMax), "is not known here: file, purpose and expires_after are")
		}
	}
	if file == nil {
		return invalidField("file", "is missing")
	}
	content, note := file.Content, fileNote{}
	var provider *state.Provider
	switch fields["purpose"] {
	case "batch":
		content, note, provider, problem = p.batchFile(c, file.Content)
	case "user_data":
		if problem = c.guardContent(content); problem == nil {
			provider, problem = c.keeper()
		}
	default:
		return invalidField("purpose", "must be batch or user_data: what other purposes lead to is not served here")
	}
	if problem != nil {
		return problem
	}
	note.Bytes = len(content)
	name, ok := p.label(c, provider.ID, &note)
	if !ok {
		return invalidField("model", "has a name that is too long for a batch")
	}
	e.body, e.contentType = formWith(fields, name+"."+cleaned(file.Filename, filenameMax), octets, content)
	c.passage = c.goTo(provider, dialect.OpenAIFiles.Path(), "", e)
	return nil
}

// guardContent checks a file as one text.
func (c *call) guardContent(content []byte) *refusal.Error {
	c.checker.Reset(c.key.Guardrails)
	v, sound := c.checker.CheckFile(content, longest(c.key.Guardrails))
	if !sound {
		return refusal.New(http.StatusBadRequest, wire.CodeUnsupportedFormat, "Guardrails hold this key, and the file has long passages of backslashes alone, so that it cannot be checked.")
	}
	if v.Flagged != nil {
		c.flag(v.Flagged)
	}
	if v.Blocked != nil {
		return guardrail.InputRefusal(v)
	}
	return nil
}

func invalidField(field, reason string) *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The field "+field+" "+reason+".")
	problem.Param = field
	return problem
}

// octets is the type of a file that is of no other.
const octets = "application/octet-stream"

// formWith writes a form with one file, whose content is not copied.
func formWith(fields map[string]string, filename, kind string, content []byte) (body [][]byte, contentType string) {
	boundary := "tollgate-" + rand.Text()
	var head []byte
	part := func(name, rest string) {
		head = fmt.Appendf(head, "--%s\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n", boundary, name, rest)
	}
	for name, value := range fields {
		part(name, "")
		head = append(append(head, value...), "\r\n"...)
	}
	quoted := strings.NewReplacer("\\", "\\\\", `"`, "%22", "\r", "%0D", "\n", "%0A").Replace(filename) // as browsers do
	part("file", "; filename=\""+quoted+"\"\r\nContent-Type: "+kind)
	return [][]byte{head, content, []byte("\r\n--" + boundary + "--\r\n")}, "multipart/form-data; boundary=" + boundary
}

// label returns what a file's name begins with.
func (p *Pipeline) label(c *call, provider wire.ID, note *fileNote) (string, bool) {
	raw, err := json.Marshal(note)
	if err != nil {
		return "", false
	}
	text := p.Handles.Seal(c.owner(), handle.Kept{Kind: handle.Note, Provider: provider, Name: string(raw)})
	return text, text != string(raw)
}

// labelled returns the note in the name of a file, and what the caller called it. False: the file is not the workspace's.
func (p *Pipeline) labelled(c *call, provider wire.ID, filename string) (note fileNote, original string, ok bool) {
	text, original, found := strings.Cut(filename, ".")
	kept, opened := p.Handles.Open(c.owner(), handle.Note, text)
	if !found || !opened || kept.Provider != provider || json.Unmarshal([]byte(kept.Name), &note) != nil {
		return fileNote{}, "", false
	}
	return note, original, true
}

// unlabel returns what the caller called a file.
func (p *Pipeline) unlabel(c *call, provider wire.ID, filename string) (string, bool) {
	_, original, ok := p.labelled(c, provider, filename)
	return original, ok
}
