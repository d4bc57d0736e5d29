package token

import (
	"strings"
	"testing"
	"time"
)

// FuzzAnswer: whatever an endpoint answers is an error of bounded length, or a token that a header field carries and that ends.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}`))
	f.Add(200, []byte(`{"access_token":"a\r\nX-Evil: 1","expires_in":60}`))
	f.Add(400, []byte(`{"error":"invalid_grant"}`))
	f.Add(200, []byte(`{"access_token":"x","expires_in":-1}`))
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		text, holds, err := parse(status, raw, time.Hour)
		switch {
		case err != nil && (text != "" || holds != 0 || len(err.Error()) > 500):
			t.Errorf("%d %q: %q beside %v", status, raw, text, err)
		case err == nil && (status != 200 || text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) || holds <= 0 || holds > time.Hour):
			t.Errorf("%d %q: %q for %s", status, raw, text, holds)
		}
	})
}
