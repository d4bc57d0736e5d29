package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const answerBytesMax = 64 << 10

// ErrNone says that an endpoint answered with something else than a token.
var ErrNone = errors.New("it answered without a token")

// Read reads what an OAuth endpoint answers (RFC 6749 §5): an access token, which can stand in a header field, and how long it holds, which is
// believed up to most. It closes the answer's body.
func Read(response *http.Response, most time.Duration) (text string, holds time.Duration, err error) {
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
	if err != nil {
		return "", 0, fmt.Errorf("read its answer: %w", err)
	}
	return parse(response.StatusCode, raw, most)
}

func parse(status int, raw []byte, most time.Duration) (string, time.Duration, error) {
	var found struct {
		Token   string `json:"access_token"`
		Seconds int64  `json:"expires_in"`
		Error   string `json:"error"`
	}
	err := json.Unmarshal(raw, &found)
	switch {
	case status != http.StatusOK:
		return "", 0, fmt.Errorf("it refused with status %d %.100q", status, found.Error)
	case err != nil || !sendable(found.Token) || found.Seconds <= 0 || found.Seconds > int64(most/time.Second):
		return "", 0, ErrNone
	}
	return found.Token, time.Duration(found.Seconds) * time.Second, nil
}

// sendable says whether a token can stand in a header field.
func sendable(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}
