package input_test

import (
	"strings"
	"testing"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/input"
)

func TestNameTakesOneLineOfWhatCanBeShown(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"Main": true, " Ünïcode 🙂 ": true, strings.Repeat("é", 10): true,
		"": false, "  ": false, strings.Repeat("é", 11): false, "a\nb": false, "a\x00b": false, "a\x7fb": false, "\xff": false,
	} {
		var wrong fault.Fields
		got := input.Name(&wrong, "name", text, 10)
		if (len(wrong) == 0) != good || got != strings.TrimSpace(text) {
			t.Errorf("%q: %q, %v", text, got, wrong)
		}
	}
}

func TestTextTakesLines(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{"": true, "a\r\n\tb": true, "a\x00": false, "12345678901": false} {
		var wrong fault.Fields
		if input.Text(&wrong, "text", text, 10); (len(wrong) == 0) != good {
			t.Errorf("%q: %v", text, wrong)
		}
	}
}

func TestSlugIsForAddresses(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"a": true, "a-1": true, " main ": true, strings.Repeat("a", 39): true,
		"": false, "-a": false, "A": false, "a_b": false, "a\n": true, "a\nb": false, strings.Repeat("a", 40): false,
	} {
		var wrong fault.Fields
		if input.Slug(&wrong, "slug", text); (len(wrong) == 0) != good {
			t.Errorf("%q: %v", text, wrong)
		}
	}
}
