package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// messageBatches holds batches of messages in the order in which they came.
type messageBatches struct {
	mu  sync.Mutex
	all []*messageBatch
}

type messageBatch struct {
	key      string
	requests []messageBatchRequest
	results  []byte
	steps    int // how often it is read before it has ended

	ID        string         `json:"id"`
	Type      string         `json:"type"`
	Status    string         `json:"processing_status"`
	Counts    map[string]int `json:"request_counts"`
	Created   string         `json:"created_at"`
	Ended     *string        `json:"ended_at"`
	Expires   string         `json:"expires_at"`
	Archived  *string        `json:"archived_at"`
	Cancelled *string        `json:"cancel_initiated_at"`
	Results   *string        `json:"results_url"`
}

type messageBatchRequest struct {
	ID     string          `json:"custom_id"`
	Params json.RawMessage `json:"params"`
}

func anthropicKey(r *http.Request) string { return r.Header.Get("X-Api-Key") }

func (api anthropicAPI) beginBatch(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var in struct {
		Requests []messageBatchRequest `json:"requests"`
	}
	if err := decode(r, &in); err != nil || len(in.Requests) == 0 {
		api.refuse(w, http.StatusBadRequest, "requests: Field required")
		return
	}
	seen := map[string]bool{}
	for _, one := range in.Requests {
		if seen[one.ID] || one.ID == "" {
			api.refuse(w, http.StatusBadRequest, "requests: custom_id must be unique: "+one.ID)
			return
		}
		seen[one.ID] = true
	}
	now := api.sim.now().UTC()
	batch := &messageBatch{
		key: anthropicKey(r), requests: in.Requests, steps: 2, ID: api.sim.id("msgbatch_"), Type: "message_batch", Status: "in_progress",
		Counts:  map[string]int{"processing": len(in.Requests), "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
		Created: now.Format(time.RFC3339Nano), Expires: now.Add(24 * time.Hour).Format(time.RFC3339Nano),
	}
	api.sim.messageBatches.mu.Lock()
	api.sim.messageBatches.all = append(api.sim.messageBatches.all, batch)
	api.sim.messageBatches.mu.Unlock()
	writeJSON(w, http.StatusOK, batch)
}

// work answers every request of a batch; who is cancelled, fails or comes too late is not billed.
func (api anthropicAPI) work(r *http.Request, batch *messageBatch, cancelled bool) {
	var results bytes.Buffer
	for i, one := range batch.requests {
		kind := "succeeded"
		result := map[string]any{}
		switch {
		case cancelled && i > 0:
			kind = "canceled"
		case strings.Contains(one.ID, "expired"):
			kind = "expired"
		default:
			answer := &answerTo{header: http.Header{}, status: http.StatusOK}
			call, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, "/v1/messages", bytes.NewReader(one.Params))
			if err == nil {
				call.Header = r.Header.Clone()
				api.messages(answer, call)
			}
			if result["message"] = json.RawMessage(answer.body.Bytes()); err != nil || answer.status != http.StatusOK {
				kind = "errored"
				result = map[string]any{"error": json.RawMessage(answer.body.Bytes())}
			}
		}
		result["type"] = kind
		batch.Counts[kind]++
		batch.Counts["processing"]--
		raw, err := json.Marshal(map[string]any{"custom_id": one.ID, "result": result})
		if err == nil {
			results.Write(append(raw, '\n'))
		}
	}
	now := api.sim.now().UTC().Format(time.RFC3339Nano)
	where := "http://" + r.Host + "/v1/messages/batches/" + batch.ID + "/results"
	batch.Status, batch.Ended, batch.results, batch.Results = "ended", &now, results.Bytes(), &where
}

// withMessages calls serve with the batch that the path names, one at a time.
func (api anthropicAPI) withMessages(serve func(w http.ResponseWriter, r *http.Request, batch *messageBatch)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !api.admit(w, r) {
			return
		}
		kept := &api.sim.messageBatches
		kept.mu.Lock()
		defer kept.mu.Unlock()
		i := slices.IndexFunc(kept.all, func(one *messageBatch) bool { return one.key == anthropicKey(r) && one.ID == r.PathValue("id") })
		if i < 0 {
			api.refuse(w, http.StatusNotFound, "Message Batch "+r.PathValue("id")+" not found.")
			return
		}
		serve(w, r, kept.all[i])
	}
}

// describeMessages says how far a batch is: whoever asks a second time finds it done.
func (api anthropicAPI) describeMessages(w http.ResponseWriter, r *http.Request, batch *messageBatch) {
	if batch.steps--; batch.steps == 0 && batch.Status != "ended" {
		api.work(r, batch, false)
	}
	writeJSON(w, http.StatusOK, batch)
}

// cancelMessages ends a batch at its next reading; the first request was under way and is answered.
func (api anthropicAPI) cancelMessages(w http.ResponseWriter, r *http.Request, batch *messageBatch) {
	if batch.Status != "ended" {
		now := api.sim.now().UTC().Format(time.RFC3339Nano)
		api.work(r, batch, true)
		batch.Cancelled = &now
	}
	writeJSON(w, http.StatusOK, batch)
}

func (api anthropicAPI) messageResults(w http.ResponseWriter, _ *http.Request, batch *messageBatch) {
	if batch.Status != "ended" {
		api.refuse(w, http.StatusNotFound, "The batch has no results yet.")
		return
	}
	w.Header().Set("Content-Type", "application/x-jsonl")
	_, _ = w.Write(batch.results)
}

func (api anthropicAPI) removeMessages(w http.ResponseWriter, _ *http.Request, batch *messageBatch) {
	if batch.Status != "ended" {
		api.refuse(w, http.StatusBadRequest, "A batch that is in progress cannot be deleted.")
		return
	}
	kept := &api.sim.messageBatches
	kept.all = slices.DeleteFunc(kept.all, func(one *messageBatch) bool { return one == batch })
	writeJSON(w, http.StatusOK, map[string]string{"id": batch.ID, "type": "message_batch_deleted"})
}

func (api anthropicAPI) listMessages(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	kept, found, limit := &api.sim.messageBatches, []*messageBatch{}, sizeOf(r, "limit", 20)
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for _, one := range slices.Backward(kept.all) {
		if one.key == anthropicKey(r) && len(found) < limit {
			found = append(found, one)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": found, "has_more": false, "first_id": nil, "last_id": nil})
}

// messagesAt puts the paths of batches below a place.
func (api anthropicAPI) messagesAt(mux *http.ServeMux, place string) {
	mux.HandleFunc("POST "+place, api.beginBatch)
	mux.HandleFunc("GET "+place, api.listMessages)
	mux.HandleFunc("GET "+place+"/{id}", api.withMessages(api.describeMessages))
	mux.HandleFunc("GET "+place+"/{id}/results", api.withMessages(api.messageResults))
	mux.HandleFunc("POST "+place+"/{id}/cancel", api.withMessages(api.cancelMessages))
	mux.HandleFunc("DELETE "+place+"/{id}", api.withMessages(api.removeMessages))
}
