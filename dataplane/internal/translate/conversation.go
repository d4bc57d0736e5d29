package translate

import "slices"

// conversation is what a request asks, whatever API it is written in. Its slices are pieces of the caller's body: a text is the inside of a
// JSON string as it travelled, so that nothing is decoded only to be encoded again.
type conversation struct {
	system  []part
	turns   []turn
	tools   []tool
	choice  choice
	options [optionCount]option
	shape   shape
}

// turn is what one side says.
type turn struct {
	assistant bool
	system    bool // instructions within the conversation; not of the assistant
	path      string
	parts     []part
}

// partKind is what a part of a turn is.
type partKind uint8

const (
	partText partKind = iota
	partImage
	partDocument
	partAudio
	partCall     // the model calls a tool
	partResult   // what the tool said
	partThinking // a model's thoughts, signed by its provider
	partRedacted // thoughts that only their provider can read
)

// part is one piece of a turn.
type part struct {
	kind      partKind
	path      string // of the caller's field
	text      []byte // inside of a string: the text, the thoughts, or the bytes of redacted thoughts
	media     media
	id        []byte // of a call, also in its result
	name      []byte // of the called tool
	arguments []byte // of a call: a JSON value
	result    []part // of a result
	failed    bool   // the tool failed
	signature []byte // of thoughts
	cache     []byte // Anthropic's cache_control: a JSON object; nil: none
	odds      []byte // of an answer's text: how probable its tokens were, see odds.go
}

// told returns some of a result as a model is told it whose provider has no word for a tool that failed.
func (b *part) told(some []part) []part {
	if !b.failed {
		return some
	}
	return append([]part{{kind: partText, text: []byte("The tool failed:")}}, some...)
}

// media is a picture, document or sound: its bytes or where they are.
type media struct {
	kind   []byte // MIME type; nil: not known
	base64 []byte
	url    []byte
	name   []byte // of a file
	naming string // path of the field that says it
	detail []byte // of a picture: low, high or auto
}

// tool is a function that the model may call.
type tool struct {
	path        string
	name        []byte
	description []byte
	schema      []byte // JSON Schema of its arguments; nil: it has none
	strict      bool
	cache       []byte
}

// choiceKind says which tools a model must call.
type choiceKind uint8

const (
	choiceNone  choiceKind = iota // the caller says nothing
	choiceAuto                    // as the model likes
	choiceNever                   // no tool
	choiceAny                     // at least one, whichever
	choiceNamed                   // this one
)

// choice is how tools are chosen.
type choice struct {
	kind choiceKind
	name []byte   // of the tool
	one  bool     // at most one call at a time
	path string   // of the field that says so
	some [][]byte // names of those that may be called; nil: all
}

// optionKind names a setting of a request.
type optionKind uint8

const (
	optTemperature optionKind = iota // a number
	optTopP                          // a number
	optTopK                          // a number
	optSeed                          // a number
	optFrequency                     // a number: the penalty of what is said often
	optPresence                      // a number: the penalty of what is said again
	optStop                          // an array of strings
	optJSON                          // true: the answer must be JSON of whatever shape
	optSchema                        // a JSON Schema that the answer must keep to
	optBudget                        // a number: how many tokens may be thought, where that was said beside an effort
	optEffort                        // how much is thought: inside of a string: none, minimal, low, medium, high, xhigh or max
	optChoices                       // a number: answers at once
	optOdds                          // true: how probable each token of the answer was is told
	optLikeliest                     // a number: how many tokens are told of that might have stood in the place of each
	optTier                          // who is served first, and at what price: inside of a string: default, flex or priority
	optVerbosity                     // inside of a string: low, medium or high

	optUser // inside of a string
	optionCount
)

// shape is what the caller says of the schema of its answer.
type shape struct {
	name, note []byte // insides of strings; nil: not said
	notePath   string
	strict     strictness
}

// strictness says whether OpenAI's models are held to a schema, which can then be of some forms only.
type strictness uint8

const (
	strictIfFit strictness = iota // the caller's format has no word for it
	strictNever
	strictAlways
)

// option is a setting that the caller made.
type option struct {
	value []byte // nil: not made
	path  string
}

// say adds parts to what a side says. What one side says in a row is one turn: providers want the sides to take turns.
func (cv *conversation) say(assistant bool, parts ...part) {
	if n := len(cv.turns); n > 0 && cv.turns[n-1].assistant == assistant && !cv.turns[n-1].system {
		cv.turns[n-1].parts = append(cv.turns[n-1].parts, parts...)
		return
	}
	cv.turns = append(cv.turns, turn{assistant: assistant, parts: parts})
}

// instruct adds what the system says: before the conversation, or within it.
func (cv *conversation) instruct(path string, parts ...part) {
	if len(cv.turns) == 0 {
		cv.system = append(cv.system, parts...)
		return
	}
	cv.turns = append(cv.turns, turn{system: true, path: path, parts: parts})
}

// What stands around instructions within a conversation where a format has no place for them but what the user says: Anthropic's own clients
// write so to models that know none.
const (
	reminderBegin = `<system-reminder>\n`
	reminderEnd   = `\n</system-reminder>`
)

// remind has the user say what the system says within the conversation, which is told: it weighs less there.
func (p *parser) remind(cv *conversation) {
	if !slices.ContainsFunc(cv.turns, func(t turn) bool { return t.system }) {
		return
	}
	turns := cv.turns
	cv.turns = make([]turn, 0, len(turns))
	for _, t := range turns {
		if t.system {
			p.drop(t.path + ".role")
		}
		for i := range t.parts {
			if each := &t.parts[i]; t.system && each.kind == partText {
				each.text = slices.Concat([]byte(reminderBegin), each.text, []byte(reminderEnd))
			}
		}
		cv.say(t.assistant, t.parts...)
	}
}

// tidy leaves out what says nothing, which OpenAI's API takes and others refuse: empty texts, and turns that have nothing else. Instructions that
// nothing follows are said by the user, since there must be something to answer.
func (p *parser) tidy(cv *conversation) {
	if len(cv.turns) == 0 && len(cv.system) > 0 {
		p.drop(cv.system[0].path)
		cv.say(false, cv.system...)
		cv.system = nil
	}
	isEmpty := func(each part) bool { return each.kind == partText && len(each.text) == 0 }
	if !slices.ContainsFunc(cv.turns, func(t turn) bool { return slices.ContainsFunc(t.parts, isEmpty) }) {
		return
	}
	turns := cv.turns
	cv.turns = make([]turn, 0, len(turns))
	for _, t := range turns {
		if parts := slices.DeleteFunc(t.parts, isEmpty); len(parts) > 0 {
			cv.say(t.assistant, parts...)
		}
	}
}

func (cv *conversation) set(kind optionKind, path string, value []byte) {
	cv.options[kind] = option{value, path}
}
