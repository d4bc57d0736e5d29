package translate

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// embedder returns the format in which embeddings are asked of a provider that does not have OpenAI's.
func embedder(all []dialect.Dialect) dialect.Dialect {
	if slices.Contains(all, dialect.CohereEmbed) {
		return dialect.CohereEmbed
	}
	return dialect.None
}

// appendCohereEmbed appends a request for embeddings as Cohere's Embed, version 2 (https://docs.cohere.com/reference/embed). Cohere wants to
// know what a text is for: a caller may say so by Cohere's own input_type, and says nothing of documents that are searched.
func (p *parser) appendCohereEmbed(dst, body []byte, target *state.Target) []byte {
	dst = refusal.AppendString(append(dst, `{"model":`...), target.Model)
	purpose, dimensions := []byte(`"search_document"`), []byte(nil)
	p.object(body, func(key string, value []byte) bool {
		switch key {
		case "model":
		case "input":
			dst = p.appendTextsOf(append(dst, `,"texts":[`...), value)
			dst = append(dst, ']')
		case "input_type":
			p.text(value)
			purpose = value
		case "dimensions":
			dimensions = p.number(value)
		case "encoding_format":
			p.neutral(value, `"float"`, `"base64"`) // the answer is written so here
		case "user":
			p.drop(p.here())
		default:
			return false
		}
		return true
	})
	dst = append(append(append(dst, `,"input_type":`...), purpose...), `,"embedding_types":["float"]`...)
	if dimensions != nil {
		dst = append(append(dst, `,"output_dimension":`...), dimensions...)
	}
	return append(dst, '}')
}

// appendTextsOf appends the elements of an input: a text, or several.
func (p *parser) appendTextsOf(dst, value []byte) []byte {
	if value[0] == '"' {
		return append(dst, value...)
	}
	n := 0
	p.array(value, func(each []byte) {
		if each[0] != '"' {
			p.wrong("is a number of a token, which only the model's own provider understands; send texts")
			return
		}
		dst = append(comma(dst, n), each...)
		n++
	})
	return dst
}

// appendEmbeddings appends Cohere's answer in the shape of OpenAI's.
func (a *Ask) appendEmbeddings(dst, body []byte, used *wire.Tokens) ([]byte, error) {
	vectors := scan.Lookup(scan.Lookup(body, "embeddings"), "float")
	if len(vectors) == 0 || vectors[0] != '[' {
		return dst, errAnswer
	}
	dst = append(dst, `{"object":"list","data":[`...)
	n, sound := 0, true
	scan.Elements(vectors, func(vector []byte) {
		dst = append(strconv.AppendInt(append(comma(dst, n), `{"object":"embedding","index":`...), int64(n), 10), `,"embedding":`...)
		if a.Packed {
			dst, sound = appendPacked(dst, vector, sound)
		} else {
			dst = append(dst, vector...)
		}
		dst = append(dst, '}')
		n++
	})
	if !sound {
		return dst, errAnswer
	}
	input := used.AllInput()
	dst = refusal.AppendString(append(dst, `],"model":`...), string(a.Model))
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), input, 10)
	return append(strconv.AppendInt(append(dst, `,"total_tokens":`...), input, 10), `}}`...), nil
}

// appendPacked appends numbers as OpenAI packs them: base64 of little-endian float32.
func appendPacked(dst, vector []byte, sound bool) ([]byte, bool) {
	var raw []byte
	scan.Elements(vector, func(number []byte) {
		f, err := strconv.ParseFloat(string(number), 32)
		sound = sound && err == nil
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
	})
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"'), sound
}
