package translate

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// Task is what a request asks for that is no conversation.
type Task struct {
	ContentType string      // of the body
	Most        wire.Tokens // that it can use
	Usual       wire.Tokens // that it uses where the provider does not say
	TextBytes   int64
}

// Bounds of tasks.
const (
	imagesMost         = 10   // OpenAI's own limit
	imageTokens        = 8192 // of output, of the largest image at the highest quality
	imageInputTokens   = 8192 // of one image to be edited
	spokenTokens       = 4    // of sound for each character that is spoken
	heardTokens        = 10   // of sound for each second that is heard
	writtenTokens      = 8192 // of a transcript
	documentsPerSearch = 100
)

// ReadTask reads what is asked for. A form's deciding fields are found in r as if the body were JSON.
func ReadTask(d dialect.Dialect, contentType string, body []byte, r *scan.Result) (Ask, *refusal.Error) {
	a := Ask{Dialect: d, Choices: 1, Task: &Task{ContentType: "application/json"}}
	f := task{ask: &a, body: body, r: r}
	if d.IsForm() {
		a.Task.ContentType = contentType
		f.form(contentType)
	} else {
		if err := r.Scan(body); err != nil {
			return a, Malformed(err)
		}
		f.json()
	}
	if f.problem == nil {
		f.measure()
	}
	return a, f.problem
}

// task reads one request.
type task struct {
	ask     *Ask
	body    []byte
	r       *scan.Result
	problem *refusal.Error

	images    int64 // asked for
	inputs    int64 // images to be edited
	quality   string
	size      string
	documents int64
	query     int64 // bytes
	sound     scan.Value
}

func (f *task) refuse(field, reason string) {
	if f.problem == nil {
		f.problem = refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, "The field "+field+" "+reason+".")
		f.problem.Param = field
	}
}

// field takes one deciding field, from a form or as the text of a JSON value.
func (f *task) field(name, text string) {
	switch name {
	case "n":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > imagesMost {
			f.refuse("n", fmt.Sprintf("must be from 1 to %d", imagesMost))
		}
		f.images = n
	case "quality":
		f.quality = text
	case "size":
		f.size = text
	case "stream":
		if text != "false" {
			f.refuse("stream", "must be left out: these answers are not streamed here")
		}
	}
}

func (f *task) form(contentType string) {
	parts, problem := readForm(contentType, f.body)
	if f.problem = problem; problem != nil {
		return
	}
	*f.r = scan.Result{Texts: f.r.Texts[:0]}
	seen := map[string]bool{}
	for _, one := range parts {
		text := f.body[one.at.Start:one.at.End]
		switch {
		case one.file && (one.name == "file" || one.name == "image" || one.name == "image[]" || one.name == "mask"):
			f.inputs++
			if one.name == "file" && f.sound == (scan.Value{}) {
				f.sound = one.at
				continue
			}
			if one.name != "file" {
				continue
			}
			fallthrough
		case one.file, seen[one.name] && !strings.HasSuffix(one.name, "[]"):
			f.refuse(one.name, "stands twice, or is a file where none is expected")
			return
		case one.name == "model":
			f.ask.Model, f.r.Fields[scan.Model] = text, one.at
		case one.name == "prompt":
			f.r.Texts = append(f.r.Texts, one.at)
		case one.name == "user":
			f.ask.EndUser = text
		default:
			f.field(one.name, string(text[:min(len(text), 64)]))
		}
		seen[one.name] = true
	}
}

func (f *task) json() {
	reader := reader{body: f.body, r: f.r}
	f.ask.Model, f.ask.EndUser = reader.text(scan.Model), reader.text(scan.User)
	if f.problem = reader.problem; f.problem != nil {
		return
	}
	seen := map[string]bool{}
	scan.Each(f.body, func(key, value []byte) {
		name := string(scan.Unescape(nil, key))
		if seen[name] {
			f.refuse(name, "stands twice")
		}
		seen[name] = true
		switch {
		case name == "documents" && value[0] == '[':
			scan.Elements(value, func([]byte) { f.documents++ })
		case name == "query" && value[0] == '"':
			at := offset(f.body, value)
			f.query = int64(len(value))
			f.r.Texts = append(f.r.Texts, scan.Value{Start: at + 1, End: at + len(value) - 1})
		case value[0] != 'n':
			f.field(name, strings.Trim(string(scan.Unescape(nil, value[:min(len(value), 64)])), `"`))
		}
	})
}

// offset returns where a part of the body begins in it.
func offset(body, part []byte) int { return cap(body) - cap(part) }

// measure sets what the task can use at most, and what it uses where nobody says.
func (f *task) measure() {
	t := f.ask.Task
	for _, span := range f.r.Texts {
		t.TextBytes += int64(span.End - span.Start)
	}
	switch f.ask.Dialect {
	case dialect.OpenAIImages, dialect.OpenAIImageEdits:
		n := max(f.images, 1)
		t.Most = wire.Tokens{Images: n, Input: t.TextBytes + hiddenTokens + f.inputs*imageInputTokens, Output: n * imageTokens, Service: f.variant()}
		t.Usual = t.Most
	case dialect.OpenAISpeech:
		spoken := int64(0)
		for _, span := range f.r.Texts {
			spoken += int64(utf8.RuneCount(scan.Unescape(nil, f.body[span.Start:span.End])))
		}
		t.Most = wire.Tokens{Characters: spoken, Input: spoken + hiddenTokens, Output: spoken * spokenTokens}
		t.Usual = t.Most
	case dialect.OpenAITranscription, dialect.OpenAITranslation:
		if f.sound == (scan.Value{}) {
			f.refuse("file", "is missing")
			return
		}
		most, usual := soundMs(f.body[f.sound.Start:f.sound.End])
		t.Most = wire.Tokens{AudioMs: most, Input: t.TextBytes + hiddenTokens + most*heardTokens/1000, Output: writtenTokens}
		t.Usual = wire.Tokens{AudioMs: usual, Input: usual * heardTokens / 1000, Output: min(usual*heardTokens/1000, writtenTokens)}
	case dialect.Rerank:
		if f.documents == 0 {
			f.refuse("documents", "must be a list of at least one document")
			return
		}
		searches := (f.documents + documentsPerSearch - 1) / documentsPerSearch
		t.Most = wire.Tokens{Searches: searches, Input: t.TextBytes + f.query*f.documents + hiddenTokens}
		t.Usual = wire.Tokens{Searches: searches, Input: (t.TextBytes + f.query*f.documents) / 4}
	}
}

// variant names the row of prices that an image is billed at: its quality and size as the request says them, what is the default left out.
func (f *task) variant() string {
	words := make([]string, 0, 2)
	for _, word := range []string{f.quality, f.size} {
		if word != "" && word != "auto" && word != "standard" && word != "1024x1024" && !slices.Contains(words, word) {
			words = append(words, strings.ToValidUTF8(word[:min(len(word), 32)], ""))
		}
	}
	return strings.Join(words, " ")
}
