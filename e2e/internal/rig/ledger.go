package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Bill is one entry of the simulator's ledger: an attempt that it billed.
type Bill struct {
	ID                string `json:"id"`
	ClientRequestID   string `json:"client_request_id"`
	Provider          string `json:"provider"`
	Model             string `json:"model"`
	InputTokens       int64  `json:"input_tokens"` // cached ones apart
	CachedInputTokens int64  `json:"cached_input_tokens"`
	CacheWriteTokens  int64  `json:"cache_write_tokens"`
	OutputTokens      int64  `json:"output_tokens"`
	AudioInputTokens  int64  `json:"audio_input_tokens"`
	AudioOutputTokens int64  `json:"audio_output_tokens"`
	Images            int64  `json:"images"`
	Characters        int64  `json:"characters"`
	AudioMS           int64  `json:"audio_ms"`
	Searches          int64  `json:"searches"`
	Streamed          bool   `json:"streamed"`
	Completed         bool   `json:"completed"`
	Status            int    `json:"status"`
}

// Ledger reads what the simulator billed.
func (r *Rig) Ledger(ctx context.Context) ([]Bill, error) {
	var ledger struct {
		Entries []Bill `json:"entries"`
	}
	err := r.simulator(ctx, http.MethodGet, "/ledger", nil, &ledger)
	return ledger.Entries, err
}

// Fault makes the simulator misbehave; the fields are those of its POST /faults.
func (r *Rig) Fault(ctx context.Context, fault Object) error {
	return r.simulator(ctx, http.MethodPost, "/faults", fault, nil)
}

// ClearFaults makes the simulator behave again.
func (r *Rig) ClearFaults(ctx context.Context) error {
	return r.simulator(ctx, http.MethodDelete, "/faults", nil, nil)
}

func (r *Rig) simulator(ctx context.Context, method, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, r.SimulatorURL+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("simulator %s %s: status %d: %s", method, path, answer.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
