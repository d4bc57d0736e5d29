package pipeline

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

// errand is what a request wants of what a provider keeps.
type errand struct {
	kind        handle.Kind
	action      string   // behind the id
	body        [][]byte // to the provider, in pieces; nil: none
	contentType string
	carries     []string // header fields of the caller's that go on besides
	list        *listing // nil: it is about one thing
	asks        []*asked // of a batch to be begun, by model; none: nothing is begun
}

// isContent says whether what is asked for goes to the caller as it is.
func (e *errand) isContent() bool { return e.action == "content" || e.action == "results" }

// providerField names the provider of an upload or a list, where the key reaches several.
const providerField = "X-Tollgate-Provider"

// enterKept finds what the request is about. Where another workspace's id is concerned, or a provider that the key does not reach, nothing is
// there.
func (p *Pipeline) enterKept(c *call) *refusal.Error {
	c.ask = translate.Ask{Dialect: c.dialect, Choices: 1}
	kind, place := keptKind(c.dialect), c.dialect.Path()
	if kind == handle.Response {
		place = dialect.OpenAIResponses.Path()
	}
	here := place
	if strings.HasPrefix(c.r.URL.Path, dialect.OpenAIFiles.Path()) { // which is where clients of Google's first version ask, too
		here = dialect.OpenAIFiles.Path()
	}
	query, problem := c.keptQuery(c.r.URL.RawQuery)
	if problem != nil {
		return problem
	}
	id, action, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(c.r.URL.Path, here), "/"), "/")
	e := &errand{kind: kind, action: action}
	switch {
	case c.r.URL.Path == GeminiUploads || c.r.URL.Path == GeminiUploadsFirst:
		return p.uploadToGemini(c, e)
	case id == "" && c.r.Method == http.MethodPost && kind == handle.File:
		return p.upload(c, e)
	case id == "" && c.r.Method == http.MethodPost && kind == handle.AnthropicFile:
		return p.uploadToAnthropic(c, e)
	case id == "" && c.r.Method == http.MethodPost && kind == handle.MessageBatch:
		return p.beginMessages(c, e)
	case id == "" && c.r.Method == http.MethodPost:
		return p.beginBatch(c, e)
	case id == "" && kind == handle.MessageBatch:
		return p.listMessages(c, e, query)
	case id == "" && pagings[kind] != nil:
		return p.listPages(c, e, query)
	case id == "":
		return p.listKept(c, e, query)
	}
	kept, ok := p.Handles.Open(c.owner(), kind, id)
	provider := providerByID(c.key, kept.Provider)
	if !ok || provider == nil || !c.keptAt(provider) || !slices.Contains([]string{"", "cancel", "input_items", "content", "results"}, action) {
		return notKept("")
	}
	c.kept, c.mark = kept, kept.Note
	path := place + "/" + url.PathEscape(kept.Name)
	if c.r.Method == http.MethodDelete {
		if problem := p.settleFirst(c, provider, path); problem != nil {
			return problem
		}
	}
	if action != "" {
		path += "/" + action
	}
	c.passage = c.goTo(provider, path, query, e)
	c.passage.id, c.ask.Stream = id, c.resumes(query)
	return nil
}

// goTo returns the passage of an errand.
func (c *call) goTo(provider *state.Provider, path, query string, e *errand) *passage {
	path, query = placeAt(provider, path, query)
	return &passage{provider: provider, path: path, query: query, errand: e}
}

// keeper returns the provider of an upload or a list: the one that is named, or the only one.
func (c *call) keeper() (*state.Provider, *refusal.Error) {
	var all []*state.Provider
	var names []string
	for _, route := range usable(c.key) {
		for i := range c.key.Routes[route].Targets {
			provider := c.key.Routes[route].Targets[i].Provider
			if c.keptAt(provider) && len(provider.Credentials) > 0 && !slices.Contains(all, provider) {
				all, names = append(all, provider), append(names, provider.Name)
			}
		}
	}
	wanted := c.r.Header.Get(providerField)
	i := slices.Index(names, wanted)
	slices.Sort(names)
	switch {
	case i >= 0:
		return all[i], nil
	case wanted != "":
		return nil, refusal.New(http.StatusNotFound, wire.CodeNotFound, "No model that this key may use leads to a provider of the name "+cleaned(wanted, endUserMax)+" that keeps this.")
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0:
		return nil, refusal.New(http.StatusNotFound, wire.CodeDialectMismatch, "None of the providers behind the models that this key may use keeps this: "+c.keepers()+" do.")
	default:
		return nil, refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "Several providers behind the models of this key keep this. Name one in the header field x-tollgate-provider: "+strings.Join(names, ", ")+".")
	}
}

// jsonComes says whether an answer of that type is read as a whole. The content of a file is not, whatever it is, and neither are lines of JSON that
// no guardrail reads: they may be many, and come one by one.
func (c *call) jsonComes(kind string) bool {
	if c.passage != nil && c.passage.errand != nil && c.passage.errand.isContent() {
		return false
	}
	return isJSON(kind) || isLines(kind) && c.checker.Active()
}

// leaveInDoubt ends the attempt that began a batch: what it costs is known when the batch has ended.
func (p *Pipeline) leaveInDoubt(c *call, a *attempt, body []byte, e *ending) {
	if len(c.asks()) == 0 {
		return
	}
	if c.dialect == dialect.AnthropicBatches { // which has no place for a note
		c.mark = c.noteOf(a)
	}
	e.leave(wire.CodeBatchPending, p.idOf(c, a, c.passage.errand.kind, body))
}

// handed returns an answer with the ids that the caller may use in place of the provider's. What goes as it is stays as it is.
func (p *Pipeline) handed(c *call, a *attempt, body []byte) []byte {
	switch {
	case !c.dialect.IsKept() && !c.keeps(a), len(body) == 0:
		return body
	case c.passage != nil && c.passage.errand != nil && c.passage.errand.isContent():
		return body
	case !scan.Valid(body):
		return body
	case c.passage != nil && c.passage.errand.list != nil && c.dialect == dialect.AnthropicBatches:
		return p.handMessages(c, a, body)
	case c.passage != nil && c.passage.errand.list != nil && pagings[c.passage.errand.kind] != nil:
		return p.handPages(c, a, body)
	case c.passage != nil && c.passage.errand.list != nil:
		return p.handList(c, a, body)
	case c.dialect == dialect.GeminiFiles:
		return p.handGemini(c, a, body)
	}
	out := p.handObject(c, a, body)
	p.learned(c, a, body)
	c.out = append(c.out[:0], out...)
	return c.out
}

// handObject returns an object of a provider's as the caller gets it.
func (p *Pipeline) handObject(c *call, a *attempt, object []byte) []byte {
	edits := p.handEdits(c, a, object, 0)
	if len(edits) == 0 {
		return object
	}
	return scan.Splice(nil, object, edits)
}

// handEdits returns what to change in an object that begins at so many bytes of a body.
func (p *Pipeline) handEdits(c *call, a *attempt, object []byte, at int) (edits []scan.Edit) {
	kind := handle.Response
	if c.dialect.IsKept() {
		kind = c.passage.errand.kind
	}
	if kind == handle.GeminiFile {
		return p.geminiEdits(c, a, object, at)
	}
	base := cap(object)
	replace := func(value []byte, with string) {
		begin := at + base - cap(value)
		edits = append(edits, scan.Edit{Start: begin, End: begin + len(value), Text: refusal.AppendString(nil, with)})
	}
	scan.Each(object, func(key, value []byte) {
		of := kind
		switch name := string(key); name {
		case "id", scan.PreviousResponseID.String():
		case "input_file_id", "output_file_id", "error_file_id":
			of = handle.File
		case "results_url":
			if unquoted(value) != "" {
				replace(value, dialect.AnthropicBatches.Path()+"/"+p.idOf(c, a, kind, object)+"/results")
			}
			return
		case "filename":
			if original, found := p.unlabel(c, a.target.Provider.ID, unquoted(value)); found {
				replace(value, original)
			}
			return
		case "metadata":
			if kind == handle.Batch {
				edits = append(edits, withoutNotes(value, at+base-cap(value))...)
			}
			return
		default:
			return
		}
		if own := unquoted(value); own != "" {
			replace(value, p.Handles.Seal(c.owner(), c.known(handle.Kept{Kind: of, Provider: a.target.Provider.ID, Credential: a.account, Name: own}, string(key))))
		}
	})
	return edits
}

// known returns something as the caller knows it. What it asked for it knows already; of an answer that is made its id says the run, and
// of what is worked at for long the edge's note.
func (c *call) known(kept handle.Kept, key string) handle.Kept {
	switch {
	case kept == handle.Kept{Kind: c.kept.Kind, Provider: c.kept.Provider, Credential: c.kept.Credential, Name: c.kept.Name}:
		return c.kept
	case key != "id":
	case kept.Kind == handle.Response && c.passage == nil:
		kept.Thread, kept.Note = c.threadOf(), c.mark
	default:
		kept.Note = c.mark
	}
	return kept
}

// disguised returns a provider's words about what it keeps, with the id that the caller knows.
func (c *call) disguised(body []byte) []byte {
	if !c.dialect.IsKept() || c.kept.Name == "" {
		return body
	}
	return bytes.ReplaceAll(body, []byte(c.kept.Name), []byte(c.passage.id))
}
