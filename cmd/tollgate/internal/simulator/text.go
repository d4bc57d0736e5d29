package simulator

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// How tokens are counted: input is ceil(characters / 4) over all text of the request (instructions, messages, tool definitions as
// they stand, results of tools), plus imageTokens for each picture. Each piece of an answer's text is one token; a call of a tool
// counts ceil(characters / 4) of its name and arguments.
const (
	charsPerToken = 4
	imageTokens   = 256
)

// Words in a prompt that steer the answer: sim:tokens=50 (length of the answer), sim:cached=1024 and sim:cache_write=2048 (how much
// of the input the provider calls cached), sim:reasoning=100 (hidden tokens), sim:calls=2 (how often a tool is called at once), sim:mixed=1 (whose pieces come in turns, where the format lets them), sim:redacted=1
// (thoughts that only their provider can read, where it has such), sim:say=some
// words (up to the end of the line: the answer), sim:call=read {"path":"a"} (up to the end of the line: the tool that is called, with what).
var (
	directive = regexp.MustCompile(`sim:(tokens|cached|cache_write|reasoning|calls|mixed|redacted)=(\d{1,7})`)
	sayLine   = regexp.MustCompile(`sim:say=([^\r\n]*)`)
	callLine  = regexp.MustCompile(`sim:call=(\S+) (\{[^\r\n]*\})`)
	piece     = regexp.MustCompile(`\s*\S+`)
)

// prompt is what the answer depends on.
type prompt struct {
	provider, model string
	texts           []string // everything that counts as input, in order
	images          int
	last            string // the last thing that the caller said
	answersTool     bool   // the conversation ends with a tool's result
	tools           []tool
	toolForced      bool
	toolForbidden   bool
	outputMax       int      // 0: no limit
	stops           []string // sequences at which the answer ends
	choices         int      // answers at once; 0: one
	odds            *odds    // what is told of tokens; nil: nothing
	tier            string   // who is served first; empty: nobody
	embedded        int      // tokens of an embedding request, which has no answer in words
	task            bool     // no conversation: who answers says what it used
}

type tool struct {
	Name   string
	Schema json.RawMessage
}

// usage is what is billed. The classes of input are disjoint; output includes reasoning.
type usage struct{ input, cached, cacheWrite, output, reasoning int }

func (u usage) prompt() int { return u.input + u.cached + u.cacheWrite }

// reply is the answer, before it takes a provider's form.
type reply struct {
	pieces    []string // text, one token each
	call      *call
	times     int  // of the call, at once
	mixed     bool // the pieces of calls come in turns
	choices   int  // answers at once
	odds      *odds
	tier      string
	truncated bool
	redacted  bool   // it has thoughts that only their provider can read
	stopped   string // the sequence at which it ended
	usage     usage
}

type call struct{ name, arguments string }

// text returns the whole text of the answer.
func (r reply) text() string { return strings.Join(r.pieces, "") }

// calls returns the call as often as it is made.
func (r reply) calls() []*call { return slices.Repeat([]*call{r.call}, r.times) }

// thought is what the model shows of its thinking, where it is asked to; thoughtSign is how its provider signs it.
const (
	thought     = "Let me think."
	thoughtSign = "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I="
)

// fragments returns the call's arguments in the pieces in which they are streamed.
func (c *call) fragments() []string {
	const size = 12
	var fragments []string
	for rest := c.arguments; rest != ""; {
		cut := min(size, len(rest))
		for cut < len(rest) && !utf8.RuneStart(rest[cut]) {
			cut++
		}
		fragments, rest = append(fragments, rest[:cut]), rest[cut:]
	}
	return fragments
}

func tokens(chars int) int { return (chars + charsPerToken - 1) / charsPerToken }

// answer computes the reply.
func (p prompt) answer() reply {
	if p.task {
		return reply{}
	}
	if p.embedded > 0 {
		return reply{usage: usage{input: p.embedded}}
	}
	settings := p.settings()
	r := reply{choices: max(1, p.choices), odds: p.odds, tier: p.tier, redacted: settings["redacted"] > 0}
	r.usage = p.input(settings)
	r.usage.reasoning = settings["reasoning"]
	if r.call = p.chooseCall(); r.call != nil {
		r.times, r.mixed = max(1, settings["calls"]), settings["mixed"] > 0
		r.usage.output = r.times * tokens(utf8.RuneCountInString(r.call.name+r.call.arguments))
	} else {
		r.pieces = p.pieces(settings["tokens"])
		r.stopAt(p.stops)
		r.usage.output = len(r.pieces)
	}
	if p.outputMax > 0 && r.usage.output+r.usage.reasoning > p.outputMax {
		r.truncate(p.outputMax)
	}
	r.usage.output = (r.usage.output + r.usage.reasoning) * r.choices
	return r
}

// stopAt ends the text before the first of the sequences.
func (r *reply) stopAt(sequences []string) {
	text := r.text()
	for _, each := range sequences {
		if before, _, found := strings.Cut(text, each); found && each != "" {
			text, r.stopped = before, each
		}
	}
	if r.stopped != "" {
		r.pieces = piece.FindAllString(text, -1)
	}
}

// stopsOf reads sequences: one, or several.
func stopsOf(raw json.RawMessage) (all []string) {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	_ = json.Unmarshal(raw, &all) // what is no list of texts stops nothing
	return all
}

// sealed is what a provider shows of thoughts that nobody else may read.
const sealed = "c2VhbGVk"

// truncate cuts the answer to limit tokens: hidden ones are produced first.
func (r *reply) truncate(limit int) {
	r.truncated, r.times = true, min(r.times, 1)
	r.usage.reasoning = min(r.usage.reasoning, limit)
	r.usage.output = limit - r.usage.reasoning
	if r.call == nil {
		r.pieces = r.pieces[:r.usage.output]
		return
	}
	keep := min(len(r.call.arguments), max(0, charsPerToken*r.usage.output-len(r.call.name)))
	r.call.arguments = strings.ToValidUTF8(r.call.arguments[:keep], "")
}

func (p prompt) settings() map[string]int {
	settings := make(map[string]int)
	for _, text := range p.texts {
		if !strings.Contains(text, "sim:") {
			continue
		}
		for _, match := range directive.FindAllStringSubmatch(text, -1) {
			settings[match[1]], _ = strconv.Atoi(match[2]) // digits, few of them
		}
	}
	return settings
}

func (p prompt) input(settings map[string]int) usage {
	chars := 0
	for _, text := range p.texts {
		chars += utf8.RuneCountInString(text)
	}
	total := tokens(chars) + p.images*imageTokens
	cached := min(settings["cached"], total)
	written := min(settings["cache_write"], total-cached)
	return usage{input: total - cached - written, cached: cached, cacheWrite: written}
}

// seed is a pure function of what the caller said.
func (p prompt) seed() *rand.Rand {
	sum := sha256.New()
	sum.Write([]byte(p.model))
	for _, text := range p.texts {
		sum.Write([]byte{0})
		sum.Write([]byte(text))
	}
	digest := sum.Sum(nil)
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(digest), binary.LittleEndian.Uint64(digest[8:]))) // must be repeatable, not secret
}

func (p prompt) pieces(wanted int) []string {
	if match := sayLine.FindStringSubmatch(p.last); match != nil {
		return piece.FindAllString(match[1], -1)
	}
	random := p.seed()
	count := wanted
	if count == 0 {
		count = 24 + random.IntN(48)
	}
	pieces := make([]string, count)
	sentence := 0
	for i := range pieces {
		word := vocabulary[random.IntN(len(vocabulary))]
		if sentence == 0 {
			word = strings.ToUpper(word[:1]) + word[1:]
		}
		if i > 0 {
			word = " " + word
		}
		sentence++
		if i == count-1 || sentence > 6 && random.IntN(5) == 0 {
			word, sentence = word+".", 0
		}
		pieces[i] = word
	}
	return pieces
}

// say remembers a text; what a client puts around what its user says is not the last thing said.
func (p *prompt) say(text string) {
	p.texts = append(p.texts, text)
	if !strings.HasPrefix(text, "<system-reminder>") {
		p.last = text
	}
}

// result remembers what a tool said: the texts in a JSON value, which are the last thing said.
func (p *prompt) result(raw json.RawMessage) {
	p.texts = append(p.texts, string(raw))
	p.answersTool = true
	var value any
	if json.Unmarshal(raw, &value) == nil {
		p.last = strings.Join(textsIn(value), "\n")
	}
}

func textsIn(value any) (texts []string) {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		for _, one := range value {
			texts = append(texts, textsIn(one)...)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			texts = append(texts, textsIn(value[name])...)
		}
	}
	return texts
}

// chooseCall makes the call that the last message writes out, else one of the tool that the request forces or that message names.
func (p prompt) chooseCall() *call {
	if len(p.tools) == 0 || p.toolForbidden || p.answersTool {
		return nil
	}
	if match := callLine.FindStringSubmatch(p.last); match != nil && json.Valid([]byte(match[2])) {
		return &call{name: match[1], arguments: match[2]}
	}
	if chosen := p.chooseTool(); chosen != nil {
		return &call{name: chosen.Name, arguments: arguments(chosen.Schema)}
	}
	return nil
}

func (p prompt) chooseTool() *tool {
	said := strings.ToLower(p.last)
	for i := range p.tools {
		if strings.Contains(said, strings.ToLower(p.tools[i].Name)) {
			return &p.tools[i]
		}
	}
	if p.toolForced || strings.Contains(said, "use a tool") || strings.Contains(said, "use the tool") {
		return &p.tools[0]
	}
	return nil
}

// arguments makes an object that fits the simple parts of a JSON schema: every property, by its type.
func arguments(schema json.RawMessage) string {
	var out bytes.Buffer
	if err := json.Compact(&out, sample(schema, 0)); err != nil || out.Bytes()[0] != '{' {
		return "{}"
	}
	return out.String()
}

func sample(schema json.RawMessage, depth int) json.RawMessage {
	var parsed struct {
		Type       any                        `json:"type"`
		Enum       []json.RawMessage          `json:"enum"`
		Properties map[string]json.RawMessage `json:"properties"`
		Items      json.RawMessage            `json:"items"`
	}
	if depth > 8 || json.Unmarshal(schema, &parsed) != nil {
		return json.RawMessage(`{}`)
	}
	if len(parsed.Enum) > 0 {
		return parsed.Enum[0]
	}
	switch parsed.Type {
	case "string":
		return json.RawMessage(`"sample"`)
	case "integer", "number":
		return json.RawMessage(`7`)
	case "boolean":
		return json.RawMessage(`true`)
	case "null":
		return json.RawMessage(`null`)
	case "array":
		if parsed.Items == nil {
			return json.RawMessage(`[]`)
		}
		return append(append(json.RawMessage(`[`), sample(parsed.Items, depth+1)...), ']')
	}
	object := make(map[string]json.RawMessage, len(parsed.Properties))
	for name, property := range parsed.Properties {
		object[name] = sample(property, depth+1)
	}
	raw, err := json.Marshal(object) // keys sorted
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return raw
}

// vocabulary is what answers are made of.
var vocabulary = []string{
	"the", "a", "one", "each", "this", "that", "most", "every", "order", "ticket", "account", "invoice", "shipment", "customer", "agent",
	"record", "answer", "plan", "report", "market", "price", "result", "table", "figure", "change", "request", "review", "summary", "draft",
	"note", "step", "reason", "source", "week", "quarter", "team", "shows", "needs", "keeps", "gives", "finds", "checks", "moves", "closes",
	"opens", "holds", "meets", "follows", "explains", "compares", "suggests", "returns", "confirms", "updates", "clear", "short", "open",
	"late", "early", "small", "large", "second", "careful", "steady", "simple", "recent", "direct", "common", "quiet", "useful", "likely",
	"and", "or", "but", "with", "for", "from", "to", "by", "under", "over", "after", "before", "because", "while", "so", "then", "now", "again",
	"also", "still", "mostly", "soon",
}
