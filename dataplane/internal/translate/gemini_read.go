package translate

import (
	"bytes"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/scan"
)

// geminiReader reads a request of Google's generateContent (https://ai.google.dev/api/generate-content). Google takes each name as
// camelCase and as snake_case.
type geminiReader struct {
	*parser
	cv    *conversation
	open  []part // calls without a result so far, in order
	calls int    // so far
}

func readGemini(p *parser, _ *Ask, body []byte) *conversation {
	g := &geminiReader{parser: p, cv: &conversation{}}
	p.object(body, func(key string, value []byte) bool {
		switch camel(key) {
		case "contents":
			p.array(value, g.content)
		case "systemInstruction":
			g.system(value)
		case "tools":
			p.array(value, g.tool)
		case "toolConfig":
			g.toolConfig(value)
		case "generationConfig":
			g.config(value)
		case "serviceTier":
			g.tier(value)
		case "labels": // of Google's bill
			p.drop(p.here())
		case "cachedContent":
			p.wrong("names what Google keeps, which another provider does not have. Send it as contents")
		default:
			return false
		}
		return true
	})
	return g.cv
}

// camel returns the name as Google's documents write it.
func camel(key string) string {
	if strings.IndexByte(key, '_') < 0 {
		return key
	}
	words := strings.Split(key, "_")
	for i, word := range words[1:] {
		if word != "" && word[0] >= 'a' && word[0] <= 'z' {
			words[i+1] = string(word[0]-'a'+'A') + word[1:]
		}
	}
	return strings.Join(words, "")
}

// member returns the value of a member by its name in camelCase.
func member(raw []byte, name string) (found []byte) {
	scan.Each(raw, func(key, value []byte) {
		if camel(string(key)) == name {
			found = value
		}
	})
	return found
}

func (g *geminiReader) system(raw []byte) {
	g.object(raw, func(key string, value []byte) bool {
		if key == "parts" {
			g.array(value, func(raw []byte) { g.cv.system = append(g.cv.system, g.part(raw, false)...) })
		}
		return key == "parts" || key == "role"
	})
}

func (g *geminiReader) content(raw []byte) {
	role := string(scan.Lookup(raw, "role"))
	if role != "" && role != "null" && role != `"user"` && role != `"model"` && role != `"function"` {
		g.wrong("has the role " + role + "; use user or model")
	}
	assistant := role == `"model"`
	g.object(raw, func(key string, value []byte) bool {
		switch key {
		case "role":
		case "parts":
			g.array(value, func(raw []byte) {
				if parts := g.part(raw, assistant); len(parts) > 0 {
					g.cv.say(assistant, parts...)
				}
			})
		default:
			return false
		}
		return true
	})
}

// part reads a part. A signature that stands on anything but a thought is Google's own: nobody else takes it.
func (g *geminiReader) part(raw []byte, assistant bool) []part {
	made := part{path: g.here()}
	thought := string(scan.Lookup(raw, "thought")) == "true"
	g.object(raw, func(key string, value []byte) bool {
		switch camel(key) {
		case "text":
			made.text = g.text(value)
		case "thought":
			g.flag(value)
		case "thoughtSignature":
			if made.signature = g.text(value); !thought {
				g.drop(g.here())
			}
		case "inlineData":
			g.media(&made, value, "data")
		case "fileData":
			g.media(&made, value, "fileUri")
		case "functionCall":
			made.kind = partCall
			g.call(&made, value)
		case "functionResponse":
			made.kind = partResult
			g.result(&made, value)
		default:
			return false
		}
		return true
	})
	if thought {
		return thoughtOf(g.parser, made, assistant)
	}
	made.signature = nil
	return []part{made}
}

// sealedMark begins the signature in which thoughts that only their provider can read travel to callers of Google's API. It is base64, as
// its callers expect a signature to be.
const sealedMark = "redacted"

// thoughtOf returns thoughts that carry a signature; the others are nobody's own.
func thoughtOf(p *parser, made part, assistant bool) []part {
	if !assistant || made.signature == nil {
		p.drop(made.path)
		return nil
	}
	made.kind = partThinking
	if data, ok := bytes.CutPrefix(made.signature, []byte(sealedMark)); ok {
		made.kind, made.text, made.signature = partRedacted, data, nil
	}
	return []part{made}
}

func (g *geminiReader) media(into *part, raw []byte, where string) {
	kind := string(inside(member(raw, "mimeType")))
	switch {
	case strings.HasPrefix(kind, "image/"):
		into.kind = partImage
	case strings.HasPrefix(kind, "audio/"):
		into.kind = partAudio
	case strings.HasPrefix(kind, "video/") || kind == "":
		g.wrong("must have a mimeType of a picture, a sound or a document")
	default:
		into.kind = partDocument
	}
	g.object(raw, func(key string, value []byte) bool {
		switch name := camel(key); {
		case name == "mimeType":
			into.media.kind = g.text(value)
		case name == "displayName":
			into.media.name, into.media.naming = g.text(value), g.here()
		case name == where && where == "data":
			into.media.base64 = g.text(value)
		case name == where:
			g.address(&into.media, g.text(value))
		default:
			return false
		}
		return true
	})
}

// address refuses what only Google can read.
func (g *geminiReader) address(m *media, uri []byte) {
	if scan.HasEscape(uri) {
		uri = scan.Unescape(nil, uri)
	}
	if !bytes.HasPrefix(uri, []byte("https://")) || bytes.HasPrefix(uri, []byte("https://generativelanguage.googleapis.com/")) {
		g.wrong("is a file that Google keeps, which another provider cannot read. Send its bytes as inlineData")
	}
	m.url = uri
}

func (g *geminiReader) call(into *part, raw []byte) {
	into.arguments = []byte("{}")
	g.object(raw, func(key string, value []byte) bool {
		switch key {
		case "id":
			into.id = g.text(value)
		case "name":
			into.name = g.text(value)
		case "args":
			if into.arguments = value; value[0] != '{' {
				g.wrong("must be an object")
			}
		default:
			return false
		}
		return true
	})
	if into.id == nil {
		into.id = strconv.AppendInt([]byte("call_"), int64(g.calls), 10)
	}
	g.calls++
	g.open = append(g.open, *into)
}

// result reads what a tool said. Without an id it answers the first open call of its name.
func (g *geminiReader) result(into *part, raw []byte) {
	g.object(raw, func(key string, value []byte) bool {
		switch key {
		case "id":
			into.id = g.text(value)
		case "name":
			into.name = g.text(value)
		case "response":
			g.response(into, value)
		case "parts":
			g.array(value, func(raw []byte) { into.result = append(into.result, g.part(raw, false)...) })
		default:
			return false
		}
		return true
	})
	for i := range g.open {
		if string(g.open[i].id) == string(into.id) || into.id == nil && string(g.open[i].name) == string(into.name) {
			into.id = g.open[i].id
			g.open = append(g.open[:i], g.open[i+1:]...)
			return
		}
	}
	g.wrong("answers no functionCall of its name before it")
}

// response reads the object in which Google's callers put what a tool said: as text where it is one under the usual name, else as it stands.
func (g *geminiReader) response(into *part, raw []byte) {
	members, said := 0, []byte(nil)
	g.object(raw, func(key string, value []byte) bool {
		members++
		if key == "error" {
			into.failed = true
		}
		if key == "output" || key == "result" || key == "error" {
			said = inside(value)
		}
		return true
	})
	if members != 1 || said == nil {
		quoted := appendQuoted(nil, raw)
		said = quoted[1 : len(quoted)-1]
	}
	into.result = append([]part{{kind: partText, path: g.here(), text: said}}, into.result...)
}
