package pipeline

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
	"tollgate.dev/dataplane/wire"
)

const (
	listUsual  = 20
	listMost   = 10_000
	pageFiles  = 10_000 // of a provider's list, at a time
	pageBatch  = 100
	pagesMost  = 20
	fetchBytes = 32 << 20
)

// listing is what is asked for of a list.
type listing struct {
	path  string
	query url.Values // to the provider
	limit int
	skip  int                    // of the first page, what was shown before
	kept  *wire.ListKeptResponse // what is the workspace's; nil: objects say it themselves
}

// listKept asks for everything that the provider's account has; of it only what bears the workspace's mark is shown.
func (p *Pipeline) listKept(c *call, e *errand, raw string) *refusal.Error {
	provider, problem := c.keeper()
	if problem != nil {
		return problem
	}
	asked, _ := url.ParseQuery(raw) // keptQuery has read it
	path, page := "/v1/files", pageFiles
	if e.kind == handle.Batch {
		path, page = "/v1/batches", pageBatch
	}
	e.list = &listing{path: path, query: url.Values{"limit": {strconv.Itoa(page)}}, limit: listUsual}
	if text := asked.Get("limit"); text != "" {
		if e.list.limit, problem = listLimit(text); problem != nil {
			return problem
		}
	}
	if after := asked.Get("after"); after != "" {
		kept, ok := p.Handles.Open(c.owner(), e.kind, after)
		if !ok || kept.Provider != provider.ID {
			return notKept("after")
		}
		e.list.query.Set("after", kept.Name)
	}
	for _, name := range [...]string{"order", "purpose"} {
		if value := asked.Get(name); value != "" {
			e.list.query.Set(name, value)
		}
	}
	c.passage = c.goTo(provider, path, e.list.query.Encode(), e)
	return nil
}

func listLimit(text string) (int, *refusal.Error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > listMost {
		return 0, invalidField("limit", "must be from 1 to 10000")
	}
	return n, nil
}

// handList returns the part of a list that is the workspace's, page by page until there is enough of it.
func (p *Pipeline) handList(c *call, a *attempt, body []byte) []byte {
	l := c.passage.errand.list
	var shown [][]byte
	var first, last string
	more := false
	for page := 1; ; page++ {
		var end string
		scan.Elements(scan.Lookup(body, "data"), func(object []byte) {
			end = unquoted(scan.Lookup(object, "id"))
			if !p.marked(c, a, object) {
				return
			}
			if more = len(shown) == l.limit; more {
				return
			}
			if c.passage.errand.kind == handle.Batch {
				p.settleBatch(c, a, object)
			}
			made := slices.Clone(p.handObject(c, a, object))
			if last = unquoted(scan.Lookup(made, "id")); first == "" {
				first = last
			}
			shown = append(shown, made)
		})
		goesOn := string(scan.Lookup(body, "has_more")) == "true" && end != ""
		if more || !goesOn {
			break
		}
		if page == pagesMost {
			more = true
			break
		}
		l.query.Set("after", end)
		next, err := p.fetch(c, a.target.Provider, c.credential(a), l.path, l.query.Encode())
		if err != nil {
			more = true
			break
		}
		body = next
	}
	out := append(c.out[:0], `{"object":"list","data":[`...)
	for i, one := range shown {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, one...)
	}
	out = append(out, `],"first_id":`...)
	out = appendOrNull(out, first)
	out = appendOrNull(append(out, `,"last_id":`...), last)
	out = strconv.AppendBool(append(out, `,"has_more":`...), more)
	c.out = append(out, '}')
	return c.out
}

func appendOrNull(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "null"...)
	}
	return refusal.AppendString(dst, text)
}

// marked says whether a file or a batch of the account is the workspace's.
func (p *Pipeline) marked(c *call, a *attempt, object []byte) bool {
	if c.passage.errand.kind == handle.Batch {
		_, ok := p.batchOf(c, a.target.Provider.ID, object)
		return ok
	}
	_, ok := p.unlabel(c, a.target.Provider.ID, unquoted(scan.Lookup(object, "filename")))
	return ok
}

// fetch reads something small that a provider keeps, on the way of a request about it.
func (p *Pipeline) fetch(c *call, provider *state.Provider, credential *state.Credential, path, query string) ([]byte, error) {
	ctx, cancel := within(c.ctx, fetchWithin)
	defer cancel()
	answer, err := p.get(ctx, c, provider, credential, path, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := p.buffers.ReadBody(answer.Body, -1, fetchBytes)
	if err != nil {
		return nil, err
	}
	defer body.Free()
	if !scan.Valid(body.B) {
		return nil, &upstream.Error{Sent: true, Reason: "its answer is not what the API defines"}
	}
	return slices.Clone(body.B), nil
}

// get asks a provider for something that it keeps. The caller closes the answer's body.
func (p *Pipeline) get(ctx context.Context, c *call, provider *state.Provider, credential *state.Credential, path, query string) (*http.Response, error) {
	path, query = placeAt(provider, path, query)
	if query != "" {
		path += "?" + query
	}
	c.fields = c.fields[:0]
	c.field("User-Agent", "tollgate")
	request := &upstream.Request{Provider: provider, Method: http.MethodGet, Path: path, Header: c.fields, FirstByte: fetchWithin, Idle: fetchWithin}
	if err := approaches[provider.Kind].admit(ctx, p, c, request, credential); err != nil {
		return nil, err
	}
	request.Header = c.fields
	answer, err := p.Plain.Send(ctx, request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close()
		return nil, &upstream.Error{Sent: true, Reason: "status " + strconv.Itoa(answer.StatusCode)}
	}
	return answer, nil
}

// unfetched is the refusal of a request for which the provider had to be asked in vain.
func unfetched(provider *state.Provider, err error) *refusal.Error {
	reason := "it gave no answer"
	if err != nil {
		reason = err.Error()
	}
	return refusal.Wrap(http.StatusBadGateway, wire.CodeUpstreamFailed, provider.Name+" was asked for the file: "+reason+".", err)
}
