package translate

// tools appends the tools. Where the caller forbids them they are left out: what is not told cannot be called.
func (w *converseWriter) tools() {
	cv := w.cv
	if len(cv.tools) == 0 {
		return
	}
	if cv.choice.kind == choiceNever {
		if cv.usesTools() {
			w.refuse(`tool_choice`, "forbids tools that the conversation has used, which Bedrock cannot say; leave the tools' turns out, or the choice")
		}
		return
	}
	w.add(`,"toolConfig":{"tools":[`)
	for i := range cv.tools {
		t := &cv.tools[i]
		w.dst = comma(w.dst, i)
		w.add(`{"toolSpec":{`)
		w.member("name", t.name)
		if len(t.description) > 0 {
			w.member("description", t.description)
		}
		w.add(`,"inputSchema":{"json":`)
		if t.schema == nil {
			w.add(`{"type":"object","properties":{}}`)
		} else {
			w.dst = append(w.dst, t.schema...)
		}
		w.add(`}`)
		if t.strict {
			w.add(`,"strict":true`)
		}
		w.add(`}}`)
		if t.cache != nil {
			w.add(`,`)
			w.cachePoint(t.cache)
		}
	}
	w.add(`]`)
	w.choice()
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

// usesTools says whether tools were called in the conversation.
func (cv *conversation) usesTools() bool {
	for _, turn := range cv.turns {
		for i := range turn.parts {
			if turn.parts[i].kind == partCall || turn.parts[i].kind == partResult {
				return true
			}
		}
	}
	return false
}
