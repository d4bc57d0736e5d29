package pipeline

import (
	"context"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

// Batches of messages as Anthropic has them (https://docs.anthropic.com/en/api/creating-message-batches). They have no metadata: the edge's note is
// a part of the id, and which of the account's batches are a workspace's the control plane says. Their requests may be for several models of one
// provider; see share.go.

const (
	requestsMax   = 100_000 // of a batch, as Anthropic has it
	messagesMost  = 100     // of a list's page
	keptAskWithin = 5 * time.Second
)

// beginMessages reads every request of a batch as if it were a call, puts it as its provider has it, reserves what all can cost and has the provider begin.
func (p *Pipeline) beginMessages(c *call, e *errand) *refusal.Error {
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	f := &lines{p: p, c: c, most: requestsMax, out: p.draft(c), ids: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	defer f.out.Drop()
	f.put(`{"requests":[`)
	c.checker.Reset(c.key.Guardrails)
	if c.r.Header.Get(providerField) != "" {
		var problem *refusal.Error
		if f.provider, problem = c.keeper(); problem != nil {
			return problem
		}
	}
	var requests []byte
	var problem *refusal.Error
	scan.Each(c.body.B, func(key, value []byte) {
		switch name := string(scan.Unescape(nil, key)); {
		case problem != nil:
		case name != "requests" || value[0] != '[':
			problem = invalidField(cleaned(name, endUserMax), "is not known here: a list of requests is")
		case requests != nil:
			problem = invalidField(name, "stands twice")
		default:
			requests = value
		}
	})
	scan.Elements(requests, func(one []byte) {
		if problem != nil {
			return
		}
		if problem = f.request(one); problem != nil {
			problem.Message = "Request " + strconv.FormatInt(f.count, 10) + " of the batch: " + problem.Message
			problem.Param = strings.TrimSuffix("requests."+strconv.FormatInt(f.count-1, 10)+"."+problem.Param, ".")
		}
	})
	if problem == nil && f.count == 0 {
		problem = invalidField("requests", "must hold at least one request")
	}
	if problem != nil {
		return problem
	}
	f.put("]}")
	whole, problem := f.done()
	if problem != nil {
		return problem
	}
	e.body, e.asks = [][]byte{whole}, f.asks
	p.beginWith(c, e)
	return nil
}

// request checks one request of a batch of messages and puts it as the provider has it.
func (f *lines) request(one []byte) (problem *refusal.Error) {
	var id, params []byte
	f.count++
	switch {
	case f.count > f.most:
		return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "A batch holds 100000 requests at most. Send the others as a batch of their own.")
	case one[0] != '{':
		return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "It must be an object with custom_id and params.")
	}
	scan.Each(one, func(key, value []byte) {
		switch name := string(scan.Unescape(nil, key)); {
		case problem != nil:
		case name == "custom_id" && id == nil && value[0] == '"':
			id = value
		case name == "params" && params == nil && value[0] == '{':
			params = value
		default:
			problem = invalidField(cleaned(name, endUserMax), "is not known in a request of a batch, stands twice or is of the wrong type")
		}
	})
	switch {
	case problem != nil:
		return problem
	case id == nil:
		return invalidField("custom_id", "is missing")
	case params == nil:
		return invalidField("params", "is missing")
	case f.repeats(id):
		return invalidField("custom_id", "stands in another request of the batch too: give each its own, by which its result is told")
	}
	body, problem := f.body(dialect.AnthropicMessages, params)
	if problem != nil {
		problem.Param = strings.TrimSuffix("params."+problem.Param, ".")
		return problem
	}
	if f.count > 1 {
		f.put(",")
	}
	f.put(`{"custom_id":`, string(id), `,"params":`)
	f.put(string(body), "}")
	return nil
}

// repeats says whether a request of the batch had that id before, which is JSON.
func (f *lines) repeats(id []byte) bool {
	f.scratch = scan.Unescape(f.scratch[:0], id[1:len(id)-1])
	sum := maphash.Bytes(f.seed, f.scratch)
	_, known := f.ids[sum]
	f.ids[sum] = struct{}{}
	return known
}

// settleMessages writes down what a batch of messages has cost, when it has ended: what the requests that succeeded have used. Those that failed, were
// cancelled or came too late are not billed.
func (p *Pipeline) settleMessages(c *call, a *attempt, object []byte) {
	note, ok := noted(c.mark)
	if !ok || unquoted(scan.Lookup(object, "processing_status")) != "ended" {
		return
	}
	end := longEnd{note: note.longNote, service: "batch"}
	created, createdErr := time.Parse(time.RFC3339, unquoted(scan.Lookup(object, "created_at")))
	ended, endedErr := time.Parse(time.RFC3339, unquoted(scan.Lookup(object, "ended_at")))
	if createdErr == nil && endedErr == nil {
		end.took = max(ended.Sub(created), 0)
	}
	succeeded, said := scan.Int(scan.Lookup(scan.Lookup(object, "request_counts"), "succeeded"))
	path := dialect.AnthropicBatches.Path() + "/" + url.PathEscape(unquoted(scan.Lookup(object, "id"))) + "/results"
	p.settleLong(c, a, &end, func(all []*bill) bool {
		if said && succeeded == 0 {
			return true
		}
		found := int64(0)
		whole := p.eachResult(c, a, path, func(line []byte) {
			result := scan.Lookup(line, "result")
			if unquoted(scan.Lookup(result, "type")) != "succeeded" {
				return
			}
			message := scan.Lookup(result, "message")
			if u, ok := meter.Read(dialect.AnthropicMessages, scan.Lookup(message, "usage")); ok {
				billed(all, unquoted(scan.Lookup(message, "model")), u)
				found++
			}
		})
		return whole && (!said || found == succeeded)
	})
}

// listMessages asks the control plane which batches are the workspace's, and then the provider what has become of them.
func (p *Pipeline) listMessages(c *call, e *errand, raw string) *refusal.Error {
	provider, problem := c.keeper()
	if problem != nil {
		return problem
	}
	asked, _ := url.ParseQuery(raw) // keptQuery has read it
	request := &wire.ListKeptRequest{OrgId: c.key.Org.ID.Bytes(), WorkspaceId: c.key.WorkspaceID.Bytes(), Dialect: c.dialect.String(), Limit: listUsual}
	if text := asked.Get("limit"); text != "" {
		limit, problem := listLimit(text)
		if problem != nil {
			return problem
		}
		request.Limit = uint32(min(limit, messagesMost))
	}
	for name, into := range map[string]*[]byte{"after_id": &request.OlderThan, "before_id": &request.NewerThan} {
		if id := asked.Get(name); id != "" {
			kept, ok := p.Handles.Open(c.owner(), e.kind, id)
			note, has := noted(kept.Note)
			if !ok || !has {
				return notKept(name)
			}
			begun := note.id(eventID)
			*into = begun[:]
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, keptAskWithin)
	defer cancel()
	kept, err := p.Kept(ctx, request)
	if err != nil {
		problem := refusal.Wrap(http.StatusServiceUnavailable, wire.CodeListUnavailable, "The list is the control plane's, which does not answer this edge. A batch can be read by its id meanwhile. Try again.", err)
		problem.RetryAfter = time.Second
		return problem
	}
	e.list = &listing{path: c.dialect.Path(), kept: kept}
	c.passage = c.goTo(provider, e.list.path, "limit="+strconv.Itoa(messagesMost), e)
	return nil
}

// handMessages returns the batches that are the workspace's, as the provider's list says, or else it is asked for each.
func (p *Pipeline) handMessages(c *call, a *attempt, body []byte) []byte {
	l := c.passage.errand.list
	listed := map[string][]byte{}
	scan.Elements(scan.Lookup(body, "data"), func(object []byte) {
		listed[unquoted(scan.Lookup(object, "id"))] = slices.Clone(object)
	})
	out := append([]byte(nil), `{"data":[`...)
	first, last := "", ""
	for _, each := range l.kept.GetKept() {
		kept, ok := p.Handles.Open(c.owner(), handle.MessageBatch, each.GetKept())
		if !ok || kept.Provider != a.target.Provider.ID {
			continue
		}
		object := listed[kept.Name]
		if object == nil {
			var err error
			if object, err = p.fetch(c, a.target.Provider, c.credential(a), l.path+"/"+url.PathEscape(kept.Name), ""); err != nil {
				continue // it was removed
			}
		}
		c.mark = kept.Note
		p.settleMessages(c, a, object)
		if last = each.GetKept(); first == "" {
			first = last
		} else {
			out = append(out, ',')
		}
		out = append(out, p.handObject(c, a, object)...)
	}
	c.mark = ""
	out = strconv.AppendBool(append(out, `],"has_more":`...), l.kept.GetMore())
	out = appendOrNull(append(out, `,"first_id":`...), first)
	out = appendOrNull(append(out, `,"last_id":`...), last)
	c.out = append(append(c.out[:0], out...), '}')
	return c.out
}
