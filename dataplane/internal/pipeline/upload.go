package pipeline

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/access"
	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

const (
	linesMax    = 50_000 // of a batch, as OpenAI has it
	filenameMax = 200    // bytes of a caller's name for a file
)

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

// lines reads the file of a batch.
type lines struct {
	p        *Pipeline
	c        *call
	note     fileNote
	target   *state.Target
	price    *state.Price
	provider *state.Provider // that the caller names; nil: none
	most     int64           // lines
	out      *buffer.Draft
	scan     scan.Result
	edits    []scan.Edit
	scratch  []byte
	dressed  []byte
}

// batchFile checks the lines of a batch and puts them as the provider has them: its name of the model, and a limit of output for each, so that
// what the batch can cost is known.
func (p *Pipeline) batchFile(c *call, content []byte) ([]byte, fileNote, *state.Provider, *refusal.Error) {
	f := &lines{p: p, c: c, most: linesMax, out: p.draft(c)}
	defer f.out.Drop()
	c.checker.Reset(c.key.Guardrails)
	if c.r.Header.Get(providerField) != "" {
		var problem *refusal.Error
		if f.provider, problem = c.keeper(); problem != nil {
			return nil, f.note, nil, problem
		}
	}
	number := 0
	for line := range bytes.SplitSeq(content, []byte("\n")) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if problem := f.line(line); problem != nil {
			problem.Message = "Line " + strconv.Itoa(number) + " of the file: " + problem.Message
			return nil, f.note, nil, problem
		}
	}
	if f.note.Lines == 0 {
		return nil, f.note, nil, invalidField("file", "has no line: each is one request")
	}
	out, problem := f.done()
	return out, f.note, f.target.Provider, problem
}

// put writes on what the provider gets. What fails is told by done.
func (f *lines) put(texts ...string) {
	for _, text := range texts {
		_, _ = io.WriteString(f.out, text)
	}
}

// done returns what was put, which lives as long as the call.
func (f *lines) done() ([]byte, *refusal.Error) {
	whole, err := f.out.Done()
	if err != nil {
		return nil, notTaken(err, f.p.UploadBytesMax)
	}
	f.c.drafted = whole
	return whole.B, nil
}

// batchLine is a line of a batch as it is read.
type batchLine struct {
	method, url string
	body        []byte
	at          int // where the body begins in the line
}

func readBatchLine(line []byte) (r batchLine, problem *refusal.Error) {
	if !scan.Valid(line) || line[0] != '{' {
		return r, refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "It is no JSON object.")
	}
	seen := map[string]bool{}
	scan.Each(line, func(key, value []byte) {
		name := string(scan.Unescape(nil, key))
		if seen[name] && problem == nil {
			problem = invalidField(name, "stands twice")
		}
		seen[name] = true
		switch name {
		case "method":
			r.method = unquoted(value)
		case "url":
			r.url = unquoted(value)
		case "body":
			r.body, r.at = value, cap(line)-cap(value)
		case "custom_id":
		default:
			if problem == nil {
				problem = invalidField(cleaned(name, endUserMax), "is not known in a line of a batch")
			}
		}
	})
	return r, problem
}

func (f *lines) line(line []byte) *refusal.Error {
	r, problem := readBatchLine(line)
	if problem != nil {
		return problem
	}
	d := dialect.None
	for _, each := range [...]dialect.Dialect{dialect.OpenAIChat, dialect.OpenAIResponses, dialect.OpenAIEmbeddings} {
		if each.Path() == r.url {
			d = each
		}
	}
	switch {
	case d == dialect.None:
		return invalidField("url", "must be /v1/chat/completions, /v1/responses or /v1/embeddings")
	case r.method != http.MethodPost:
		return invalidField("method", "must be POST")
	case f.note.Lines > 0 && d != f.note.Format:
		return invalidField("url", "must be the same in all lines")
	case f.note.Lines == f.most:
		return invalidField("file", "has more than 50000 lines")
	}
	f.note.Format = d
	f.note.Lines++
	body, problem := f.body(d, r.body)
	if problem != nil {
		return problem
	}
	_, _ = f.out.Write(line[:r.at])
	_, _ = f.out.Write(body)
	_, _ = f.out.Write(line[r.at+len(r.body):])
	f.put("\n")
	return nil
}

// body checks the body of a line and returns it as the provider has it.
func (f *lines) body(d dialect.Dialect, body []byte) ([]byte, *refusal.Error) {
	ask, problem := f.read(d, body)
	if problem == nil {
		problem = f.choose(d, &ask)
	}
	if problem != nil {
		return nil, problem
	}
	v := f.c.checker.Check(body, f.scan.Texts)
	if v.Flagged != nil {
		f.c.flag(v.Flagged)
	}
	if v.Blocked != nil {
		return nil, guardrail.InputRefusal(v)
	}
	if parameters := f.target.Parameters; len(parameters) > 0 {
		body = translate.Dress(f.dressed[:0], body, d, parameters, false)
		f.dressed = body
		if ask, problem = f.read(d, body); problem != nil {
			return nil, problem
		}
	}
	output, limit := ask.OutputBound(f.price, true)
	f.note.Input += ask.InputBound(len(body), f.price)
	f.note.Output += output
	f.edits, f.scratch = ask.Rewrite(f.edits[:0], f.scratch[:0], body, &f.scan, f.target, limit)
	return scan.Splice(nil, body, f.edits), nil
}

func (f *lines) read(d dialect.Dialect, body []byte) (translate.Ask, *refusal.Error) {
	if err := f.scan.Scan(body); err != nil {
		return translate.Ask{}, translate.Malformed(err)
	}
	ask, problem := translate.Read(d, body, &f.scan)
	if problem != nil {
		return ask, problem
	}
	for _, field := range [...]scan.Field{scan.PreviousResponseID, scan.Conversation} {
		if f.scan.Has(body, field) {
			return ask, invalidField(field.String(), "cannot be used in a batch")
		}
	}
	if ask.Stream {
		return ask, invalidField("stream", "cannot be used in a batch")
	}
	if mentionsFile(body) {
		return ask, invalidField("file_id", "cannot be used in a batch")
	}
	if ask.Background {
		return ask, invalidField(scan.Background.String(), "cannot be used in a batch")
	}
	return ask, nil
}

// choose finds the target of the first line; the others go there too.
func (f *lines) choose(d dialect.Dialect, ask *translate.Ask) *refusal.Error {
	if f.target != nil {
		if string(ask.Model) != f.note.Model {
			return invalidField("model", "must be the same in all lines")
		}
		return nil
	}
	route, problem := access.Find(f.c.key, ask.Model)
	if problem != nil {
		return problem
	}
	for i := range route.Targets {
		t := &route.Targets[i]
		if f.c.keptAt(t.Provider) && len(t.Provider.Credentials) > 0 && translate.Spoken(d, t) == d && (f.provider == nil || t.Provider.ID == f.provider.ID) {
			f.target = t
			break
		}
	}
	if f.target == nil {
		return invalidField("model", "leads to no provider that takes batches in this format: "+f.c.keepers()+" do")
	}
	if f.price = batchRow(f.target.Prices.At(f.c.started)); f.price == nil {
		return priceUnknown()
	}
	f.note.Model, f.note.Target = string(ask.Model), f.target.Model
	return nil
}

// batchRow returns the row that batches are billed at; nil: the model has no price.
func batchRow(price *state.Price) *state.Price {
	if price == nil {
		return nil
	}
	return price.Row(&wire.Tokens{Service: "batch"})
}
