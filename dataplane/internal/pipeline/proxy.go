package pipeline

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// ProxyPrefix begins the paths of requests that go to a provider as they are: /proxy/{provider}/{path}.
const ProxyPrefix = "/proxy/"

// passage is a request that goes to a provider as it is.
type passage struct {
	provider *state.Provider
	path     string          // behind the base URL, as the caller escaped it
	query    string          // without what could be a credential
	works    bool            // it may make the provider work: no read and no removal
	known    dialect.Dialect // that is spoken at the path; None: nothing is known of it
	errand   *errand         // what is asked for of what a provider keeps; nil: it goes as it is
	id       string          // of what the request is about, as the caller knows it; empty: it goes as it is
	route    state.Route
}

// Proxy carries one request to a provider as it is: any method, any path.
func (p *Pipeline) Proxy(w http.ResponseWriter, r *http.Request) {
	p.walk(w, r, dialect.Proxy, p.passes)
}

// passing is the way of a request that goes to a provider as it is: the same as order, but for how it finds its target.
func (p *Pipeline) passing() []stage {
	return []stage{
		{"authenticate", p.authenticate},
		{"passage", p.enterPassage}, // may this key call this provider so, and where
		{"room", p.room},
		{"read", p.read},
		{"ask", p.askPassage},     // what can be known of the body
		{"price", p.pricePassage}, // what the model costs, or what the organization set for the unknown
		{"limit", p.limit},
		{"guardrail", p.guardPassage},
		{"attempt", p.attempt},
	}
}

func (p *Pipeline) enterPassage(c *call) *refusal.Error {
	if !c.key.AllowsProxy {
		return refusal.New(http.StatusForbidden, wire.CodeProxyNotAllowed,
			"This key may not call providers as they are. Ask an admin to allow it, or call one of the edge's own paths.")
	}
	name, path, sound := splitPassage(c.r.URL)
	if !sound {
		return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The path must be /proxy/, a provider's name and a plain path at that provider: no empty, dotted or escaped segments.")
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return refusal.New(http.StatusMethodNotAllowed, wire.CodeMethodNotAllowed, "A provider is called with GET, HEAD, DELETE, POST, PUT or PATCH.")
	}
	provider := providerOf(c.key, name)
	if provider == nil {
		return refusal.New(http.StatusNotFound, wire.CodeNotFound, "There is no provider of this name behind the models that this key may use.")
	}
	query, sound := strippedQuery(c.r.URL.RawQuery)
	if !sound {
		return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The query cannot be read.")
	}
	reads := c.r.Method == http.MethodGet || c.r.Method == http.MethodHead || c.r.Method == http.MethodDelete
	c.passage = &passage{provider: provider, path: path, query: query, works: !reads}
	if at := (&state.Target{Provider: provider}); c.r.Method == http.MethodPost {
		c.passage.known = translate.Known(path, func(d dialect.Dialect) bool { return translate.Spoken(d, at) == d })
	}
	if provider.Kind == wire.ProviderKind_PROVIDER_KIND_ANTHROPIC {
		c.dialect = dialect.AnthropicProxy
	}
	return nil
}

// splitPassage takes a path apart. It is not sound where two readers could understand it differently.
func splitPassage(u *url.URL) (provider, path string, sound bool) {
	escaped := u.EscapedPath()
	rest, found := strings.CutPrefix(escaped, ProxyPrefix)
	if !found || u.Host != "" || u.Opaque != "" {
		return "", "", false
	}
	provider, path, found = strings.Cut(rest, "/")
	if !found || path == "" {
		return "", "", false
	}
	for segment := range strings.SplitSeq(path, "/") {
		decoded, err := url.PathUnescape(segment)
		if err != nil || decoded == "" || decoded == "." || decoded == ".." || strings.ContainsAny(decoded, "/\\?#%;") || strings.ContainsFunc(decoded, isControl) {
			return "", "", false
		}
	}
	return provider, "/" + path, true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// isCredential says whether APIs take a key under this name in the query.
func isCredential(name string) bool {
	switch strings.ToLower(name) {
	case "key", "api_key", "api-key", "apikey", "access_token", "token", "subscription-key":
		return true
	default:
		return false
	}
}

// strippedQuery returns the query without what could be a credential, and else as it is.
func strippedQuery(raw string) (string, bool) {
	kept := make([]string, 0, 4)
	for part := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(part, "=")
		decoded, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(part, ";") || strings.ContainsFunc(part, isControl) || strings.ContainsAny(part, " #") {
			return "", false
		}
		if part != "" && !isCredential(decoded) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&"), true
}

// usable returns the names of the routes that the key may call, sorted.
func usable(key *state.Key) []string {
	names := make([]string, 0, len(key.Routes))
	for name, route := range key.Routes {
		if _, allowed := key.AllowedModels[route.Name]; allowed || key.AllowedModels == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// providerOf returns the provider with that name if a route that the key may call leads to it.
func providerOf(key *state.Key, name string) *state.Provider {
	for _, route := range usable(key) {
		for i := range key.Routes[route].Targets {
			if target := &key.Routes[route].Targets[i]; target.Provider.Name == name {
				return target.Provider
			}
		}
	}
	return nil
}

// askPassage reads the body as the dialect at this path, or else what can be known of it.
func (p *Pipeline) askPassage(c *call) *refusal.Error {
	known := c.passage.known
	if known != dialect.None {
		c.dialect = known
		if problem := p.ask(c); problem != nil || !c.ask.Background {
			return problem
		}
		return invalidField(scan.Background.String(), "cannot be used here: nobody would learn what the answer costs. Call the edge's own path "+known.Path())
	}
	c.ask = translate.Ask{Dialect: c.dialect, Choices: 1}
	declared := c.saysJSON()
	begin := bytes.TrimLeft(c.body.B, " \t\r\n")
	if len(begin) == 0 || !declared && begin[0] != '{' {
		return nil
	}
	if len(c.body.B) > p.BodyBytesMax { // a file may begin so
		if scan.Valid(c.body.B) {
			return notTaken(buffer.ErrTooLarge, p.BodyBytesMax)
		}
		return nil
	}
	if begin[0] != '{' {
		if !scan.Valid(c.body.B) {
			return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The request body is no JSON.")
		}
		return nil
	}
	if err := c.scan.Scan(c.body.B); err != nil {
		if declared {
			return translate.Malformed(err)
		}
		c.scan = scan.Result{Texts: c.scan.Texts[:0]}
		return nil
	}
	var problem *refusal.Error
	c.ask, problem = translate.ReadAny(c.dialect, c.body.B, &c.scan)
	return problem
}

// pricePassage finds what the call is charged at: as the route that leads to the model there, else by the model's own price, else by what the
// organization charges for what has none.
func (p *Pipeline) pricePassage(c *call) *refusal.Error {
	g, model := c.passage, cleaned(string(c.ask.Model), endUserMax)
	if c.target != nil { // of a batch
		return nil
	}
	for _, name := range usable(c.key) {
		route := c.key.Routes[name]
		for i := range route.Targets {
			target := &route.Targets[i]
			if target.Provider.ID == g.provider.ID && target.Model == model && (c.target == nil || name == model) {
				g.route = state.Route{ID: route.ID, Name: route.Name, Version: route.Version, Targets: []state.Target{*target}} // tried once: nobody knows what happens twice
				c.target, c.targets = &g.route, append(c.targets[:0], &g.route.Targets[0])
			}
		}
	}
	if c.target == nil {
		if c.key.AllowedModels != nil && g.works {
			problem := refusal.New(http.StatusForbidden, wire.CodeModelNotAllowed, "This key may call a few models alone, and this request names none of theirs at this provider.")
			problem.Param = "model"
			return problem
		}
		g.route = state.Route{Name: model, Targets: []state.Target{{Provider: g.provider, Model: model}}}
		if p.Prices != nil {
			g.route.Targets[0].Prices = p.Prices(c.key.Org.ID, g.provider.Catalog, model)
		}
		c.target, c.targets = &g.route, append(c.targets[:0], &g.route.Targets[0])
	}
	if c.targets[0].Prices.At(c.started) != nil {
		return nil
	}
	if g.works {
		return passagePriceUnknown(model)
	}
	g.route = state.Route{ID: c.target.ID, Name: c.target.Name, Targets: []state.Target{{Provider: g.provider, Model: model, Prices: wire.Schedule{{Tariff: &state.Price{}}}}}}
	c.target, c.targets = &g.route, append(c.targets[:0], &g.route.Targets[0])
	return nil
}

func passagePriceUnknown(model string) *refusal.Error {
	if model != "" {
		return priceUnknown()
	}
	return refusal.New(http.StatusBadRequest, wire.CodePriceUnknown,
		"Nothing says what this request costs: its body names no model. Ask an admin to choose what is charged for what has no price (Prices, Models without a price), for example an amount for each request.")
}

// free says whether providers answer the call for nothing.
func (c *call) free() bool { return c.dialect.IsFree() || c.passage != nil && !c.passage.works }

// bound sets what the request can use at most. Nothing can be set in the body, which goes as it is.
func (g *passage) bound(c *call, a *attempt, hard bool) *refusal.Error {
	a.limit = 0
	if asks := c.asks(); len(asks) > 0 {
		a.input, a.output = asks[0].input, asks[0].output
		return nil
	}
	named := len(c.ask.Model) > 0
	switch {
	case !g.works, !named && a.price.RequestPico > 0: // nothing, or an amount for each request
		a.input, a.output = 0, 0
		return nil
	case !c.dialect.HasOutput() && !c.dialect.IsProxy():
		return nil
	}
	most, limit := int64(a.price.MaxOutputTokens), c.ask.MaxOutput
	if limit == 0 || most > 0 && limit > most {
		limit = most
	}
	if limit == 0 && hard && named {
		problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest,
			"A hard budget holds this call, and neither its body nor the model's price says how long the answer can be. Name a limit in the body.")
		problem.Param = "max_tokens"
		return problem
	}
	if limit == 0 {
		limit = translate.DefaultMaxOutput
	}
	a.output = min(limit, 1<<40) * max(c.ask.Choices, 1)
	return nil
}

// guardPassage checks a body of an unknown shape as one text.
func (p *Pipeline) guardPassage(c *call) *refusal.Error {
	if !c.dialect.IsProxy() {
		return p.guardrail(c)
	}
	c.checker.Reset(c.key.Guardrails)
	if !c.checker.Active() {
		return nil
	}
	if c.ask.Stream {
		return refusal.New(http.StatusBadRequest, wire.CodeUnsupportedFormat, "Guardrails hold this key, and a stream of an unknown shape cannot be checked. Ask for a whole answer.")
	}
	return c.guardContent(c.body.B)
}

// passOn builds the request that goes on: the caller's method, path and body, the few header fields that say what they are, and the
// provider's credential.
func (p *Pipeline) passOn(ctx context.Context, c *call, a *attempt) (*upstream.Request, error) {
	g := c.passage
	c.pieces = c.pieces[:0]
	if len(c.asks()) > 0 && c.dialect == dialect.OpenAIBatches {
		g.errand.body = [][]byte{p.batchBody(c, a)}
	}
	if g.errand == nil {
		c.pieces = append(c.pieces, c.body.B)
	} else {
		c.pieces = append(c.pieces, g.errand.body...)
	}
	c.fields = c.fields[:0]
	c.field("User-Agent", "tollgate")
	c.field("X-Client-Request-Id", a.idText)
	if g.errand != nil && len(g.errand.body) > 0 {
		c.field("Content-Type", g.errand.contentType)
	} else {
		c.carry("Content-Type")
	}
	for _, name := range [...]string{"Accept", "Idempotency-Key", "Range", "If-None-Match", "If-Match"} {
		c.carry(name)
	}
	if g.errand != nil {
		for _, name := range g.errand.carries {
			c.carry(name)
		}
	}
	path := g.path
	if g.query != "" {
		path += "?" + g.query
	}
	request := &upstream.Request{Provider: g.provider, Method: c.r.Method, Path: path, Header: c.fields, Body: c.pieces, Connect: c.bounds.connect, FirstByte: c.bounds.firstToken, Idle: c.bounds.idle}
	err := approaches[g.provider.Kind].admit(ctx, p, c, request, c.credential(a))
	request.Header = c.fields
	return request, err
}

// atBound is the usage of a call of which nobody says what it used: what was reserved for it.
func (c *call) atBound(a *attempt) meter.Usage {
	if a.input == 0 && a.output == 0 { // an amount for each request, or nothing
		return meter.Usage{Reported: !c.free()}
	}
	return meter.Usage{Input: a.input, Output: a.output}
}

// caseBytes is how many times longer a letter can be than its folded form: KELVIN SIGN has three bytes, k has one.
const caseBytes = 3

// longest returns how many bytes of text the longest forbidden word can have.
func longest(list []*state.Guardrail) int {
	most := 1
	for _, g := range list {
		most = max(most, caseBytes*g.Matcher.Longest())
	}
	return most
}
