package guardrail

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"tollgate.dev/dataplane/internal/scan"
)

// TestAFileIsCheckedAsIfItWereOneText puts a word in many spellings around the ends of windows.
func TestAFileIsCheckedAsIfItWereOneText(t *testing.T) {
	t.Parallel()
	c, whole := checker(t, "forbidden"), checker(t, "forbidden")
	spellings := []string{
		"forbidden", "FORBIDDEN", `f\u006frbidden`, `\u0066\u006f\u0072\u0062\u0069\u0064\u0064\u0065\u006e`, `f\\u006frbidden`, `forbi\\u0064\\u0064en`,
		"f" + strings.NewReplacer("u", `\u0075`, "0", `\u0030`, "6", `\u0036`, "f", `\u0066`, `\`, `\u005c`).Replace(`\u006f`) + "rbidden", "forbidde", "forbid den",
	}
	random := rand.New(rand.NewPCG(1, 2))
	fillers := []string{"plain text. ", `a "quoted\" line\n`, `{"a":"b\\nc"},`, "\n", `\\\\ `, `\u00e4 bcdefghijklmn`}
	for i := range 60 {
		text := bytes.Repeat([]byte(fillers[i%len(fillers)]), (2*windowBytes+random.IntN(windowBytes))/len(fillers[i%len(fillers)]))
		for range 40 { // spaces, so that there are places to cut
			copy(text[random.IntN(len(text)-64):], strings.Repeat(" ", 64))
		}
		at := windowBytes + random.IntN(2000) - 1000
		copy(text[at:], " "+spellings[i%len(spellings)]+" ")
		got, sound := c.CheckFile(text, 3*len("forbidden"))
		want := whole.Check(text, []scan.Value{{Start: 0, End: len(text)}})
		if !sound || (got.Blocked == nil) != (want.Blocked == nil) {
			t.Fatalf("%q in %q at %d: sound %t, blocked %t, as one text %t", spellings[i%len(spellings)], fillers[i%len(fillers)], at, sound, got.Blocked != nil, want.Blocked != nil)
		}
	}
}

func TestAFileOfBackslashesIsNotTakenForChecked(t *testing.T) {
	t.Parallel()
	c := checker(t, "forbidden")
	if _, sound := c.CheckFile(bytes.Repeat([]byte(`\`), 2*windowMost), 27); sound {
		t.Error("it is")
	}
	c.Reset(nil)
	if _, sound := c.CheckFile(bytes.Repeat([]byte(`\`), 2*windowMost), 1); !sound {
		t.Error("without guardrails it is refused")
	}
}
