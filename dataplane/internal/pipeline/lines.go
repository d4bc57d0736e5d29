package pipeline

import (
	"bytes"
	"hash/maphash"
	"io"
	"net/http"
	"slices"
	"strconv"

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

const linesMax = 50_000 // of a file, as OpenAI has it

// lines reads the requests of a batch: lines of a file, or elements of a list.
type lines struct {
	p        *Pipeline
	c        *call
	format   dialect.Dialect     // of all lines
	count    int64               // lines
	most     int64               // lines
	asks     []*asked            // by model
	asked    *asked              // by the line that is read
	provider *state.Provider     // of all lines, that the caller names or the first line leads to; nil: none yet
	ids      map[uint64]struct{} // hashes of the ids of requests
	seed     maphash.Seed
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
			return nil, fileNote{}, nil, problem
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
			return nil, fileNote{}, nil, problem
		}
	}
	if f.count == 0 {
		return nil, fileNote{}, nil, invalidField("file", "has no line: each is one request")
	}
	one := f.asks[0]
	out, problem := f.done()
	return out, fileNote{Model: one.route.Name, Target: one.target.Model, Format: f.format, Lines: one.lines, Input: one.input, Output: one.output}, f.provider, problem
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
	case f.count > 0 && d != f.format:
		return invalidField("url", "must be the same in all lines")
	case f.count == f.most:
		return invalidField("file", "has more than 50000 lines")
	}
	f.format = d
	f.count++
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
	to := f.asked
	if parameters := to.target.Parameters; len(parameters) > 0 {
		body = translate.Dress(f.dressed[:0], body, d, parameters, false)
		f.dressed = body
		if ask, problem = f.read(d, body); problem != nil {
			return nil, problem
		}
	}
	output, limit := ask.OutputBound(to.price, true)
	to.lines, to.input, to.output = to.lines+1, to.input+ask.InputBound(len(body), to.price), to.output+output
	f.edits, f.scratch = ask.Rewrite(f.edits[:0], f.scratch[:0], body, &f.scan, to.target, limit)
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

// choose finds the model that a line asks, and where it leads: all lines go to one provider, and those of a file to one model.
func (f *lines) choose(d dialect.Dialect, ask *translate.Ask) *refusal.Error {
	route, problem := access.Find(f.c.key, ask.Model)
	if problem != nil {
		return problem
	}
	if i := slices.IndexFunc(f.asks, func(s *asked) bool { return s.route == route }); i >= 0 {
		f.asked = f.asks[i]
		return nil
	}
	if len(f.asks) > 0 && d != dialect.AnthropicMessages { // https://platform.openai.com/docs/guides/batch
		return invalidField("model", "must be the same in all lines: upload a file for each model")
	}
	f.asked = &asked{route: route}
	for i := range route.Targets {
		t := &route.Targets[i]
		if f.c.keptAt(t.Provider) && len(t.Provider.Credentials) > 0 && translate.Spoken(d, t) == d && (f.provider == nil || t.Provider.ID == f.provider.ID) {
			f.asked.target = t
			break
		}
	}
	if problem = f.fits(); problem == nil {
		f.asks = append(f.asks, f.asked)
		f.provider = f.asked.target.Provider
	}
	return problem
}

// fits says why a further model cannot be asked beside those before.
func (f *lines) fits() *refusal.Error {
	to := f.asked.target
	switch {
	case to == nil && len(f.asks) > 0:
		return invalidField("model", "does not lead to "+f.provider.Name+", where the requests before it go. Send a batch for each provider, or name one that all models lead to in the header field x-tollgate-provider")
	case to == nil:
		return invalidField("model", "leads to no provider that takes batches in this format: "+f.c.keepers()+" do")
	}
	if i := slices.IndexFunc(f.asks, func(s *asked) bool { return s.target.Model == to.Model }); i >= 0 { // what a result costs would be of either
		return invalidField("model", "leads to the same model of the provider as "+f.asks[i].route.Name+" does. Call it alike in all requests of a batch")
	}
	if !noteFits(append(f.asks[:len(f.asks):len(f.asks)], f.asked), handle.BatchNoteMost-runRoom) {
		return invalidField("model", "makes more models than the id of one batch has room for. Send its requests as a batch of their own")
	}
	if f.asked.price = batchRow(to.Prices.At(f.c.started)); f.asked.price == nil {
		return priceUnknown()
	}
	return nil
}

// batchRow returns the row that batches are billed at; nil: the model has no price.
func batchRow(price *state.Price) *state.Price {
	if price == nil {
		return nil
	}
	return price.Row(&wire.Tokens{Service: "batch"})
}
