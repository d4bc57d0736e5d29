package translate

import (
	"bytes"
	"strconv"
	"strings"
)

// converseWriter appends one request of Bedrock's Converse
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html). The model stands in the path, not in the body.
type converseWriter struct {
	*parser
	dst       []byte
	cv        *conversation
	model     string
	claude    bool
	limit     int64 // of output; 0: none
	documents int
	extra     []byte // members of additionalModelRequestFields
}

// appendConverse appends the conversation as a request of Converse.
func (p *parser) appendConverse(dst []byte, cv *conversation, to *destination) []byte {
	w := converseWriter{parser: p, dst: append(dst, '{'), cv: cv, model: to.target.Model, limit: to.limit}
	if w.claude = strings.Contains(w.model, "anthropic."); w.claude {
		p.settleForClaude(cv, w.model)
	}
	if len(cv.system) > 0 {
		w.add(`"system":[`)
		w.parts(cv.system)
		w.add(`],`)
	}
	w.add(`"messages":[`)
	for i, turn := range cv.turns {
		w.dst = comma(w.dst, i)
		w.add(`{"role":"` + sideName(turn.assistant) + `","content":[`)
		w.parts(ordered(turn))
		w.add(`]}`)
	}
	w.add(`]`)
	w.inference()
	w.output()
	w.tools()
	if len(w.extra) > 0 {
		w.add(`,"additionalModelRequestFields":{`)
		w.dst = append(append(w.dst, w.extra...), '}')
	}
	return append(w.dst, '}')
}

func (w *converseWriter) add(text string) { w.dst = append(w.dst, text...) }

// member appends a member whose value is the inside of a string, with a comma before it unless an object begins.
func (w *converseWriter) member(name string, inside []byte) {
	if w.dst[len(w.dst)-1] != '{' {
		w.add(`,`)
	}
	w.add(`"` + name + `":"`)
	w.dst = append(append(w.dst, inside...), '"')
}

// also adds a member to what goes to the model as it is.
func (w *converseWriter) also(member string) {
	w.extra = append(comma(w.extra, len(w.extra)), member...)
}

// parts appends blocks, each with its mark for the cache behind it.
func (w *converseWriter) parts(parts []part) {
	wrote := 0
	for i := range parts {
		each := &parts[i]
		if each.kind == partThinking && isForeign(each.signature) {
			w.drop(each.path) // as at Anthropic
			continue
		}
		if each.kind != partText || len(each.text) > 0 { // Bedrock refuses empty texts
			w.dst = append(comma(w.dst, wrote), '{')
			w.part(each)
			w.add(`}`)
			wrote++
		}
		if mark := lastMark(each); mark != nil && wrote > 0 && w.caches(false, each.path) {
			w.add(`,`)
			w.cachePoint(mark)
		}
	}
}

// result appends what a tool said, without marks.
func (w *converseWriter) result(parts []part) {
	for i := range parts {
		w.dst = append(comma(w.dst, i), '{')
		w.part(&parts[i])
		w.add(`}`)
	}
}

// lastMark returns the mark for the cache of a block. Those inside a tool's result have their place behind it.
func lastMark(b *part) []byte {
	for i := len(b.result) - 1; i >= 0 && b.cache == nil; i-- {
		if b.result[i].cache != nil {
			return b.result[i].cache
		}
	}
	return b.cache
}

// caches says whether the model takes marks for the cache, which others refuse; Amazon's own take none among the tools. What is called by the
// address of a profile may be any model. A mark that is not taken is named.
func (w *converseWriter) caches(tools bool, path string) bool {
	if w.claude || strings.HasPrefix(w.model, "arn:") || strings.Contains(w.model, "amazon.nova") && !tools {
		return true
	}
	w.drop(path + ".cache_control")
	return false
}

// cachePoint appends the mark that Anthropic's cache_control is here.
func (w *converseWriter) cachePoint(control []byte) {
	w.add(`{"cachePoint":{"type":"default"`)
	w.object(control, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "ttl":
			w.member("ttl", w.text(value))
		default:
			return false
		}
		return true
	})
	w.add(`}}`)
}

func (w *converseWriter) part(b *part) {
	switch b.kind {
	case partText:
		w.member("text", b.text)
	case partImage:
		if string(b.media.detail) == "low" || string(b.media.detail) == "high" {
			w.drop(b.path + ".detail")
		}
		w.media("image", b, imageFormat(string(b.media.kind)))
	case partDocument:
		w.media("document", b, documentFormat(string(b.media.kind)))
	case partAudio:
		w.media("audio", b, strings.TrimPrefix(string(b.media.kind), "audio/"))
	case partCall:
		w.add(`"toolUse":{`)
		w.member("toolUseId", b.id)
		w.member("name", b.name)
		w.add(`,"input":`)
		w.dst = append(append(w.dst, b.arguments...), '}')
	case partResult:
		w.add(`"toolResult":{`)
		w.member("toolUseId", b.id)
		w.add(`,"content":[`)
		w.result(b.result)
		w.add(`]`)
		if b.failed {
			w.add(`,"status":"error"`)
		}
		w.add(`}`)
	case partThinking:
		w.add(`"reasoningContent":{"reasoningText":{`)
		w.member("text", b.text)
		if b.signature != nil {
			w.member("signature", b.signature)
		}
		w.add(`}}`)
	case partRedacted:
		w.add(`"reasoningContent":{`)
		w.member("redactedContent", b.text)
		w.add(`}`)
	}
}

// media appends a picture, a document or a sound.
func (w *converseWriter) media(kind string, b *part, format string) {
	if format == "" {
		w.refuse(b.path, "is of a type that Bedrock does not take as "+kind+"; send a common one, such as image/png, image/jpeg or application/pdf")
		return
	}
	w.add(`"` + kind + `":{"format":"` + format + `"`)
	if kind == "document" {
		w.name(b.media.name)
	}
	w.add(`,"source":{`)
	switch {
	case b.media.base64 != nil:
		w.member("bytes", b.media.base64)
	case bytes.HasPrefix(b.media.url, []byte("s3://")):
		w.add(`"s3Location":{`)
		quoted := appendQuoted(nil, b.media.url)
		w.member("uri", quoted[1:len(quoted)-1])
		w.add(`}`)
	default:
		w.refuse(b.path, "is named by its address, which Bedrock does not fetch; send its bytes")
	}
	w.add(`}}`)
}

// name appends the name that every document has here, made of the letters that Bedrock takes; no two are the same.
func (w *converseWriter) name(wanted []byte) {
	w.documents++
	w.add(`,"name":"`)
	from, space := len(w.dst), true
	for _, c := range wanted[:min(len(wanted), 100)] {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-()[]", c) >= 0
		switch {
		case plain:
			w.dst, space = append(w.dst, c), false
		case !space:
			w.dst, space = append(w.dst, ' '), true
		}
	}
	w.dst = bytes.TrimRight(w.dst, " ")
	if len(w.dst) == from {
		w.add("document")
	}
	if w.documents > 1 {
		w.dst = strconv.AppendInt(append(w.dst, ' '), int64(w.documents), 10)
	}
	w.add(`"`)
}

// imageFormat returns Bedrock's word for a MIME type; empty: it has none.
func imageFormat(kind string) string {
	switch kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return kind[len("image/"):]
	case "image/jpg":
		return "jpeg"
	default:
		return ""
	}
}

func documentFormat(kind string) string {
	switch kind {
	case "application/pdf":
		return "pdf"
	case "text/plain":
		return "txt"
	case "text/markdown":
		return "md"
	case "text/html":
		return "html"
	case "text/csv":
		return "csv"
	case "application/msword":
		return "doc"
	case "application/vnd.openxmlformats-officedocument.wordprocessingml.document":
		return "docx"
	case "application/vnd.ms-excel":
		return "xls"
	case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
		return "xlsx"
	default:
		return ""
	}
}

// inference appends the settings that every model has, and leaves the others for the model itself.
func (w *converseWriter) inference() {
	w.add(`,"inferenceConfig":{`)
	number := func(name string, o option) {
		if o.value != nil {
			if w.dst[len(w.dst)-1] != '{' {
				w.add(`,`)
			}
			w.add(`"` + name + `":`)
			w.dst = append(w.dst, o.value...)
		}
	}
	if w.limit > 0 {
		number("maxTokens", option{value: strconv.AppendInt(nil, w.limit, 10)})
	}
	number("temperature", w.cv.options[optTemperature])
	number("topP", w.cv.options[optTopP])
	number("stopSequences", w.cv.options[optStop])
	w.add(`}`)
	if o := w.cv.options[optTopK]; o.value != nil {
		switch {
		case w.claude || strings.Contains(w.model, "mistral."):
			w.also(`"top_k":` + string(o.value))
		case strings.Contains(w.model, "amazon.nova"):
			w.also(`"inferenceConfig":{"topK":` + string(o.value) + `}`)
		default:
			w.lacks(o.path, true)
		}
	}
	for _, kind := range [...]optionKind{optSeed, optFrequency, optPresence, optJSON, optChoices, optOdds, optLikeliest, optVerbosity} {
		said := kind == optJSON && w.cv.options[optSchema].value != nil // by the schema
		if o := w.cv.options[kind]; o.value != nil && !said && string(o.value) != "0" && string(o.value) != "0.0" {
			w.lacks(o.path, true)
		}
	}
	if o := w.cv.options[optUser]; o.value != nil {
		w.drop(o.path)
	}
	if o := w.cv.options[optTier]; o.value != nil {
		w.add(`,"serviceTier":{`)
		w.member("type", o.value)
		w.add(`}`)
	}
	if w.claude && w.cv.options[optStop].value != nil {
		w.add(`,"additionalModelResponseFieldPaths":["/stop_sequence"]`)
	}
}

// output appends how much the model thinks and what its answer must keep to.
func (w *converseWriter) output() {
	effort, schema := w.cv.options[optEffort], w.cv.options[optSchema]
	word := w.effort(effort)
	if word == "" && schema.value == nil {
		return
	}
	w.add(`,"outputConfig":{`)
	if word != "" {
		w.add(`"effort":"` + word + `"`)
	}
	if schema.value != nil {
		if word != "" {
			w.add(`,`)
		}
		w.add(`"textFormat":{"type":"json_schema","structure":{"jsonSchema":{`)
		w.dst = w.cv.appendShapeName(w.dst)
		w.add(`,"schema":`)
		value := schema.value
		if w.claude {
			value = (&closing{w.parser, schema.path}).schema(nil, value)
		}
		w.dst = appendQuoted(w.dst, value)
		w.add(`}}}`)
	}
	w.add(`}`)
}

// effort returns Converse's own word for how much is thought; models that are told otherwise are told so.
func (w *converseWriter) effort(o option) string {
	name := string(o.value)
	switch {
	case o.value == nil:
		return ""
	case name == "none" && w.claude:
		w.also(`"thinking":{"type":"disabled"}`)
		return ""
	case name == "none":
		w.drop(o.path)
		return ""
	case thinkTokens(name) == 0:
		w.refuse(o.path, "must be none, minimal, low, medium, high, xhigh or max")
		return ""
	}
	word := strings.Replace(name, "minimal", "low", 1)
	switch {
	case w.claude && thinksByBudget(w.model):
		budget := budgetOf(w.cv)
		if w.limit > 0 {
			budget = min(budget, w.limit-1)
		}
		if budget < 1024 {
			w.refuse(o.path, "needs a limit of output of more than 1024 tokens at this model")
		}
		w.also(`"thinking":{"type":"enabled","budget_tokens":` + strconv.FormatInt(budget, 10) + `}`)
		return ""
	case w.claude && !w.cv.mustCall(): // beside which no thoughts are had
		w.also(`"thinking":{"type":"adaptive"}`)
	case strings.Contains(w.model, "openai."):
		w.also(`"reasoning_effort":"` + word + `"`)
		return ""
	}
	return word
}
