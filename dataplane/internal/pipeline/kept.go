package pipeline

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

// keeping is the way of a request about what a provider keeps. All but a batch names no model and works nothing, so that it costs nothing.
func (p *Pipeline) keeping() []stage {
	return []stage{
		{"authenticate", p.authenticate},
		{"room", p.room},
		{"read", p.read},
		{"kept", p.enterKept}, // whose it is, and where
		{"price", p.pricePassage},
		{"limit", p.limit},
		{"guardrail", p.guardPassage},
		{"attempt", p.attempt},
	}
}

func (c *call) owner() handle.Owner {
	return handle.Owner{Org: c.key.Org.ID, Workspace: c.key.WorkspaceID}
}

// keptQuery lets the parameters of lists and of an answer's stream through, and refuses what would make an answer of another shape.
func (c *call) keptQuery(raw string) (string, *refusal.Error) {
	query, sound := strippedQuery(raw)
	values, err := url.ParseQuery(query)
	if !sound || err != nil {
		return "", refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The query cannot be read.")
	}
	for name := range values {
		switch {
		case slices.Contains(c.keptParameters(), name):
		case name == "starting_after" && c.dialect == dialect.OpenAIStored && c.r.Method == http.MethodGet:
			return "", invalidField(name, "cannot be used: guardrails hold this key, and they read a stream from its beginning on")
		default:
			problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The query's "+name+" is not known here: "+strings.Join(c.keptParameters(), ", ")+" are.")
			problem.Param = cleaned(name, endUserMax)
			return "", problem
		}
	}
	return query, nil
}

// keptParameters returns what may stand in the query.
func (c *call) keptParameters() []string {
	switch {
	case c.dialect == dialect.AnthropicBatches:
		return []string{"limit", "after_id", "before_id", "beta"}
	case c.dialect == dialect.AnthropicFiles:
		return []string{"limit", "page", "after_id", "beta"}
	case c.dialect == dialect.GeminiFiles:
		return []string{"pageSize", "pageToken", uploadID, "upload_protocol", "alt"}
	case c.dialect == dialect.OpenAIStored && c.r.Method == http.MethodGet && len(c.key.Guardrails) > 0:
		return append(listParameters(), "stream", "include_obfuscation")
	case c.dialect == dialect.OpenAIStored && c.r.Method == http.MethodGet:
		return append(listParameters(), "stream", "include_obfuscation", "starting_after")
	default:
		return listParameters()
	}
}

func listParameters() []string {
	return []string{"limit", "order", "after", "before", "include", "include[]", "purpose"}
}

// placeAt returns where a provider has a path of OpenAI's.
func placeAt(provider *state.Provider, path, query string) (at, with string) {
	if provider.Kind != wire.ProviderKind_PROVIDER_KIND_AZURE {
		return path, query
	}
	if provider.APIVersion == "" {
		return "/openai" + path, query
	}
	version := "api-version=" + url.QueryEscape(provider.APIVersion)
	if query != "" {
		version = query + "&" + version
	}
	return "/openai" + strings.TrimPrefix(path, "/v1"), version
}

// keeps says whether a provider keeps things of a kind and hands them out.
func keeps(kind handle.Kind, provider *state.Provider) bool {
	switch kind {
	case handle.MessageBatch, handle.AnthropicFile:
		return provider.Kind == wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
	case handle.GeminiFile, handle.GeminiUpload:
		return provider.Kind == wire.ProviderKind_PROVIDER_KIND_GEMINI
	}
	switch provider.Kind {
	case wire.ProviderKind_PROVIDER_KIND_OPENAI:
		return !provider.ChatOnly
	case wire.ProviderKind_PROVIDER_KIND_AZURE:
		return true
	default:
		return false
	}
}

// keptKind returns what requests of a dialect are about.
func keptKind(d dialect.Dialect) handle.Kind {
	switch d {
	case dialect.OpenAIFiles:
		return handle.File
	case dialect.OpenAIBatches:
		return handle.Batch
	case dialect.AnthropicBatches:
		return handle.MessageBatch
	case dialect.AnthropicFiles:
		return handle.AnthropicFile
	case dialect.GeminiFiles:
		return handle.GeminiFile
	default:
		return handle.Response
	}
}

// keptAt says whether a provider keeps what requests of the call's dialect are about.
func (c *call) keptAt(provider *state.Provider) bool { return keeps(keptKind(c.dialect), provider) }

// keepers names the kinds of providers that do.
func (c *call) keepers() string {
	switch {
	case c.dialect.IsAnthropic():
		return "those of the kind anthropic"
	case c.dialect.IsGoogle():
		return "those of the kind gemini"
	default:
		return "OpenAI and Azure OpenAI"
	}
}

func notKept(param string) *refusal.Error {
	problem := refusal.New(http.StatusNotFound, wire.CodeNotFound,
		"There is nothing of this id here. An id is good in the workspace in which it was given, as the edge gave it, while the provider keeps what it names and this key may call the provider.")
	problem.Param = param
	return problem
}

// providerByID returns the provider if a route that the key may call leads to it.
func providerByID(key *state.Key, id wire.ID) *state.Provider {
	for _, route := range usable(key) {
		for i := range key.Routes[route].Targets {
			if target := &key.Routes[route].Targets[i]; target.Provider.ID == id {
				return target.Provider
			}
		}
	}
	return nil
}

// bind finds the answer that a conversation goes on from: only the provider that keeps it can.
func (p *Pipeline) bind(c *call) *refusal.Error {
	files, some := filesIn(c.dialect)
	if !some || !c.dialect.IsGoogle() && !slices.ContainsFunc(c.target.Targets, func(t state.Target) bool { return keeps(files.kind, t.Provider) }) {
		return nil // where nothing is kept, the translation says so
	}
	if c.dialect != dialect.OpenAIResponses {
		return p.bindFiles(c, files)
	}
	if c.scan.Has(c.body.B, scan.Conversation) {
		problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest,
			"The field conversation cannot be used here: conversations stand in the provider's account, and nobody could tell whose they are. Go on with previous_response_id.")
		problem.Param = scan.Conversation.String()
		return problem
	}
	id, err := c.scan.Text(c.body.B, scan.PreviousResponseID)
	if err != nil {
		return translate.Malformed(err)
	}
	if id == nil {
		return p.bindFiles(c, files)
	}
	kept, ok := p.Handles.Open(c.owner(), handle.Response, string(id))
	if !ok {
		return notKept(scan.PreviousResponseID.String())
	}
	c.kept = kept
	c.joinThread(kept.Thread)
	return p.bindFiles(c, files)
}

// mayUse says whether a call may go to a provider: one that goes on from what another keeps may not.
func (c *call) mayUse(provider *state.Provider) bool {
	return c.kept.Kind == 0 || provider.ID == c.kept.Provider && keeps(c.kept.Kind, provider)
}

// elsewhere is the refusal of a model that does not lead to where the conversation is kept.
func elsewhere(c *call) *refusal.Error {
	where := "a provider that this key does not reach"
	if provider := providerByID(c.key, c.kept.Provider); provider != nil {
		where = "the provider " + provider.Name
	}
	problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest,
		"What the request goes on from is kept by "+where+", and the model "+c.target.Name+" does not lead there. Name a model that does, or send everything that it needs.")
	if problem.Param = scan.PreviousResponseID.String(); c.kept.Kind != handle.Response {
		files, _ := filesIn(c.dialect)
		problem.Param = files.param
	}
	return problem
}

// resume puts the provider's own name of the answer in the request that goes on from it.
func (c *call) resume() {
	if c.kept.Kind != handle.Response {
		return
	}
	v := c.scan.Fields[scan.PreviousResponseID]
	c.edits = append(c.edits, scan.Edit{Start: v.Start, End: v.End, Text: refusal.AppendString(nil, c.kept.Name)})
	slices.SortStableFunc(c.edits, func(x, y scan.Edit) int { return x.Start - y.Start })
}

// credential returns what the attempt asks with.
func (c *call) credential(a *attempt) *state.Credential {
	all := a.target.Provider.Credentials
	chosen := &all[c.pool%uint64(len(all))]
	a.account = chosen.ID
	return chosen
}

// firstCredential returns which of a provider's credentials is asked with first: the one that made what the call is about, since another
// may belong to another account, or else any.
func (c *call) firstCredential() uint64 {
	switch i := c.keptWith(); {
	case i >= 0:
		return uint64(i)
	case c.dialect.IsKept(): // what is made and what is listed is of one account
		return 0
	default:
		return c.random()
	}
}

// credentials returns with how many credentials a provider may be asked.
func (c *call) credentials(provider *state.Provider) int {
	if c.keptWith() >= 0 || c.dialect.IsKept() {
		return 1
	}
	return max(1, len(provider.Credentials))
}

// barredBy says whether a status refuses our credential, which is not the caller's key, or its account, which has nothing left. Google says the
// same of a file that is gone.
func (c *call) barredBy(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusPaymentRequired || status == http.StatusForbidden && c.kept.Kind != handle.GeminiFile
}

func (c *call) keptWith() int {
	if c.kept.Kind == 0 || len(c.targets) == 0 {
		return -1
	}
	return slices.IndexFunc(c.targets[0].Provider.Credentials, func(one state.Credential) bool { return one.ID == c.kept.Credential })
}

// keeps says whether the attempt's answers have ids under which the provider keeps them.
func (c *call) keeps(a *attempt) bool {
	return c.passage == nil && c.dialect == dialect.OpenAIResponses && a.spoken == dialect.OpenAIResponses
}

// hand returns an event with the ids that the caller may use.
func (f *flow) hand(event sse.Event) []byte {
	if len(event.Data) == 0 {
		return event.Raw
	}
	response := f.c.answer.Bytes(event.Data, scan.Response)
	if len(response) == 0 || response[0] != '{' {
		return event.Raw
	}
	f.remember(response)
	edits := f.p.handEdits(f.c, f.a, response, f.c.answer.Fields[scan.Response].Start)
	if len(edits) == 0 {
		return event.Raw
	}
	f.handed = f.handed[:0]
	if len(event.Name) > 0 {
		f.handed = append(append(append(f.handed, "event: "...), event.Name...), '\n')
	}
	f.handed = scan.Splice(append(f.handed, "data: "...), event.Data, edits)
	f.handed = append(f.handed, "\n\n"...)
	return f.handed
}
