// Package guardrail keeps the word lists that requests and answers are checked against.
// It refuses to see a prompt: matching is the edges' work.
package guardrail

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/scope"
)

// Action is what happens on a match.
type Action string

// The actions.
const (
	Block Action = "block" // the call is refused
	Flag  Action = "flag"  // the call goes on and its usage event says so
)

// Guardrail is a word list and what happens on a match.
type Guardrail struct {
	ID         ident.Guardrail `json:"id"`
	Name       string          `json:"name"` // unique among the organization's guardrails that are not archived
	Scope      scope.Kind      `json:"scope"`
	ScopeID    ident.Scope     `json:"scope_id"`
	ScopeName  string          `json:"scope_name"`
	Action     Action          `json:"action"`
	Words      []string        `json:"words"` // matched without regard to case, at word boundaries
	CreatedAt  time.Time       `json:"created_at"`
	ArchivedAt *time.Time      `json:"archived_at,omitempty"`
}

// Input is what a caller sets. The scope never changes after creation.
type Input struct {
	Name    string      `json:"name"`
	Scope   scope.Kind  `json:"scope"`
	ScopeID ident.Scope `json:"scope_id"`
	Action  Action      `json:"action"`
	Words   []string    `json:"words"`
}

const (
	nameMax  = 80
	wordsMax = 5000
	wordMax  = 200
)

// clean trims the input, drops repeated words and says what is wrong; the scope's id is judged where it can be looked up.
func (in Input) clean() (Input, fault.Fields) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	in.ScopeID = scope.CleanID(&wrong, in.Scope, in.ScopeID)
	if in.Action != Block && in.Action != Flag {
		wrong.Add("action", "choose %q or %q", Block, Flag)
	}
	in.Words = cleanWords(&wrong, in.Words)
	return in, wrong
}

func cleanWords(wrong *fault.Fields, words []string) []string {
	seen, kept := make(map[string]bool, len(words)), make([]string, 0, len(words))
	for _, word := range words {
		word = strings.Join(strings.Fields(word), " ")
		if word == "" || seen[strings.ToLower(word)] {
			continue
		}
		if reason := flawOf(word); reason != "" {
			wrong.Add("words", "%q %s", head(word), reason)
			return nil
		}
		seen[strings.ToLower(word)] = true
		kept = append(kept, word)
	}
	if len(kept) == 0 || len(kept) > wordsMax {
		wrong.Add("words", "enter between 1 and %d words or phrases", wordsMax)
	}
	return kept
}

func flawOf(word string) string {
	switch {
	case !utf8.ValidString(word) || strings.ContainsFunc(word, unicode.IsControl):
		return "contains a character that cannot be shown; type it again without pasting"
	case utf8.RuneCountInString(word) > wordMax:
		return "is too long; use at most 200 characters"
	case !strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }):
		return "has no letter or digit, so no word can match it"
	default:
		return ""
	}
}

func head(word string) string {
	const most = 40
	if runes := []rune(word); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return word
}
