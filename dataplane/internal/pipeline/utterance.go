package pipeline

import (
	"cmp"
	"net/http"

	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/wire"
)

// utterance is a message of the caller's, as far as it decides.
type utterance struct {
	kind, id string
	session  []byte // raw, as are those that follow
	response []byte
	item     []byte
	audio    []byte
	ear      transcription
	at       scan.Value // of the model in a session's settings; zero: it names none
}

// transcription is what a session's settings say of who writes down what the caller says.
type transcription struct {
	named bool // it is set, and not to null
	model string
	param string
}

// readUtterance reads what decides of a caller's message. What two readers could take differently is refused, and what is billed by something
// that no event of the connection tells.
func readUtterance(data []byte) (u utterance, problem *refusal.Error) {
	if !scan.Valid(data) {
		return u, speakerRefusal("", "The message is no JSON.")
	}
	seen := map[string]bool{}
	scan.Each(data, func(key, value []byte) {
		name := string(scan.Unescape(nil, key))
		if seen[name] && problem == nil {
			problem = speakerRefusal(name, "The field "+name+" stands twice.")
		}
		seen[name] = true
		switch name {
		case "type":
			u.kind = unquoted(value)
		case "event_id":
			u.id = cleaned(unquoted(value), endUserMax)
		case "session":
			u.session = value
		case "response":
			u.response = value
		case "item":
			u.item = value
		case "audio":
			u.audio = value
		}
	})
	if problem == nil && u.kind == "" {
		problem = speakerRefusal("type", "The message has no type.")
	}
	if problem == nil && u.kind == "transcription_session.update" {
		problem = speakerRefusal("type", noConversation)
	}
	if problem == nil {
		problem = u.readSession(data)
	}
	return u, problem
}

const noConversation = "A connection that transcribes and does nothing else is not taken here: /v1/audio/transcriptions has it, or set transcription in a realtime session."

// readSession looks for settings that bring another model in.
func (u *utterance) readSession(data []byte) (problem *refusal.Error) {
	seen := map[string]bool{}
	refuse := func(field, message string) {
		if problem == nil {
			problem = speakerRefusal("session."+field, message)
		}
	}
	scan.Each(u.session, func(key, value []byte) {
		name := string(scan.Unescape(nil, key))
		if seen[name] {
			refuse(name, "The field "+name+" stands twice.")
		}
		seen[name] = true
		switch {
		case name == "model":
			begin := cap(data) - cap(value)
			u.at = scan.Value{Start: begin, End: begin + len(value)}
		case name == "type" && unquoted(value) != "realtime":
			refuse(name, noConversation)
		case name == "input_audio_transcription":
			problem = cmp.Or(problem, u.readEar(name, value))
		case name == "audio":
			scan.Each(value, func(key, value []byte) {
				if string(scan.Unescape(nil, key)) != "input" {
					return
				}
				scan.Each(value, func(key, value []byte) {
					if string(scan.Unescape(nil, key)) == "transcription" {
						problem = cmp.Or(problem, u.readEar("audio.input.transcription", value))
					}
				})
			})
		}
	})
	return problem
}

// readEar reads who is to write down what the caller says. What is said twice is refused.
func (u *utterance) readEar(name string, value []byte) *refusal.Error {
	param, models := "session."+name, 0
	if value[0] == 'n' {
		return nil
	}
	if u.ear.named {
		return speakerRefusal(param, "The field "+name+" stands twice, or beside another that says the same.")
	}
	u.ear = transcription{named: true, param: param}
	scan.Each(value, func(key, value []byte) {
		if string(scan.Unescape(nil, key)) == "model" {
			u.ear.model = unquoted(value)
			models++
		}
	})
	if models > 1 {
		return speakerRefusal(param, "The field model stands twice.")
	}
	return nil
}

func unquoted(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	return string(scan.Unescape(nil, value[1:len(value)-1]))
}

func speakerRefusal(param, message string) *refusal.Error {
	problem := refusal.New(http.StatusBadRequest, wire.CodeInvalidRequest, message)
	problem.Param = param
	return problem
}
