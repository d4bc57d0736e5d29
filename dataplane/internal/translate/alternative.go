package translate

// alternative is what a model says, and why it stopped.
type alternative struct {
	parts  []part
	finish finishKind
	stop   []byte // the sequence
}

// all hands out each of the answers.
func (a *answer) all(do func(index int, s *alternative)) {
	do(0, &a.alternative)
	for i := range a.others {
		do(i+1, &a.others[i])
	}
}
