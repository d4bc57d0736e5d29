package seal

import (
	"strings"
	"testing"
)

func TestEveryCharacterIsAsLikely(t *testing.T) {
	t.Parallel()
	const each = 1000
	text := Random(each * len(Base62))
	if len(text) != each*len(Base62) || strings.Trim(text, Base62) != "" {
		t.Fatalf("%d characters: %.80s", len(text), text)
	}
	for _, one := range Base62 { // ten standard deviations about the mean
		if n := strings.Count(text, string(one)); n < each-310 || n > each+310 {
			t.Errorf("%c stands there %d times, want about %d", one, n, each)
		}
	}
}
