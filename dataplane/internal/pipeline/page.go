package pipeline

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
)

// paging is how lists of one kind are asked for, page by page.
type paging struct {
	items, mark       string // where what is listed stands, and in which of its fields the workspace's mark
	size, token, next string // the parameters, and where the next page's token stands
	usual, most       int
}

var pagings = map[handle.Kind]*paging{
	handle.AnthropicFile: {"data", "filename", "limit", "page", "next_page", 20, 1000},                // https://docs.anthropic.com/en/api/files-list
	handle.GeminiFile:    {"files", "displayName", "pageSize", "pageToken", "nextPageToken", 10, 100}, // https://ai.google.dev/api/files
}

// listPages asks for what the account has; of it only what bears the workspace's mark is shown. A token says on which page of the provider's, and behind
// how much of it, the list goes on.
func (p *Pipeline) listPages(c *call, e *errand, raw string) *refusal.Error {
	provider, problem := c.keeper()
	if problem != nil {
		return problem
	}
	as := pagings[e.kind]
	asked, _ := url.ParseQuery(raw) // keptQuery has read it
	e.list = &listing{path: c.dialect.Path(), query: url.Values{as.size: {strconv.Itoa(as.most)}}, limit: as.usual}
	if text := asked.Get(as.size); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return invalidField(as.size, "must be at least 1")
		}
		e.list.limit = min(n, as.most)
	}
	if token := asked.Get(as.token); token != "" {
		kept, ok := p.Handles.Open(c.owner(), handle.Page, token)
		part := strings.SplitN(kept.Name, " ", 3)
		if !ok || kept.Provider != provider.ID || len(part) != 3 {
			return notKept(as.token)
		}
		e.list.skip, _ = strconv.Atoi(part[0]) // the edge has written it
		if part[2] != "" {
			e.list.query.Set(part[1], part[2])
		}
	}
	if after := asked.Get(afterID); after != "" && e.kind == handle.AnthropicFile {
		kept, ok := p.Handles.Open(c.owner(), e.kind, after)
		if !ok || kept.Provider != provider.ID {
			return notKept(afterID)
		}
		e.list.query.Set(afterID, kept.Name)
	}
	c.passage = c.goTo(provider, e.list.path, e.list.query.Encode(), e)
	return nil
}

// afterID is behind what a page of Anthropic's begins where it has no token.
const afterID = "after_id"

// handPages returns the part of a list that is the workspace's, page by page until there is enough of it.
func (p *Pipeline) handPages(c *call, a *attempt, body []byte) []byte {
	l, as := c.passage.errand.list, pagings[c.passage.errand.kind]
	var shown [][]byte
	next, param := "", as.token
	if l.query.Has(afterID) {
		param = afterID
	}
	goesOn := func(skip int) {
		name := strconv.Itoa(skip) + " " + param + " " + l.query.Get(param)
		next = p.Handles.Seal(c.owner(), handle.Kept{Kind: handle.Page, Provider: a.target.Provider.ID, Credential: a.account, Name: name})
	}
	for page := 1; ; page++ {
		n, last := 0, ""
		scan.Elements(scan.Lookup(body, as.items), func(object []byte) {
			last = unquoted(scan.Lookup(object, "id"))
			if n++; n <= l.skip || next != "" {
				return
			}
			if _, own := p.unlabel(c, a.target.Provider.ID, unquoted(scan.Lookup(object, as.mark))); !own {
				return
			}
			if len(shown) == l.limit {
				goesOn(n - 1)
				return
			}
			shown = append(shown, bytes.Clone(p.handObject(c, a, object)))
		})
		token := unquoted(scan.Lookup(body, as.next))
		if more := string(scan.Lookup(body, "has_more")) == "true"; next != "" || token == "" && (!more || last == "") {
			break
		}
		l.query.Del(param)
		l.skip = 0
		if param = as.token; token == "" {
			param, token = afterID, last
		}
		l.query.Set(param, token)
		var err error
		if page < pagesMost {
			body, err = p.fetch(c, a.target.Provider, c.credential(a), l.path, l.query.Encode())
		}
		if page == pagesMost || err != nil {
			goesOn(0)
			break
		}
	}
	c.out = as.write(c.out[:0], shown, next)
	return c.out
}

// write writes a page.
func (as *paging) write(dst []byte, shown [][]byte, next string) []byte {
	dst = append(refusal.AppendString(append(dst, '{'), as.items), ":["...)
	dst = append(append(dst, bytes.Join(shown, []byte{','})...), ']')
	if as.items == "data" { // what Anthropic's clients before tokens go by
		first, last := "", ""
		if len(shown) > 0 {
			first, last = unquoted(scan.Lookup(shown[0], "id")), unquoted(scan.Lookup(shown[len(shown)-1], "id"))
		}
		dst = strconv.AppendBool(append(dst, `,"has_more":`...), next != "")
		dst = appendOrNull(append(dst, `,"first_id":`...), first)
		dst = appendOrNull(append(dst, `,"last_id":`...), last)
	}
	if next != "" {
		dst = refusal.AppendString(append(refusal.AppendString(append(dst, ','), as.next), ':'), next)
	}
	return append(dst, '}')
}
