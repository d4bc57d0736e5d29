package pipeline

import (
	"context"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

// outbound builds the provider's request. An error says that it cannot be put to the provider.
func (p *Pipeline) outbound(ctx context.Context, c *call, a *attempt) (*upstream.Request, error) {
	provider := a.target.Provider
	if c.passage != nil {
		return p.passOn(ctx, c, a)
	}
	if a.spoken == c.dialect {
		c.edits, c.scratch = c.ask.Rewrite(c.edits[:0], c.scratch[:0], c.body.B, &c.scan, a.target, a.limit)
		c.resume()
		c.cutBody()
	} else {
		c.pieces = append(c.pieces[:0], c.ask.Portion(c.scratch, a.portion))
	}
	c.head(a)
	credential := c.credential(a)
	way := approaches[provider.Kind]
	request := &upstream.Request{Provider: provider, Path: a.spoken.Path(), Header: c.fields, Body: c.pieces, Connect: c.bounds.connect, FirstByte: c.bounds.firstToken, Idle: c.bounds.idle}
	if way.path != nil {
		request.Path = way.path(c, a)
	}
	err := way.admit(ctx, p, c, request, credential)
	request.Header = c.fields
	return request, err
}

// translate writes the request in the provider's format, before anything is reserved for it.
func (c *call) translate(a *attempt) (problem *refusal.Error) {
	var dropped []string
	c.scratch, dropped, problem = c.ask.Request(c.scratch[:0], c.body.B, a.spoken, a.target, a.price, a.limit, c.key.DropsFields)
	if problem != nil && problem.Code == wire.CodeFieldNotCarried {
		problem.Message += " The provider is " + a.target.Provider.Name + "."
	}
	if parameters := a.target.Parameters; len(parameters) > 0 && problem == nil && !c.free() {
		c.scratch = c.ask.DressPortions(c.scratch, a.spoken, parameters)
	}
	c.tellDropped(dropped)
	return problem
}

// tellDropped names what this attempt leaves out; what one before it left out, this one does not.
func (c *call) tellDropped(dropped []string) {
	if len(dropped) > 0 {
		c.set(droppedField, strings.Join(dropped[:min(len(dropped), droppedMax)], ", "))
	} else if c.try > 1 {
		c.unset(droppedField)
	}
}

const (
	droppedField = "X-Tollgate-Dropped"
	droppedMax   = 20 // fields that it names
)

// head makes the header fields that every provider gets. Of the caller's own only named ones go on; its key never does.
func (c *call) head(a *attempt) {
	c.fields = c.fields[:0]
	contentType, accept := jsonType, jsonType
	if c.ask.Stream {
		accept = streamType(a.spoken)
	} else if c.ask.Task != nil {
		contentType, accept = c.ask.Task.ContentType, "*/*"
	}
	c.field("Content-Type", contentType)
	c.field("User-Agent", "tollgate")
	c.field("X-Client-Request-Id", a.idText)
	c.field("Accept", accept)
}

const jsonType = "application/json"

// streamType returns the type of a stream in a provider's format.
func streamType(spoken dialect.Dialect) string {
	if spoken == dialect.BedrockConverse {
		return "application/vnd.amazon.eventstream"
	}
	return "text/event-stream"
}

func (c *call) field(name, value string) {
	c.fields = append(c.fields, upstream.Field{Name: name, Value: value})
}

// carry sends a header field of the caller on.
func (c *call) carry(name string) {
	for _, value := range c.r.Header[name] {
		c.field(name, value)
	}
}

// cutBody makes the pieces of the provider's body: the caller's bytes around the edits.
func (c *call) cutBody() {
	c.pieces = c.pieces[:0]
	at := 0
	for _, e := range c.edits {
		if e.Start > at {
			c.pieces = append(c.pieces, c.body.B[at:e.Start])
		}
		c.pieces = append(c.pieces, e.Text)
		at = e.End
	}
	c.pieces = append(c.pieces, c.body.B[at:])
}
