package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Admin calls the control plane's API with a token.
type Admin struct {
	URL    string
	Token  string
	client *http.Client
}

// Refusal is an error answer of the admin API.
type Refusal struct {
	Status  int
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Fields  []Field `json:"fields"`
}

// Field is one wrong input.
type Field struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// Error says status, code, message and fields.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %s: %s %v", r.Status, r.Code, r.Message, r.Fields)
}

// NewAdmin returns a client of the API at url.
func NewAdmin(url, token string) *Admin {
	return &Admin{URL: url, Token: token, client: &http.Client{Timeout: 30 * time.Second}}
}

// Do sends in as JSON to /api/v1 + path and decodes the answer into out; both may be nil. Any status of 400 and above is a *Refusal.
func (a *Admin) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.URL+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.Token)
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode >= http.StatusBadRequest {
		refusal := struct{ Error Refusal }{}
		if err := json.Unmarshal(raw, &refusal); err != nil {
			return fmt.Errorf("%s %s: status %d with %q", method, path, answer.StatusCode, raw)
		}
		refusal.Error.Status = answer.StatusCode
		return fmt.Errorf("%s %s: %w", method, path, &refusal.Error)
	}
	if out == nil || len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s %s: %w in %q", method, path, err, raw)
	}
	return nil
}

// Create posts in to path and returns the answer's "id".
func (a *Admin) Create(ctx context.Context, path string, in any) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	if err := a.Do(ctx, http.MethodPost, path, in, &made); err != nil {
		return "", err
	}
	if made.ID == "" {
		return "", fmt.Errorf("POST %s: the answer has no id", path)
	}
	return made.ID, nil
}

// Object is a JSON object of a request.
type Object map[string]any

// NewKey makes a virtual key and returns its id and its text.
func (a *Admin) NewKey(ctx context.Context, in Object) (id, text string, err error) {
	var made struct {
		VirtualKey struct {
			ID string `json:"id"`
		} `json:"virtual_key"`
		Key string `json:"key"`
	}
	if err := a.Do(ctx, http.MethodPost, "/virtual-keys", in, &made); err != nil {
		return "", "", err
	}
	if made.VirtualKey.ID == "" || made.Key == "" {
		return "", "", fmt.Errorf("POST /virtual-keys: the answer has no key: %+v", made.VirtualKey)
	}
	return made.VirtualKey.ID, made.Key, nil
}

// Revoke revokes a virtual key.
func (a *Admin) Revoke(ctx context.Context, id string) error {
	return a.Do(ctx, http.MethodPost, "/virtual-keys/"+id+"/revoke", Object{}, nil)
}

// Event is a usage event as the API shows it.
type Event struct {
	ID            string `json:"id"`
	RunID         string `json:"run_id"`
	RunSource     string `json:"run_source"`
	AgentID       string `json:"agent_id"`
	VirtualKeyID  string `json:"virtual_key_id"`
	Dialect       string `json:"dialect"`
	Model         string `json:"model"`
	ProviderModel string `json:"provider_model"`
	Outcome       string `json:"outcome"`
	Code          string `json:"code"`
	Rule          string `json:"rule"`
	HTTPStatus    int    `json:"http_status"`
	InputTokens   int64  `json:"input_tokens"`
	CachedTokens  int64  `json:"cached_input_tokens"`
	WrittenTokens int64  `json:"cache_write_tokens"`
	OutputTokens  int64  `json:"output_tokens"`
	Streamed      bool   `json:"streamed"`
	CostPico      string `json:"cost_pico"`
	SavedPico     string `json:"saved_pico"`
	RequestID     string `json:"request_id"`
	SimilarityPPM int    `json:"similarity_ppm"`

	Labels map[string]string `json:"labels"`
	Units  struct {
		Images     int64 `json:"images"`
		Characters int64 `json:"characters"`
		AudioMS    int64 `json:"audio_ms"`
		Searches   int64 `json:"searches"`
	} `json:"units"`
}

// Events lists usage events; query begins with "?" or is empty.
func (a *Admin) Events(ctx context.Context, query string) ([]Event, error) {
	var list struct {
		Items []Event `json:"items"`
	}
	err := a.Do(ctx, http.MethodGet, "/usage/events"+query, nil, &list)
	return list.Items, err
}
