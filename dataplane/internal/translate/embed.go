package translate

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// embedding is what a request for embeddings asks, whatever API it is written in.
type embedding struct {
	path       string   // of the texts
	texts      [][]byte // insides of strings, as they travelled
	purpose    option   // what they are for: inside of a string, in Google's words
	title      option   // inside of a string
	dimensions option   // a number
}

// embedFormat is how embeddings are asked of providers and given by them. A request that brings more than one may have goes as several.
type embedFormat struct {
	most    func(model string) int // texts of one request
	bytes   int                    // of all its texts; 0: no bound is known
	frame   func(p *parser, e *embedding, target *state.Target) frame
	vectors func(body []byte, each func(vector []byte)) // of an answer, in the order of the texts
}

// frame is what stands around the texts of a request: texts are strings between before and after, with commas.
type frame struct{ open, before, after, shut []byte }

var embedFormats = map[dialect.Dialect]*embedFormat{
	dialect.OpenAIEmbeddings:   {most: always(2048), frame: openAIEmbedFrame, vectors: openAIVectors},
	dialect.MistralEmbed:       {most: always(512), frame: mistralEmbedFrame, vectors: openAIVectors},
	dialect.CohereEmbed:        {most: always(96), frame: cohereEmbedFrame, vectors: cohereVectors},
	dialect.BedrockCohereEmbed: {most: always(96), frame: bedrockCohereFrame, vectors: cohereVectors},
	dialect.TitanEmbed:         {most: always(1), frame: titanEmbedFrame, vectors: titanVectors},
	dialect.GeminiBatchEmbed:   {most: always(100), frame: geminiBatchFrame, vectors: geminiBatchVectors},
	dialect.GeminiEmbed:        {most: always(1), frame: geminiEmbedFrame, vectors: geminiVectors},
	dialect.VertexEmbed:        {most: vertexTexts, bytes: vertexTextBytes, frame: vertexEmbedFrame, vectors: vertexVectors},
}

func always(n int) func(string) int { return func(string) int { return n } }

// embedder returns the format in which embeddings are asked of a provider that does not have the caller's.
func embedder(all []dialect.Dialect) dialect.Dialect {
	for _, each := range all {
		if embedFormats[each] != nil {
			return each
		}
	}
	return dialect.None
}

// portionsMax is how many requests one request for embeddings may become: a few are made at a time.
const portionsMax = 256

// Portion is one of the requests that a request for embeddings becomes.
type Portion struct {
	End   int // of its body among all
	Texts int
	Bytes int64 // of its texts
}

// Portion returns the body of one of the requests that stand in out, one behind the other; the whole where there is but one.
func (a *Ask) Portion(out []byte, at int) []byte {
	if len(a.Portions) == 0 {
		return out
	}
	from := 0
	if at > 0 {
		from = a.Portions[at-1].End
	}
	return out[from:a.Portions[at].End:a.Portions[at].End]
}

// appendEmbed appends the requests for embeddings, one behind the other, and notes where each ends.
func (a *Ask) appendEmbed(p *parser, dst, body []byte, to dialect.Dialect, target *state.Target) []byte {
	e := a.readTexts(p, body)
	a.Portions = nil
	if p.problem == nil && len(e.texts) == 0 {
		p.refuse(e.path, "must be a text, or a list of at least one")
	}
	if p.problem != nil {
		return dst
	}
	format := embedFormats[to]
	around, most := format.frame(p, e, target), format.most(target.Model)
	for rest := e.texts; len(rest) > 0 && len(a.Portions) <= portionsMax; {
		one := Portion{Texts: 1, Bytes: int64(len(rest[0]))}
		for one.Texts < min(most, len(rest)) && (format.bytes == 0 || one.Bytes+int64(len(rest[one.Texts])) <= int64(format.bytes)) {
			one.Bytes += int64(len(rest[one.Texts]))
			one.Texts++
		}
		dst = around.append(dst, rest[:one.Texts])
		one.End, rest = len(dst), rest[one.Texts:]
		a.Portions = append(a.Portions, one)
	}
	if len(a.Portions) > portionsMax {
		p.refuse(e.path, fmt.Sprintf("has %d texts, and this model takes %d at a time. Send at most %d", len(e.texts), most, most*portionsMax))
	}
	return dst
}

func (a *Ask) readTexts(p *parser, body []byte) *embedding {
	if a.Dialect.IsGoogle() {
		return a.readGoogleTexts(p, body)
	}
	return a.readOpenAITexts(p, body)
}

// TextBytes returns how long the texts are that a request wants embedded; 0: it has something else than texts.
func (a *Ask) TextBytes(body []byte) (n int64) {
	ask, p := *a, parser{}
	e := ask.readTexts(&p, body)
	if p.problem != nil {
		return 0
	}
	for _, text := range e.texts {
		n += int64(len(text))
	}
	return n
}

func (f *frame) append(dst []byte, texts [][]byte) []byte {
	dst = append(dst, f.open...)
	for i, text := range texts {
		dst = append(append(comma(dst, i), f.before...), '"')
		dst = append(append(append(dst, text...), '"'), f.after...)
	}
	return append(dst, f.shut...)
}

// without refuses settings that the provider has no place for.
func (p *parser) without(settings ...option) {
	for _, each := range settings {
		if each.value != nil {
			p.lacks(each.path, true)
		}
	}
}

// setting appends a member of an object that is not its first, if the caller made it.
func setting(dst []byte, name string, made option, isText bool) []byte {
	if made.value == nil {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	if isText {
		return append(append(append(dst, '"'), made.value...), '"')
	}
	return append(dst, made.value...)
}

// AppendVectors appends what the answer to one portion has of embeddings, in the caller's format. The first begins the caller's answer.
func (a *Ask) AppendVectors(dst, body []byte, from dialect.Dialect, portion int) ([]byte, error) {
	at := 0
	for _, before := range a.Portions[:portion] {
		at += before.Texts
	}
	want := at + a.Portions[portion].Texts
	if portion == 0 {
		dst = append(dst, map[dialect.Dialect]string{
			dialect.OpenAIEmbeddings: `{"object":"list","data":[`, dialect.GeminiEmbed: `{"embedding":`, dialect.GeminiBatchEmbed: `{"embeddings":[`,
		}[a.Dialect]...)
	}
	sound := true
	embedFormats[from].vectors(body, func(vector []byte) {
		if sound = sound && len(vector) > 2 && vector[0] == '['; !sound {
			return
		}
		dst, sound = a.appendVector(comma(dst, at), vector, at)
		at++
	})
	if !sound || at != want {
		return dst, errAnswer
	}
	return dst, nil
}

func (a *Ask) appendVector(dst, vector []byte, at int) ([]byte, bool) {
	if a.Dialect.IsGoogle() {
		return append(append(append(dst, `{"values":`...), vector...), '}'), true
	}
	sound := true
	dst = append(strconv.AppendInt(append(dst, `{"object":"embedding","index":`...), int64(at), 10), `,"embedding":`...)
	if a.Packed {
		dst, sound = appendPacked(dst, vector)
	} else {
		dst = append(dst, vector...)
	}
	return append(dst, '}'), sound
}

// CloseVectors ends the caller's answer with what all portions used.
func (a *Ask) CloseVectors(dst []byte, used *wire.Tokens) []byte {
	input := used.AllInput()
	if a.Dialect.IsGoogle() {
		if a.Dialect == dialect.GeminiBatchEmbed {
			dst = append(dst, ']')
		}
		return append(strconv.AppendInt(append(dst, `,"usageMetadata":{"promptTokenCount":`...), input, 10), `}}`...)
	}
	dst = refusal.AppendString(append(dst, `],"model":`...), string(a.Model))
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), input, 10)
	return append(strconv.AppendInt(append(dst, `,"total_tokens":`...), input, 10), `}}`...)
}

// appendPacked appends numbers as OpenAI packs them: base64 of little-endian float32.
func appendPacked(dst, vector []byte) ([]byte, bool) {
	var raw []byte
	sound := true
	scan.Elements(vector, func(number []byte) {
		f, err := strconv.ParseFloat(string(number), 32)
		sound = sound && err == nil
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
	})
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"'), sound
}

// purposes are what a text may be for, in Google's words and in Cohere's where it has them
// (https://ai.google.dev/api/embeddings#v1beta.TaskType, https://docs.cohere.com/reference/embed).
var purposes = [...][2]string{
	{"RETRIEVAL_DOCUMENT", "search_document"}, {"RETRIEVAL_QUERY", "search_query"}, {"CLASSIFICATION", "classification"}, {"CLUSTERING", "clustering"},
}

// coheresPurpose returns Cohere's word for Google's; empty: it has none.
func coheresPurpose(googles []byte) string {
	i := slices.IndexFunc(purposes[:], func(each [2]string) bool { return each[0] == string(googles) })
	if i < 0 {
		return ""
	}
	return purposes[i][1]
}
