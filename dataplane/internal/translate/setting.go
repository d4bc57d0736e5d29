package translate

import (
	"bytes"
	"strconv"

	"tollgate.dev/dataplane/internal/scan"
)

// What a provider does not take of a setting is refused before it is asked.

// yield takes a setting away that the model does not take: it is refused with a reason, unless the key wants it left out.
func (p *parser) yield(cv *conversation, kind optionKind, reason string) {
	path := cv.options[kind].path
	cv.options[kind] = option{}
	if p.drops {
		p.drop(path)
		return
	}
	p.refuse(path, reason)
}

// yieldShape takes away what the answer must look like, which the model does not take.
func (p *parser) yieldShape(cv *conversation, reason string) {
	for _, kind := range [...]optionKind{optSchema, optJSON} {
		if cv.options[kind].value != nil {
			p.yield(cv, kind, reason)
		}
	}
}

// stopsMost refuses more sequences than a provider takes.
func (p *parser) stopsMost(o option, most int) {
	n := 0
	scan.Elements(o.value, func([]byte) { n++ })
	if n > most {
		p.refuse(o.path, "has more than "+strconv.Itoa(most)+" entries, which the provider does not take")
	}
}

// only takes a number away that is not as the model takes it.
func (p *parser) only(cv *conversation, kind optionKind, reason string, fits func(n float64) bool) {
	if o := cv.options[kind]; o.value != nil {
		if n, err := strconv.ParseFloat(string(o.value), 64); err != nil || !fits(n) {
			p.yield(cv, kind, reason)
		}
	}
}

// blankStop says whether one of the sequences has nothing but white space.
func blankStop(list []byte) (blank bool) {
	scan.Elements(list, func(each []byte) { blank = blank || len(bytes.TrimSpace(scan.Unescape(nil, inside(each)))) == 0 })
	return blank
}
