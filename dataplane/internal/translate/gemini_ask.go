package translate

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// KeyInURL says whether a caller of Google's API sends its key in the URL.
func KeyInURL(at *url.URL) bool { return at.RawQuery != "" && at.Query().Has("key") }

// RefuseKeyInURL returns the refusal of such a call.
func RefuseKeyInURL() *refusal.Error {
	return refusal.New(http.StatusUnauthorized, wire.CodeInvalidKey,
		"A key in a URL ends up in logs. Revoke this one, and send its successor in the header field x-goog-api-key.")
}

// ReadGeminiPath reads what a request of Google's asks for outside its body. A stream is a JSON array unless `alt=sse` is asked for.
func (a *Ask) ReadGeminiPath(at *url.URL, body []byte) *refusal.Error {
	model, verb, _ := dialect.GeminiPath(at.Path)
	query := at.Query()
	a.Model, a.Stream = []byte(model), verb == dialect.GeminiStream
	switch alt := query.Get("alt"); {
	case alt == "sse", !a.Stream && (alt == "" || alt == "json"):
	case alt == "" || alt == "json":
		a.Array = true
	default:
		return refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The query field alt must be sse or json.")
	}
	return a.sameModel(body)
}

// readGemini reads the fields of a body that decide.
func (a *Ask) readGemini(reader *reader) {
	body, r := reader.body, reader.r
	if a.Dialect.Embeds() {
		a.readGoogleEmbed(reader)
		return
	}
	if r.Fields[scan.Model].End > 0 {
		reader.refuse(scan.Model, "model stands in the path; leave it out of the body")
	}
	if whole := scan.Lookup(body, "generateContentRequest"); whole != nil && a.Dialect == dialect.GeminiCountTokens {
		reader.note(&scan.Error{Reason: "generateContentRequest names its model again; send contents, systemInstruction and tools as they are", Field: "generateContentRequest", Line: 1, Column: 1})
	} else if !r.Has(body, scan.Contents) {
		reader.note(&scan.Error{Reason: "contents is missing", Field: scan.Contents.String(), Line: 1, Column: 1})
	}
	a.Unbounded = r.Media > 0 || r.Has(body, scan.CachedContent) || bringsOwnTools(r.Bytes(body, scan.Tools))
	a.Tools = r.Has(body, scan.Tools)
	config := r.Bytes(body, scan.GenerationConfig)
	if config == nil || config[0] == 'n' {
		return
	}
	if config[0] != '{' {
		reader.refuse(scan.GenerationConfig, "generationConfig must be an object")
		return
	}
	limits, counts := 0, 0
	scan.Each(config, func(key, value []byte) {
		switch string(key) {
		case "maxOutputTokens", "max_output_tokens":
			limits++
			a.MaxOutput = reader.configNumber("maxOutputTokens", value, boundMax)
		case "candidateCount", "candidate_count":
			counts++
			a.Choices = max(1, reader.configNumber("candidateCount", value, choicesMax))
		default:
			if bytes.IndexByte(key, '\\') >= 0 {
				reader.refuse(scan.GenerationConfig, "a key of generationConfig has an escape; write it as it is")
			}
		}
	})
	if limits > 1 || counts > 1 {
		reader.refuse(scan.GenerationConfig, "a key of generationConfig stands twice")
	}
}

// configNumber reads a number of generationConfig that decides; null says nothing.
func (r *reader) configNumber(name string, value []byte, most int64) int64 {
	if value[0] == 'n' {
		return 0
	}
	n, ok := scan.Int(value)
	if !ok || n < 1 || n > most {
		r.refuse(scan.GenerationConfig, fmt.Sprintf("generationConfig.%s must be a whole number from 1 to %d", name, most))
	}
	return n
}

// bringsOwnTools says whether a tool is one that Google runs itself, whose results are input that the body does not tell.
func bringsOwnTools(tools []byte) (own bool) {
	scan.Elements(tools, func(one []byte) {
		scan.Each(one, func(key, _ []byte) {
			own = own || string(key) != "functionDeclarations" && string(key) != "function_declarations"
		})
	})
	return own
}

// limitGemini sets the limit of output in generationConfig.
func (w *writer) limitGemini(body []byte, limit int64) {
	from := len(w.scratch)
	v := w.r.Fields[scan.GenerationConfig]
	if v.End == 0 || body[v.Start] == 'n' {
		if v.End > 0 {
			w.scratch = fmt.Appendf(w.scratch, `{"maxOutputTokens":%d}`, limit)
			w.replace(v, from)
			return
		}
		w.scratch = fmt.Appendf(w.scratch, `"generationConfig":{"maxOutputTokens":%d},`, limit)
		w.insert(w.r.Open, from)
		return
	}
	config := body[v.Start:v.End]
	var own []byte
	scan.Each(config, func(key, value []byte) {
		if string(key) == "maxOutputTokens" || string(key) == "max_output_tokens" {
			own = value
		}
	})
	switch n, _ := scan.Int(own); {
	case own != nil && own[0] != 'n' && n <= limit:
	case own != nil:
		start := v.Start + cap(config) - cap(own) // own is a piece of config
		w.scratch = fmt.Appendf(w.scratch, "%d", limit)
		w.replace(scan.Value{Start: start, End: start + len(own)}, from)
	case isEmptyObject(config):
		w.scratch = fmt.Appendf(w.scratch, `{"maxOutputTokens":%d}`, limit)
		w.replace(v, from)
	default:
		w.scratch = fmt.Appendf(w.scratch, `"maxOutputTokens":%d,`, limit)
		w.insert(v.Start+1, from)
	}
}
