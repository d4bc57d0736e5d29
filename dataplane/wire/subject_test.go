package wire

import (
	"strings"
	"testing"
)

func TestSubjectIsShortTextAndTellsTextsApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", SubjectBytesMax/2)
	for text, as := range map[string]string{"u-17": "u-17", "": "", long: long, long + "a": "", "a\x00b": "", "a\xffb": ""} {
		got := Subject(text)
		if !ValidSubject(got) || as == "" && text != "" && !strings.HasPrefix(got, "sha256:") || as != "" && got != as {
			t.Errorf("Subject(%q) = %q", text, got)
		}
	}
	if Subject(long+"a") == Subject(long+"b") || ValidSubject(long+"a") || ValidSubject("a\x00b") || ValidSubject("\xff") {
		t.Error("long or odd texts share an account, or pass as they are")
	}
}
