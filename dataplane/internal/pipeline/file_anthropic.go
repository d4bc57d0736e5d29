package pipeline

import (
	"mime"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
)

// uploadToAnthropic reads a file that Anthropic is to keep (https://docs.anthropic.com/en/api/files-create).
func (p *Pipeline) uploadToAnthropic(c *call, e *errand) *refusal.Error {
	parts, problem := translate.Form(c.r.Header.Get("Content-Type"), c.body.B)
	if problem != nil {
		return problem
	}
	var file *translate.Part
	fields := map[string]string{}
	for i := range parts {
		switch one := &parts[i]; {
		case one.Name == "file" && one.File && file == nil:
			file = one
		case one.Name == "expires_in_seconds" && !one.File && fields[one.Name] == "":
			fields[one.Name] = string(one.Content)
		default:
			return invalidField(cleaned(one.Name, endUserMax), "is not known here, or stands twice: one file and expires_in_seconds are")
		}
	}
	if file == nil {
		return invalidField("file", "is missing")
	}
	if problem = c.guardContent(file.Content); problem != nil {
		return problem
	}
	provider, problem := c.keeper()
	if problem != nil {
		return problem
	}
	name, ok := p.label(c, provider.ID, &fileNote{Bytes: len(file.Content)})
	if !ok {
		return invalidField("file", "cannot be labelled")
	}
	kind := file.Kind
	if _, _, err := mime.ParseMediaType(kind); err != nil {
		kind = octets
	}
	e.body, e.contentType = formWith(fields, name+"."+cleaned(file.Filename, filenameMax), kind, file.Content)
	c.passage = c.goTo(provider, dialect.AnthropicFiles.Path(), "", e)
	return nil
}

// eachAnthropicFile calls see with the id of every file that a message has the model read. What a tool is called with is the caller's own, and what one
// has written is told as it was.
func eachAnthropicFile(value []byte, see func(value []byte)) {
	var files [][]byte
	wrote := false
	scan.Each(value, func(key, value []byte) {
		switch name := string(scan.Unescape(nil, key)); {
		case name == "file_id" && value[0] == '"':
			files = append(files, value)
		case name == "type":
			wrote = isWritten(unquoted(value))
		case name == "input", name == "input_schema":
		default:
			eachAnthropicFile(value, see)
		}
	})
	if !wrote {
		for _, one := range files {
			see(one)
		}
	}
	scan.Elements(value, func(element []byte) { eachAnthropicFile(element, see) })
}

// isWritten says whether blocks of a type name a file that a provider's tool has written
// (https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/code-execution-tool).
func isWritten(kind string) bool {
	return kind == "code_execution_output" || kind == "bash_code_execution_output"
}
