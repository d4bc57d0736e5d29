package pipeline

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tollgate.dev/dataplane/internal/scan"
)

// FuzzHeads: what header fields say is taken as their standards have it, or not at all.
func FuzzHeads(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("120")
	f.Add("Fri, 31 Dec 1999 23:59:59 GMT")
	f.Add("user_\xff_account__session_4bf92f35-77b3-4da6-a3ce-929d0e0e4736")
	parent := regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}`)
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, text string) {
		want := ""
		if found := parent.FindStringSubmatch(text); found != nil && !strings.HasPrefix(text, "ff") && strings.Trim(found[1], "0") != "" {
			want = found[1]
		}
		if got := traceID(text); got != want {
			t.Errorf("the trace of %q is %q, want %q", text, got, want)
		}
		if after := retryAfter(text, now); after < 0 || after > retryAfterSane {
			t.Errorf("%q is waited for %s", text, after)
		}
		if kept := cleaned(text, 16); len(kept) > 16 || !utf8.ValidString(kept) {
			t.Errorf("%q is kept as %q", text, kept)
		}
		if user, session := claudeUser([]byte(text)); len(user) > len(text) || len(session) > len(text) {
			t.Errorf("%q is %q in %q", text, user, session)
		}
	})
}

// FuzzFigures: seconds and subtitles are never negative, and seconds that encoding/json reads are the same here, rounded up.
func FuzzFigures(f *testing.F) {
	for _, seed := range []string{"1.5", "\"3\"", "0.0000001", "1\n00:00:00,000 --> 00:01:02,500\nhi\n", "00:59.999 --> 01:00.001", "-1", "1e3"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var number float64
		ms, ok := seconds(text)
		if plain := json.Unmarshal(text, &number) == nil; ok && (ms < 0 || plain && (float64(ms) < number*1000-1 || float64(ms) > number*1000+1.001)) {
			t.Errorf("%q is %d ms", text, ms)
		}
		if ms, ok := lastCue(text); ok && ms < 0 {
			t.Errorf("%q ends at %d ms", text, ms)
		}
	})
}

// FuzzBatchLines: a line of a batch is refused or names a request once.
func FuzzBatchLines(f *testing.F) {
	f.Add([]byte(`{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"m","messages":[]}}`))
	f.Add([]byte(`{"custom_id":"a","custom_id":"b"}`))
	f.Add([]byte(`{"custom\u005fid":"a","body":{}}`))
	f.Add([]byte(`{"method":"POST","url":"/v1/responses","body":{"input":[{"file_id":1}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, problem := readBatchLine(line)
		if problem == nil && (!scan.Valid(line) || r.body != nil && !json.Valid(r.body)) { // one without a body is refused later
			t.Errorf("%q is taken with the body %q", line, r.body)
		}
		_ = scan.Valid(line) && mentionsFile(line)
	})
}
