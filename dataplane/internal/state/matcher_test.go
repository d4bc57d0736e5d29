package state_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/state"
)

func TestMatcherFindsWordsWithoutRegardToCaseAtWordBoundaries(t *testing.T) {
	t.Parallel()
	words := []string{"Falcon", "project  x", "he", "-dash-", "Straße", "ÉCOLE", "K", "c++", "alcoholic"}
	for _, story := range []struct{ text, want string }{
		{"the falcon flies", "Falcon"},
		{"FALCON", "Falcon"},
		{"falcons fly", ""},
		{"unfalcon", ""},
		{"a falcon.", "Falcon"},
		{"falco falcon", "Falcon"},
		{"falcoholic alcoholic", "alcoholic"},
		{"Project\n\t X!", "project  x"},
		{"projectx", ""},
		{"she hem", ""},
		{"-DASH-", "-dash-"},
		{"x-dash-y", "-dash-"},
		{"die STRAßE hier", "Straße"},
		{"une école", "ÉCOLE"},
		{"une écoles", ""},
		{"10 \u212a", "K"}, // the Kelvin sign
		{"C++", "c++"},
		{"", ""},
		{"\xff\xfe falcon\xff", "Falcon"},
		{"fal\xffcon", ""},
	} {
		matcher, err := state.NewMatcher(words)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := matcher.Match([]byte(story.text)); got != story.want || ok != (story.want != "") {
			t.Errorf("%q: found %q, want %q", story.text, got, story.want)
		}
	}
}

func TestMatcherRefusesWhatWouldTakeTooMuchMemory(t *testing.T) {
	t.Parallel()
	var words []string
	for i := range 10_000 {
		words = append(words, strings.Repeat(fmt.Sprintf("%c%d", rune('a'+i%26), i), 30))
	}
	if _, err := state.NewMatcher(words); err == nil {
		t.Error("a table of millions of cells was made")
	}
}

func FuzzMatcherAgreesWithASimpleSearch(f *testing.F) {
	f.Add("a falcon", "falcon")
	f.Add("x--y", "-")
	f.Add("aab", "ab")
	f.Fuzz(func(t *testing.T, text, word string) {
		for _, r := range text + word {
			if r >= 0x80 || r == 0 {
				t.Skip("only ASCII is simple")
			}
		}
		word = strings.Join(strings.Fields(word), " ")
		if word == "" || len(word) > 100 {
			t.Skip("not a word")
		}
		matcher, err := state.NewMatcher([]string{word})
		if err != nil {
			t.Fatal(err)
		}
		if _, got := matcher.Match([]byte(text)); got != simple(text, word) {
			t.Errorf("%q in %q: %v", word, text, got)
		}
	})
}

// simple is the slow search with the same meaning.
func simple(text, word string) bool {
	space := func(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }
	var folded strings.Builder
	for i, r := range text {
		if space(r) {
			if i > 0 && space(rune(text[i-1])) {
				continue
			}
			r = ' '
		}
		folded.WriteRune(r)
	}
	text, word = strings.ToLower(folded.String()), strings.ToLower(word)
	letter := func(b byte) bool { return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' }
	for i := 0; i+len(word) <= len(text); i++ {
		end := i + len(word)
		if text[i:end] == word &&
			(i == 0 && true || i > 0 && !(letter(text[i-1]) && letter(word[0]))) &&
			(end == len(text) || !(letter(text[end]) && letter(word[len(word)-1]))) {
			return true
		}
	}
	return false
}

func BenchmarkMatch4KB(b *testing.B) {
	var words []string
	for i := range 200 {
		words = append(words, fmt.Sprintf("forbidden%d", i))
	}
	matcher, err := state.NewMatcher(words)
	if err != nil {
		b.Fatal(err)
	}
	text := []byte(strings.Repeat("The quick brown fox says forbidden things. ", 96))[:4096]
	b.ReportAllocs()
	for b.Loop() {
		matcher.Match(text)
	}
}
