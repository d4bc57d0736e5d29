package pipeline

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/socket"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// What browsers, which cannot set header fields, say in the list of protocols instead
// (https://platform.openai.com/docs/guides/realtime-websocket).
const (
	realtimeProtocol = "realtime"
	keyProtocol      = "openai-insecure-api-key."
	betaProtocol     = "openai-beta.realtime-v1"
	protocolsField   = "Sec-Websocket-Protocol"
)

// speaking is the way of a connection over which caller and model speak. Until the provider has taken it, it is a call like any other. What guardrails
// read is said later: a gate stands in the connection.
func (p *Pipeline) speaking() []stage {
	return []stage{
		{"authenticate", p.authenticateSpeaker},
		{"room", p.room},
		{"ask", askToSpeak},
		{"access", p.access},
		{"limit", p.limit},
		{"route", p.route},
		{"attempt", p.attempt},
	}
}

// authenticateSpeaker takes the key from where browsers put it, if it is nowhere else.
func (p *Pipeline) authenticateSpeaker(c *call) *refusal.Error {
	for each := range strings.SplitSeq(strings.Join(c.r.Header[protocolsField], ","), ",") {
		each = strings.TrimSpace(each)
		if key, found := strings.CutPrefix(each, keyProtocol); found && c.r.Header["Authorization"] == nil {
			c.r.Header = c.r.Header.Clone()
			c.r.Header["Authorization"] = []string{"Bearer " + key}
		}
		if each == betaProtocol && c.r.Header["Openai-Beta"] == nil {
			c.r.Header = c.r.Header.Clone()
			c.r.Header["Openai-Beta"] = []string{"realtime=v1"}
		}
	}
	if secret, found := secretOf(c.r.Header); found {
		return p.authenticateBearer(c, secret)
	}
	return p.authenticate(c)
}

func askToSpeak(c *call) *refusal.Error {
	c.body = &buffer.Buffer{}
	c.ask = translate.Ask{Dialect: c.dialect, Choices: 1, Unbounded: true, Stream: true}
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil || len(query["model"]) > 1 {
		return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The query cannot be read, or names more than one model.")
	}
	for name := range query {
		if name != "model" {
			problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The query's "+name+" is not known here: name the model, and nothing else.")
			problem.Param = cleaned(name, endUserMax)
			return problem
		}
	}
	c.ask.Model = []byte(query.Get("model"))
	if c.bearer != nil {
		if query.Has("model") && query.Get("model") != c.bearer.Model {
			return invalidField("model", "must be "+c.bearer.Model+", or left out: the client secret was made for it")
		}
		c.ask.Model = []byte(c.bearer.Model)
	}
	if !socket.IsAsked(c.r) {
		c.w.Header()["Upgrade"] = []string{"websocket"}
		return refusal.New(http.StatusUpgradeRequired, wire.CodeInvalidRequest, "At this path an edge speaks WebSocket alone, over HTTP/1.1. Connect with wss:// or ws://.")
	}
	return nil
}

// realtimePath returns where a provider speaks with a model
// (Azure: https://learn.microsoft.com/en-us/azure/ai-foundry/openai/how-to/realtime-audio-websockets).
func realtimePath(a *attempt) string {
	provider, model := a.target.Provider, url.QueryEscape(a.target.Model)
	switch {
	case provider.Kind != wire.ProviderKind_PROVIDER_KIND_AZURE:
		return "/v1/realtime?model=" + model
	case provider.APIVersion == "":
		return "/openai/v1/realtime?model=" + model
	default:
		return "/openai/realtime?api-version=" + url.QueryEscape(provider.APIVersion) + "&deployment=" + model
	}
}

// boundReply sets what one reply can use at most. Nobody can set a limit for those that the provider begins by itself, so that the model's
// own must be known where a hard budget holds the call.
func boundReply(a *attempt, hard bool) *refusal.Error {
	a.limit = 0
	if a.output = int64(a.price.MaxOutputTokens); a.output > 0 {
		return nil
	}
	if hard {
		return refusal.New(http.StatusBadRequest, wire.CodePriceUnknown,
			"A hard budget holds this call, and nothing says how long a reply of this model can be. Ask an admin to set the longest answer with the model's price.")
	}
	a.output = translate.DefaultMaxOutput
	return nil
}

const (
	messageBytesMax = 16 << 20         // of a provider's message; a caller's are as long as a request may be
	realtimeQuiet   = 10 * time.Minute // without a message in either direction
)

// converse connects to the provider, then with the caller, and carries what they say.
func (p *Pipeline) converse(c *call, a *attempt, request *upstream.Request) (again bool, problem *refusal.Error) {
	header := http.Header{}
	for _, field := range request.Header {
		switch field.Name {
		case "Content-Type", "Accept":
		default:
			header.Add(field.Name, field.Value)
		}
	}
	client, where := p.Plain.Dialer(a.target.Provider, request.Path)
	within := min(request.FirstByte, c.bounds.left())
	dialing, cancel := context.WithTimeout(c.ctx, within)
	provider, refused, err := socket.Dial(dialing, client, where, header, messageBytesMax, p.Timeouts.Write) //nolint:bodyclose // read where the provider refuses
	defer cancel()
	a.firstByte = p.Now()
	switch {
	case err != nil && refused != nil && refused.StatusCode != http.StatusSwitchingProtocols && refused.Body != nil:
		answer := Answer{Status: refused.StatusCode, ContentType: refused.Header.Get("Content-Type"), RetryAfter: refused.Header.Get("Retry-After"), Body: plainly{io.NopCloser(refused.Body)}}
		if answer.Status < 400 { // no such connection there
			answer.Status = http.StatusBadGateway
		}
		return p.refusedByProvider(c, a, &answer)
	case err != nil && c.ctx.Err() != nil:
		p.settle(c, a, ending{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: statusClientClosed, waste: true})
		return false, refusal.New(statusClientClosed, wire.CodeClientClosed, "The caller hung up.")
	case err != nil:
		watch := &watch{ctx: context.WithoutCancel(dialing), cancel: cancel, caller: c.ctx, bounds: c.bounds}
		return p.unanswered(c, a, watch, upstream.DialError(context.WithoutCancel(dialing), err, within))
	}
	defer provider.Drop()
	p.describeLimits(c)
	left, hard := a.hold.LeftPico()
	c.describe(a, left, hard)
	caller, err := socket.Accept(c.w, c.r, []string{realtimeProtocol}, int64(p.BodyBytesMax), p.Timeouts.Write)
	c.committed, c.status = true, http.StatusSwitchingProtocols
	if err != nil { // what is wrong with the request has been said
		c.status = http.StatusBadRequest
		p.settle(c, a, ending{outcome: wire.Outcome_OUTCOME_CLIENT_CLOSED, code: wire.CodeClientClosed, status: c.status, waste: true})
		return false, nil
	}
	defer caller.Drop()
	newSession(p, c, a, caller, provider).run()
	return false, nil
}

// Drain tells connections over which caller and model speak to come to an end, and waits for them until ctx ends.
func (p *Pipeline) Drain(ctx context.Context) {
	p.drained.Do(func() { close(p.drains) })
	done := make(chan struct{})
	go func() { p.sessions.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// unlimited returns the key without its limits of concurrency: the connection has its place.
func unlimited(key *state.Key) *state.Key {
	one := *key
	one.RateLimits = make([]*state.RateLimit, 0, len(key.RateLimits))
	for _, limit := range key.RateLimits {
		if limit.What != wire.RateLimitWhat_RATE_LIMIT_WHAT_CONCURRENT {
			one.RateLimits = append(one.RateLimits, limit)
		}
	}
	return &one
}
