package pipeline

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
)

// mentions is how requests of a dialect name files that a provider keeps.
type mentions struct {
	kind  handle.Kind
	param string
	each  func(body []byte, see func(value []byte)) // every name, in its quotes
}

// filesIn returns how requests of a dialect name files; false: they do not.
func filesIn(d dialect.Dialect) (mentions, bool) {
	switch d {
	case dialect.OpenAIChat, dialect.OpenAIResponses:
		return mentions{handle.File, "file_id", eachFile}, true
	case dialect.AnthropicMessages, dialect.AnthropicCountTokens:
		return mentions{handle.AnthropicFile, "file_id", eachAnthropicFile}, true
	case dialect.GeminiGenerate, dialect.GeminiCountTokens:
		return mentions{handle.GeminiFile, "fileUri", eachGeminiFile}, true
	default:
		return mentions{}, false
	}
}

// bindFiles does for the files that a request names what openFiles says.
func (p *Pipeline) bindFiles(c *call, files mentions) *refusal.Error {
	if !c.scan.Files {
		return nil
	}
	return p.openFiles(c, files)
}

// openFiles puts the provider's own ids of files in a request that names some, and binds it to the provider that keeps them. An id that is not the
// workspace's is not there, unless the key may see the provider's account as it is.
func (p *Pipeline) openFiles(c *call, files mentions) (problem *refusal.Error) {
	body := c.body.B
	var edits []scan.Edit
	files.each(body, func(value []byte) {
		id := unquoted(value)
		if c.dialect.IsGoogle() {
			if id = geminiFileAt(id); id == "" { // it stands somewhere else on the web
				return
			}
		}
		kept, ok := p.Handles.Open(c.owner(), files.kind, id)
		switch {
		case problem != nil, !ok && (c.key.AllowsProxy || c.dialect.IsGoogle() && !c.atGoogle(unquoted(value))):
			return
		case !ok:
			problem = notKept(files.param)
			return
		case c.kept.Kind != 0 && (c.kept.Provider != kept.Provider || c.kept.Credential != kept.Credential):
			problem = invalidField(files.param, "names what another provider keeps than the rest of the request")
			return
		case c.kept.Kind == 0:
			c.kept = kept
		}
		name := kept.Name
		if c.dialect.IsGoogle() {
			provider := providerByID(c.key, kept.Provider)
			if provider == nil {
				problem = notKept(files.param)
				return
			}
			name = provider.BaseURL.String() + dialect.GeminiFiles.Path() + "/" + url.PathEscape(name)
		}
		begin := cap(body) - cap(value)
		edits = append(edits, scan.Edit{Start: begin, End: begin + len(value), Text: refusal.AppendString(nil, name)})
	})
	if problem != nil || len(edits) == 0 {
		return problem
	}
	slices.SortFunc(edits, func(x, y scan.Edit) int { return x.Start - y.Start })
	c.body.B = scan.Splice(make([]byte, 0, len(body)), body, edits)
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	if c.ask, problem = translate.Read(c.dialect, c.body.B, &c.scan); problem == nil && c.dialect.IsGoogle() {
		problem = c.ask.ReadGeminiPath(c.r.URL, c.body.B)
	}
	return problem
}

// mentionsFile says whether somewhere in a body a file is named by its id, however the key is written.
func mentionsFile(body []byte) (found bool) {
	if bytes.Contains(body, []byte("file_id")) || bytes.Contains(body, []byte(`\u00`)) {
		eachFile(body, func([]byte) { found = true })
	}
	return found
}

// eachFile calls see with every id of a file.
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

// eachGeminiFile calls see with the address of every file. What a function is called with, and what it answers, is the caller's own.
func eachGeminiFile(value []byte, see func(value []byte)) {
	scan.Each(value, func(key, value []byte) {
		switch name := string(scan.Unescape(nil, key)); {
		case (name == "fileUri" || name == "file_uri") && value[0] == '"':
			see(value)
		case name == "args", name == "response":
		default:
			eachGeminiFile(value, see)
		}
	})
	scan.Elements(value, func(element []byte) { eachGeminiFile(element, see) })
}

// geminiFileAt returns the name of the file to which an address leads, wherever it is; empty: to none of the API's.
func geminiFileAt(address string) string {
	at := strings.LastIndex(address, "files/")
	if at < 0 {
		return ""
	}
	return address[at+len("files/"):]
}

// atGoogle says whether an address may be one that a provider of the call would read in its own account.
func (c *call) atGoogle(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.Contains(u.Path, dialect.GeminiFiles.Path()+"/") {
		return true
	}
	host := strings.ToLower(strings.TrimRight(u.Host, "."))
	for i := range c.target.Targets {
		if host == strings.ToLower(c.target.Targets[i].Provider.BaseURL.Host) {
			return true
		}
	}
	return strings.Contains(host, "generativelanguage")
}
