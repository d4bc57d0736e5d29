package translate

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// parser reads one JSON body, which the scanner has found valid, and knows at which field it is. It keeps the first problem.
type parser struct {
	path    []byte
	drops   bool // settings that have no place are left out instead of refused
	problem *refusal.Error
	dropped []string
}

// pathBytesMax is how much of a path is told: its keys are the caller's.
const pathBytesMax = 200

// refuse says that a field cannot be carried as it is.
func (p *parser) refuse(path, reason string) {
	if p.problem != nil {
		return
	}
	path = strings.ToValidUTF8(path[:min(len(path), pathBytesMax)], "")
	p.problem = refusal.New(http.StatusBadRequest, wire.CodeFieldNotCarried, "The field "+path+" "+reason+".")
	p.problem.Param = path
}

// wrong refuses the field that is being read.
func (p *parser) wrong(reason string) { p.refuse(string(p.path), reason) }

// drop notes a field that asks for nothing that changes the answer and has no place where the request goes.
func (p *parser) drop(path string) {
	p.dropped = append(p.dropped, strings.ToValidUTF8(path[:min(len(path), pathBytesMax)], ""))
}

// here returns the path of the field that is being read.
func (p *parser) here() string { return string(p.path) }

// object hands every member that is not null to do, which says whether it knows it. A member that it does not know is refused by name.
func (p *parser) object(raw []byte, do func(key string, value []byte) bool) {
	if len(raw) == 0 || raw[0] != '{' {
		p.wrong("must be an object")
		return
	}
	before := len(p.path)
	scan.Each(raw, func(key, value []byte) {
		if p.problem != nil || value[0] == 'n' {
			return
		}
		if before > 0 {
			p.path = append(p.path, '.')
		}
		p.path = append(p.path, key...)
		if !do(string(key), value) {
			p.lacks(p.here(), before == 0)
		}
		p.path = p.path[:before]
	})
}

// array hands every element to do.
func (p *parser) array(raw []byte, do func(value []byte)) {
	if len(raw) == 0 || raw[0] != '[' {
		p.wrong("must be an array")
		return
	}
	before, i := len(p.path), 0
	scan.Elements(raw, func(value []byte) {
		if p.problem != nil {
			return
		}
		p.path = append(strconv.AppendInt(append(p.path, '['), int64(i), 10), ']')
		do(value)
		p.path = p.path[:before]
		i++
	})
}

// content reads what a turn says: a string, or parts in the dialect's form.
func (p *parser) content(value []byte, read func(raw []byte) part) (parts []part) {
	if value[0] == '"' {
		return append(parts, part{kind: partText, path: p.here(), text: p.text(value)})
	}
	p.array(value, func(raw []byte) { parts = append(parts, read(raw)) })
	return parts
}

// text returns the inside of a string.
func (p *parser) text(value []byte) []byte {
	if len(value) < 2 || value[0] != '"' {
		p.wrong("must be a string")
		return nil
	}
	return value[1 : len(value)-1]
}

// flag returns a boolean.
func (p *parser) flag(value []byte) bool {
	if value[0] != 't' && value[0] != 'f' {
		p.wrong("must be true or false")
	}
	return value[0] == 't'
}

// number returns the text of a number.
func (p *parser) number(value []byte) []byte {
	if value[0] != '-' && (value[0] < '0' || value[0] > '9') {
		p.wrong("must be a number")
	}
	return value
}

// neutral refuses a setting that is not what a provider does anyway.
func (p *parser) neutral(value []byte, as ...string) {
	for _, each := range as {
		if string(value) == each {
			return
		}
	}
	p.lacks(p.here(), !bytes.ContainsAny(p.path, ".["))
}

// lacks refuses what the provider's format has no place for, or leaves it out: a setting, that is, where the key wants it so. What is said,
// and the tools, are never left out.
func (p *parser) lacks(path string, setting bool) {
	if setting && p.drops {
		p.drop(path)
		return
	}
	p.refuse(path, "cannot be carried to a provider that speaks another format. Leave it out, or call a model whose provider knows it")
}
