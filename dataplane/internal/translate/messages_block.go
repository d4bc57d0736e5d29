package translate

import (
	"bytes"
	"fmt"
)

// Blocks of Messages that no other format has are said in words.

// toolReference reads what a search for tools found (https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool). Other
// providers have been told of the tool from the begin; its name is what is left to say.
func (p *parser) toolReference(made part, raw []byte) part {
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "tool_name":
			made.text = p.text(value)
		case "cache_control":
			made.cache = value
		default:
			return false
		}
		return true
	})
	return made
}

// toolChange reads that a tool is offered from now on, or no more
// (https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages). Others have no such thing: it is said in words.
func (p *parser) toolChange(made part, kind string, raw []byte) part {
	says := "The tool %s can be called from now on."
	if kind == `"tool_removal"` {
		says = "The tool %s must not be called from now on."
	}
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "tool":
			p.object(value, func(key string, value []byte) bool {
				switch key {
				case "type":
					p.neutral(value, `"tool_reference"`)
				case "name", "tool_name":
					made.text = fmt.Appendf(nil, says, p.text(value))
				default:
					return false
				}
				return true
			})
		case "cache_control":
			made.cache = value
		default:
			return false
		}
		return true
	})
	return made
}

// textBlock reads a block that holds blocks of text: what a search found (https://platform.claude.com/docs/en/build-with-claude/search-results), or
// instructions within what somebody else says, which weigh less where they are said in words.
func (p *parser) textBlock(made part, kind string, raw []byte) part {
	var source, title, text []byte
	p.object(raw, func(key string, value []byte) bool {
		switch key {
		case "type":
		case "source":
			source = p.text(value)
		case "title":
			title = p.text(value)
		case "content":
			for _, each := range p.content(value, p.block) {
				if text != nil {
					text = append(text, `\n`...)
				}
				text = append(text, each.text...)
			}
		case "citations":
			p.citations(value)
		case "cache_control":
			made.cache = value
		default:
			return false
		}
		return true
	})
	if kind == `"mid_conv_system"` {
		p.drop(made.path + ".type")
		made.text = bytes.Join([][]byte{[]byte(reminderBegin), text, []byte(reminderEnd)}, nil)
		return made
	}
	made.text = fmt.Appendf(nil, `%s (%s)\n%s`, title, source, text)
	return made
}
