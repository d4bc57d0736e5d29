package translate

// function reads a member of a tool as both of OpenAI's formats have it.
func (p *parser) function(made *tool, key string, value []byte) bool {
	switch key {
	case "name":
		made.name = p.text(value)
	case "description":
		made.description = p.text(value)
	case "parameters":
		made.schema = value
	case "strict":
		made.strict = p.flag(value)
	default:
		return false
	}
	return true
}

// choose reads a choice of tools that is a word, as both of OpenAI's formats have it; else it names a tool, and is read by the caller.
func (*parser) choose(cv *conversation, value []byte) (word bool) {
	switch string(value) {
	case `"auto"`:
		cv.choice.kind = choiceAuto
	case `"none"`:
		cv.choice.kind = choiceNever
	case `"required"`:
		cv.choice.kind = choiceAny
	default:
		cv.choice.kind = choiceNamed
	}
	return cv.choice.kind != choiceNamed
}
