package state

import (
	"errors"
	"unicode"
	"unicode/utf8"
)

// Matcher finds any of many words in one pass over a text (Aho and Corasick, 1975), without regard to case, at word boundaries.
// A run of white space in a word matches any run of white space in the text.
//
// The text is read as a stream of symbols: the bytes of each rune folded to one case, one space for a run of white space, and the
// symbol boundary wherever a word begins or ends. A word's pattern holds the boundaries that its own letters imply, so a boundary
// needs no looking back.
type Matcher struct {
	classes [256]uint8 // symbol → column; 0 is every symbol that no word has
	width   int
	next    []int32  // state × column → state
	word    []int32  // state → index of the word that ends there + 1
	words   []string // as written
	longest int
}

const (
	boundary      = 0xff    // never a byte of UTF-8
	matcherCells  = 4 << 20 // of the table: 16 MiB
	stateAsciiMax = utf8.RuneSelf
)

var errTooManyWords = errors.New("the words are too many together; split the guardrail")

// NewMatcher compiles the words.
func NewMatcher(words []string) (*Matcher, error) {
	m := &Matcher{words: words}
	patterns := make([][]byte, len(words))
	total := 1
	columns := 1
	for i, word := range words {
		patterns[i] = pattern(word)
		total += len(patterns[i])
		m.longest = max(m.longest, len(patterns[i]))
		for _, symbol := range patterns[i] {
			if m.classes[symbol] == 0 {
				m.classes[symbol] = uint8(columns)
				columns++
			}
		}
	}
	m.width = columns
	if total*columns > matcherCells {
		return nil, errTooManyWords
	}
	m.build(patterns)
	return m, nil
}

// Longest returns how many bytes of folded text the longest word takes, its boundaries included.
func (m *Matcher) Longest() int { return m.longest }

// build makes the trie and turns it into a complete automaton, breadth first.
func (m *Matcher) build(patterns [][]byte) {
	m.addState()
	for i, symbols := range patterns {
		at := int32(0)
		for _, symbol := range symbols {
			cell := int(at)*m.width + int(m.classes[symbol])
			if m.next[cell] == 0 {
				m.next[cell] = m.addState()
			}
			at = m.next[cell]
		}
		if at != 0 && m.word[at] == 0 {
			m.word[at] = int32(i) + 1
		}
	}
	fail := make([]int32, len(m.word))
	queue := make([]int32, 0, len(m.word))
	for column := range m.width {
		if child := m.next[column]; child != 0 {
			queue = append(queue, child)
		}
	}
	for head := 0; head < len(queue); head++ {
		at := queue[head]
		if m.word[at] == 0 {
			m.word[at] = m.word[fail[at]]
		}
		for column := range m.width {
			cell := int(at)*m.width + column
			back := m.next[int(fail[at])*m.width+column]
			if child := m.next[cell]; child != 0 {
				fail[child] = back
				queue = append(queue, child)
			} else {
				m.next[cell] = back
			}
		}
	}
}

func (m *Matcher) addState() int32 {
	m.next = append(m.next, make([]int32, m.width)...)
	m.word = append(m.word, 0)
	return int32(len(m.word) - 1)
}

// Match returns the word, as it was given, whose occurrence ends first. It does not allocate.
func (m *Matcher) Match(text []byte) (word string, ok bool) {
	at, previous := int32(0), symbolOther
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		i += size
		kind := kindOf(r)
		if kind == symbolSpace && previous == symbolSpace {
			continue
		}
		if (kind == symbolWord) != (previous == symbolWord) {
			if at = m.step(at, boundary); m.word[at] != 0 {
				return m.words[m.word[at]-1], true
			}
		}
		previous = kind
		if at = m.feed(at, fold(r, kind)); m.word[at] != 0 {
			return m.words[m.word[at]-1], true
		}
	}
	if previous == symbolWord {
		if at = m.step(at, boundary); m.word[at] != 0 {
			return m.words[m.word[at]-1], true
		}
	}
	return "", false
}

func (m *Matcher) step(at int32, symbol byte) int32 {
	return m.next[int(at)*m.width+int(m.classes[symbol])]
}

func (m *Matcher) feed(at int32, r rune) int32 {
	if r < utf8.RuneSelf {
		return m.step(at, byte(r))
	}
	var encoded [utf8.UTFMax]byte
	for _, symbol := range encoded[:utf8.EncodeRune(encoded[:], r)] {
		at = m.step(at, symbol)
	}
	return at
}

// pattern returns the symbols of a word; nothing for a blank one.
func pattern(word string) []byte {
	var out []byte
	runes := []rune(word)
	for len(runes) > 0 && unicode.IsSpace(runes[0]) {
		runes = runes[1:]
	}
	for len(runes) > 0 && unicode.IsSpace(runes[len(runes)-1]) {
		runes = runes[:len(runes)-1]
	}
	previous := symbolOther
	for _, r := range runes {
		kind := kindOf(r)
		if kind == symbolSpace && previous == symbolSpace {
			continue
		}
		if (kind == symbolWord) != (previous == symbolWord) {
			out = append(out, boundary)
		}
		previous = kind
		out = utf8.AppendRune(out, fold(r, kind))
	}
	if previous == symbolWord {
		out = append(out, boundary)
	}
	return out
}

type symbolKind uint8

const (
	symbolOther symbolKind = iota
	symbolWord
	symbolSpace
)

func kindOf(r rune) symbolKind {
	switch {
	case r < stateAsciiMax:
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return symbolWord
		case r == ' ', r >= '\t' && r <= '\r':
			return symbolSpace
		}
		return symbolOther
	case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r):
		return symbolWord
	case unicode.IsSpace(r):
		return symbolSpace
	}
	return symbolOther
}

// fold maps the runes that differ by case alone to one of them: the smallest of their orbit, in lower case where that is ASCII.
func fold(r rune, kind symbolKind) rune {
	if kind == symbolSpace {
		return ' '
	}
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	if kind != symbolWord {
		return r
	}
	smallest := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		smallest = min(smallest, other)
	}
	if smallest >= 'A' && smallest <= 'Z' {
		smallest += 'a' - 'A'
	}
	return smallest
}
