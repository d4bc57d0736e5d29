package pipeline

import (
	"bytes"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
)

// bindFiles puts the provider's own ids of files in a request that names some, and binds it to the provider that keeps them. An id that is not the
// workspace's is not there, unless the key may see the provider's account as it is.
func (p *Pipeline) bindFiles(c *call) (problem *refusal.Error) {
	body := c.body.B
	if c.dialect != dialect.OpenAIChat && c.dialect != dialect.OpenAIResponses || !c.scan.Files {
		return nil
	}
	var edits []scan.Edit
	eachFile(body, func(value []byte) {
		kept, ok := p.Handles.Open(c.owner(), handle.File, unquoted(value))
		switch {
		case problem != nil, !ok && c.key.AllowsProxy:
			return
		case !ok:
			problem = notKept("file_id")
			return
		case c.kept.Kind != 0 && (c.kept.Provider != kept.Provider || c.kept.Credential != kept.Credential):
			problem = invalidField("file_id", "names what another provider keeps than the rest of the request")
			return
		case c.kept.Kind == 0:
			c.kept = kept
		}
		begin := cap(body) - cap(value)
		edits = append(edits, scan.Edit{Start: begin, End: begin + len(value), Text: refusal.AppendString(nil, kept.Name)})
	})
	if problem != nil || len(edits) == 0 {
		return problem
	}
	c.body.B = scan.Splice(make([]byte, 0, len(body)), body, edits)
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	c.ask, problem = translate.Read(c.dialect, c.body.B, &c.scan)
	return problem
}

// mentionsFile says whether somewhere in a body a file is named by its id, however the key is written.
func mentionsFile(body []byte) (found bool) {
	if bytes.Contains(body, []byte("file_id")) || bytes.Contains(body, []byte(`\u00`)) {
		eachFile(body, func([]byte) { found = true })
	}
	return found
}

// eachFile calls see with every id of a file, in the order of the body.
func eachFile(value []byte, see func(value []byte)) {
	scan.Each(value, func(key, value []byte) {
		switch name := string(scan.Unescape(nil, key)); {
		case name == "file_id" && value[0] == '"':
			see(value)
		case name == "file_ids":
			scan.Elements(value, func(one []byte) {
				if one[0] == '"' {
					see(one)
				}
			})
		default:
			eachFile(value, see)
		}
	})
	scan.Elements(value, func(element []byte) { eachFile(element, see) })
}
