package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client speaks the admin API.
type Client struct {
	base, token string
	http        *http.Client
}

// NewClient returns a client of the admin API below base, with an API token.
func NewClient(base, token string) *Client {
	return &Client{base: base, token: token, http: &http.Client{Timeout: 30 * time.Second}}
}

// RefusedError is an answer other than 2xx.
type RefusedError struct {
	Method, Path string
	Status       int
	Body         string
}

// Error says what was asked and what came back.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s %s answered %d: %s", e.Method, e.Path, e.Status, e.Body)
}

// do sends a request with a JSON body, unless it is nil, and reads the answer into answer, unless that is nil.
func (c *Client) do(ctx context.Context, method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		return &RefusedError{method, path, response.StatusCode, string(bytes.TrimSpace(raw[:min(len(raw), 500)]))}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// Ask sends a GET, with a bearer when there is one, and answers an error unless the status is 200.
func Ask(ctx context.Context, address, bearer string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(response.Body, 300)) // only decoration
		return fmt.Errorf("%s answered %d: %s", address, response.StatusCode, bytes.TrimSpace(raw))
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
