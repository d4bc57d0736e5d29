package translate

import (
	"bytes"
	"slices"
)

// tools appends the tools. Where the caller forbids them they are left out, since what is not told cannot be called; but Bedrock wants to know those
// that the conversation has used.
func (w *converseWriter) tools() {
	cv := w.cv
	tools, never := cv.tools, cv.choice.kind == choiceNever
	if len(tools) == 0 {
		tools, never = cv.used(), true
	}
	switch {
	case len(tools) == 0, never && len(cv.used()) == 0:
		return
	case never && w.claude:
		w.also(`"tool_choice":{"type":"none"}`)
	case never && len(cv.tools) > 0:
		w.refuse(`tool_choice`, "forbids tools that the conversation has used, which Bedrock cannot say; leave the tools' turns out, or the choice")
		return
	}
	w.add(`,"toolConfig":{"tools":[`)
	for i := range tools {
		t := &tools[i]
		w.dst = comma(w.dst, i)
		w.add(`{"toolSpec":{`)
		w.member("name", t.name)
		if len(t.description) > 0 {
			w.member("description", t.description)
		}
		w.add(`,"inputSchema":{"json":`)
		if t.schema == nil {
			w.add(`{"type":"object","properties":{}}`)
		} else if t.strict && w.claude {
			w.dst = (&closing{w.parser, t.path}).schema(w.dst, t.schema)
		} else {
			w.dst = append(w.dst, t.schema...)
		}
		w.add(`}`)
		if t.strict {
			w.add(`,"strict":true`)
		}
		w.add(`}}`)
		if t.cache != nil && w.caches(true, t.path) {
			w.add(`,`)
			w.cachePoint(t.cache)
		}
	}
	w.add(`]`)
	if !never {
		w.choice()
	}
	w.add(`}`)
}

// choice appends which tools must be called. One at a time is for Claude alone, in its own words.
func (w *converseWriter) choice() {
	choice := &w.cv.choice
	if choice.one && !w.claude {
		w.lacks(choice.path, true)
	}
	if choice.one && w.claude {
		kind := map[choiceKind]string{choiceAny: `any"`, choiceNamed: `tool","name":"` + string(choice.name) + `"`}[choice.kind]
		if kind == "" {
			kind = `auto"`
		}
		w.also(`"tool_choice":{"type":"` + kind + `,"disable_parallel_tool_use":true}`)
		return
	}
	switch choice.kind {
	case choiceAuto:
		w.add(`,"toolChoice":{"auto":{}}`)
	case choiceAny:
		w.add(`,"toolChoice":{"any":{}}`)
	case choiceNamed:
		w.add(`,"toolChoice":{"tool":{`)
		w.member("name", choice.name)
		w.add(`}}`)
	}
}

// used returns the tools that were called in the conversation, of which no more is known than their names.
func (cv *conversation) used() (all []tool) {
	for _, turn := range cv.turns {
		for i := range turn.parts {
			each := &turn.parts[i]
			if each.kind == partCall && !slices.ContainsFunc(all, func(t tool) bool { return bytes.Equal(t.name, each.name) }) {
				all = append(all, tool{name: each.name, description: []byte("It was called before, and cannot be called any more.")})
			}
		}
	}
	return all
}
