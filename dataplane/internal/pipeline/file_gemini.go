package pipeline

import (
	"net/http"
	"net/url"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

// Files as the Gemini API keeps them (https://ai.google.dev/api/files). What a caller sends is taken in pieces, each at an address that the edge has given:
// it names the provider's own, sealed, and is good for the keys of the workspace alone.

const (
	// GeminiUploads is where files are uploaded.
	GeminiUploads = "/upload/v1beta/files"
	// GeminiUploadsFirst is the same for clients of Google's first version.
	GeminiUploadsFirst = "/upload/v1/files"

	uploadID       = "upload_id"
	uploadCommand  = "X-Goog-Upload-Command"
	uploadAddress  = "X-Goog-Upload-Url"
	displayNameMax = 400 // bytes of a caller's: Google takes 512, and the edge's mark stands in front
)

// uploadToGemini begins an upload, or carries a piece of one.
func (p *Pipeline) uploadToGemini(c *call, e *errand) *refusal.Error {
	if id := c.r.URL.Query().Get(uploadID); id != "" {
		return p.uploadPiece(c, e, id)
	}
	if c.r.Header.Get("X-Goog-Upload-Protocol") != "resumable" || c.r.Header.Get(uploadCommand) != "start" {
		return invalidField("X-Goog-Upload-Protocol", "must be resumable, and X-Goog-Upload-Command start: a file is uploaded in two steps")
	}
	provider, problem := c.keeper()
	if problem != nil {
		return problem
	}
	described, problem := p.labelledFile(c, provider.ID)
	if problem != nil {
		return problem
	}
	e.body, e.contentType = [][]byte{described}, jsonType
	e.carries = []string{"X-Goog-Upload-Protocol", uploadCommand, "X-Goog-Upload-Header-Content-Length", "X-Goog-Upload-Header-Content-Type"}
	c.passage = c.goTo(provider, GeminiUploads, "", e)
	return nil
}

// labelledFile returns what is said of a file before it is sent, with the edge's mark in its name.
func (p *Pipeline) labelledFile(c *call, provider wire.ID) (body []byte, problem *refusal.Error) {
	if err := c.scan.Scan(c.body.B); err != nil {
		return nil, translate.Malformed(err)
	}
	name, kind := "", []byte(nil)
	scan.Each(c.body.B, func(key, file []byte) {
		if string(key) != "file" || file[0] != '{' {
			problem = invalidField(cleaned(string(key), endUserMax), "is not known here: an object called file is")
			return
		}
		scan.Each(file, func(key, value []byte) {
			switch text := unquoted(value); string(key) {
			case "displayName", "display_name":
				name = text
			case "mimeType", "mime_type":
				kind = value
			case "sizeBytes", "size_bytes":
			case "name":
				problem = invalidField("file.name", "cannot be chosen: files of all tenants share the provider's account")
			default:
				problem = invalidField("file."+cleaned(string(key), endUserMax), "is not known here: displayName and mimeType are")
			}
		})
	})
	if len(name) > displayNameMax && problem == nil {
		problem = invalidField("file.displayName", "must not be longer than 400 bytes")
	}
	mark, ok := p.label(c, provider, &fileNote{})
	if !ok || problem != nil {
		return nil, problem
	}
	body = refusal.AppendString([]byte(`{"file":{"displayName":`), mark+"."+name)
	if kind != nil {
		body = append(append(body, `,"mimeType":`...), kind...)
	}
	return append(body, "}}"...), nil
}

// uploadPiece carries a piece of a file to where its upload was begun.
func (p *Pipeline) uploadPiece(c *call, e *errand, id string) *refusal.Error {
	kept, ok := p.Handles.Open(c.owner(), handle.GeminiUpload, id)
	provider := providerByID(c.key, kept.Provider)
	if !ok || provider == nil || !c.keptAt(provider) {
		return notKept(uploadID)
	}
	switch command := strings.ReplaceAll(c.r.Header.Get(uploadCommand), " ", ""); command {
	case "upload,finalize":
		if offset := c.r.Header.Get("X-Goog-Upload-Offset"); offset != "0" && len(c.key.Guardrails) > 0 {
			return inPieces()
		}
		if problem := c.guardContent(c.body.B); problem != nil {
			return problem
		}
	case "upload":
		if len(c.key.Guardrails) > 0 {
			return inPieces()
		}
	case "finalize", "query", "cancel":
	default:
		return invalidField(uploadCommand, "must be upload, `upload, finalize`, finalize, query or cancel")
	}
	c.kept = kept
	if len(c.body.B) > 0 {
		e.body, e.contentType = [][]byte{c.body.B}, octets
	}
	e.carries = []string{uploadCommand, "X-Goog-Upload-Offset"}
	c.passage = c.goTo(provider, GeminiUploads, kept.Name, e)
	c.passage.id = id
	return nil
}

func inPieces() *refusal.Error {
	return invalidField(uploadCommand, "must be `upload, finalize` with the whole file: guardrails hold this key, and they read a file as one text")
}

// uploadHead tells how far an upload is, and where it goes on: at this edge. False: what the provider says is not where it takes uploads.
func (p *Pipeline) uploadHead(c *call, a *attempt, header http.Header) bool {
	for _, name := range [...]string{"X-Goog-Upload-Status", "X-Goog-Upload-Chunk-Granularity", "X-Goog-Upload-Size-Received"} {
		if value := header.Get(name); value != "" {
			c.set(name, value)
		}
	}
	address := header.Get(uploadAddress)
	if address == "" {
		return true
	}
	provider := a.target.Provider
	u, err := url.Parse(address)
	if err != nil || u.Host != provider.BaseURL.Host || u.Path != provider.BaseURL.Path+GeminiUploads || u.RawQuery == "" {
		return false
	}
	query, sound := strippedQuery(u.RawQuery)
	id := p.Handles.Seal(c.owner(), handle.Kept{Kind: handle.GeminiUpload, Provider: provider.ID, Credential: a.account, Name: query})
	if !sound || id == query {
		return false
	}
	c.set(uploadAddress, c.edge()+c.r.URL.Path+"?upload_protocol=resumable&"+uploadID+"="+id)
	return true
}

// edge returns where the caller finds this edge, as the caller says.
func (c *call) edge() string {
	scheme := "http"
	if c.r.TLS != nil || c.r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return (&url.URL{Scheme: scheme, Host: c.r.Host}).String()
}

// handGemini returns a file as the caller gets it, also where it stands within the end of an upload.
func (p *Pipeline) handGemini(c *call, a *attempt, body []byte) []byte {
	object := body
	if file := scan.Lookup(body, "file"); file != nil {
		object = file
	}
	c.out = scan.Splice(c.out[:0], body, p.geminiEdits(c, a, object, cap(body)-cap(object)))
	return c.out
}

// geminiEdits returns what to change in a file that begins at so many bytes of a body.
func (p *Pipeline) geminiEdits(c *call, a *attempt, file []byte, at int) (edits []scan.Edit) {
	name := geminiFileAt(unquoted(scan.Lookup(file, "name")))
	id := p.Handles.Seal(c.owner(), handle.Kept{Kind: handle.GeminiFile, Provider: a.target.Provider.ID, Credential: a.account, Name: name})
	scan.Each(file, func(key, value []byte) {
		var with string
		switch string(key) {
		case "name":
			with = "files/" + id
		case "uri":
			with = c.edge() + dialect.GeminiFiles.Path() + "/" + id
		case "displayName":
			original, found := p.unlabel(c, a.target.Provider.ID, unquoted(value))
			if !found {
				return
			}
			with = original
		default:
			return
		}
		begin := at + cap(file) - cap(value)
		edits = append(edits, scan.Edit{Start: begin, End: begin + len(value), Text: refusal.AppendString(nil, with)})
	})
	return edits
}
