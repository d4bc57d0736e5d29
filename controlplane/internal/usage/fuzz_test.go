package usage

import "testing"

// FuzzCursor: a text that is a cursor is a place, and the place's cursor leads there.
func FuzzCursor(f *testing.F) {
	f.Add(place{}.cursor())
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseCursor(text)
		if err != nil {
			return
		}
		if again, err := parseCursor(at.cursor()); err != nil || again != at {
			t.Errorf("%q is %v, whose cursor is %q: %v, %v", text, at, at.cursor(), again, err)
		}
	})
}
