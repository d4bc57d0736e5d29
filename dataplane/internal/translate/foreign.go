package translate

import (
	"bytes"
	"strconv"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
)

// A conversation that one provider began and another goes on with brings thoughts that the first has signed. Whoever speaks the caller's own
// format would get them as they are, and refuse them: they are taken out, as they are where formats differ, and named.

// isForeign says whether a signature is not one of Claude's: Google's, or none.
func isForeign(signature []byte) bool {
	return len(signature) == 0 || bytes.HasPrefix(signature, []byte(googlesMark)) || bytes.HasPrefix(signature, []byte(openAIsMark))
}

// BringsForeign says whether a request to a provider of its own format may hold thoughts that another provider signed. It is quick, and never
// wrong when it says no.
func BringsForeign(d dialect.Dialect, body []byte, found *scan.Result, target *state.Target) bool {
	if !found.Thoughts {
		return false
	}
	has := func(text string) bool { return bytes.Contains(body, []byte(text)) }
	switch d {
	case dialect.OpenAIChat: // servers that imitate OpenAI's API have such fields of their own
		return has(`"reasoning_`) && !target.Provider.Compatible
	case dialect.OpenAIResponses:
		return has(`"`+signedThoughts) || has(`"`+redactedThoughts)
	case dialect.AnthropicMessages, dialect.AnthropicCountTokens:
		return has(`"`+googlesMark) || has(`"`+openAIsMark) || has(`"signature":""`) || has(`"signature": ""`)
	case dialect.GeminiGenerate, dialect.GeminiCountTokens:
		return (has(`"thoughtSignature"`) || has(`"thought_signature"`)) && has(`"thought"`)
	default:
		return false
	}
}

// WithoutForeign appends a request without the thoughts that another provider signed, and returns the paths of what it left out.
func WithoutForeign(dst, body []byte, d dialect.Dialect) (out []byte, dropped []string) {
	f := foreign{}
	switch d {
	case dialect.OpenAIChat:
		return f.within(dst, body, "messages", f.chatMessage), f.dropped
	case dialect.OpenAIResponses:
		return f.within(dst, body, "input", f.responsesItem), f.dropped
	case dialect.GeminiGenerate, dialect.GeminiCountTokens:
		return f.within(dst, body, "contents", f.pieces("parts", isForeignPart)), f.dropped
	default:
		return f.within(dst, body, "messages", f.pieces("content", isForeignBlock)), f.dropped
	}
}

// foreign takes pieces out of a request.
type foreign struct{ dropped []string }

// rewriting appends an element as it is to be sent; nothing, where it goes altogether.
type rewriting func(dst, element []byte, path string) []byte

// within appends an object with the elements of one of its members rewritten.
func (f *foreign) within(dst, object []byte, name string, each rewriting) []byte {
	dst, n := append(dst, '{'), 0
	scan.Each(object, func(key, value []byte) {
		dst = append(append(append(comma(dst, n), '"'), key...), `":`...)
		n++
		if string(key) == name && value[0] == '[' {
			dst = f.elements(dst, value, name, each)
		} else {
			dst = append(dst, value...)
		}
	})
	return append(dst, '}')
}

func (*foreign) elements(dst, array []byte, path string, each rewriting) []byte {
	dst, i, wrote := append(dst, '['), 0, 0
	scan.Elements(array, func(element []byte) {
		before := len(dst)
		dst = comma(dst, wrote)
		open := len(dst)
		if element[0] != '{' { // it is the provider's to refuse
			dst, wrote, i = append(dst, element...), wrote+1, i+1
			return
		}
		if dst = each(dst, element, path+"["+strconv.Itoa(i)+"]"); len(dst) == open {
			dst = dst[:before]
		} else {
			wrote++
		}
		i++
	})
	return append(dst, ']')
}

// chatMessage leaves out the fields in which thoughts travel to callers of Chat Completions; OpenAI itself has none.
func (f *foreign) chatMessage(dst, message []byte, path string) []byte {
	dst, n := append(dst, '{'), 0
	scan.Each(message, func(key, value []byte) {
		if name := string(key); name == "reasoning_content" || name == "reasoning_details" {
			f.dropped = append(f.dropped, path+"."+name)
			return
		}
		dst = append(append(append(append(comma(dst, n), '"'), key...), `":`...), value...)
		n++
	})
	return append(dst, '}')
}

func (f *foreign) responsesItem(dst, item []byte, path string) []byte {
	sealed := inside(scan.Lookup(item, "encrypted_content"))
	if bytes.HasPrefix(sealed, []byte(signedThoughts)) || bytes.HasPrefix(sealed, []byte(redactedThoughts)) {
		f.dropped = append(f.dropped, path)
		return dst
	}
	return append(dst, item...)
}

// pieces rewrites the pieces of a turn, in one of its members. A turn that has nothing else is left out with them.
func (f *foreign) pieces(name string, goes func(piece []byte) bool) rewriting {
	return func(dst, turn []byte, path string) []byte {
		kept, left := 0, len(f.dropped)
		open := len(dst)
		dst = f.within(dst, turn, name, func(dst, piece []byte, at string) []byte {
			if goes(piece) {
				f.dropped = append(f.dropped, path+"."+at)
				return dst
			}
			kept++
			return append(dst, piece...)
		})
		if kept == 0 && len(f.dropped) > left {
			return dst[:open]
		}
		return dst
	}
}

// isForeignBlock says whether a block is thoughts that Claude has not signed.
func isForeignBlock(block []byte) bool {
	return string(scan.Lookup(block, "type")) == `"thinking"` && isForeign(inside(scan.Lookup(block, "signature")))
}

// isForeignPart says whether a part is thoughts with a signature: Google signs what follows them instead.
func isForeignPart(part []byte) bool {
	return string(scan.Lookup(part, "thought")) == "true" && len(inside(member(part, "thoughtSignature"))) > 0
}
