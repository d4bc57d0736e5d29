package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// cabinet holds the files and batches that are kept, in the order in which they came. An account is a provider's key.
type cabinet struct {
	mu      sync.Mutex
	files   []*keptFile
	batches []*keptBatch
}

type keptFile struct {
	account  shelved
	ID       string `json:"id"`
	Object   string `json:"object"`
	Bytes    int    `json:"bytes"`
	Created  int64  `json:"created_at"`
	Filename string `json:"filename"`
	Purpose  string `json:"purpose"`
	content  []byte
}

type keptBatch struct {
	account     shelved
	ID          string            `json:"id"`
	Object      string            `json:"object"`
	Endpoint    string            `json:"endpoint"`
	Input       string            `json:"input_file_id"`
	Window      string            `json:"completion_window"`
	Status      string            `json:"status"`
	Output      *string           `json:"output_file_id"`
	Errors      *string           `json:"error_file_id"`
	Created     int64             `json:"created_at"`
	CompletedAt *int64            `json:"completed_at"`
	Counts      map[string]int    `json:"request_counts"`
	Usage       map[string]any    `json:"usage,omitempty"`
	Metadata    map[string]string `json:"metadata"`
}

func (c *cabinet) keep(file *keptFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, file)
}

func (c *cabinet) file(at shelved) *keptFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.files {
		if one.account.account == at.account && one.account.provider == at.provider && one.ID == at.id {
			return one
		}
	}
	return nil
}

func (api openaiAPI) upload(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) || !api.form(w, r) {
		return
	}
	in, head, err := r.FormFile("file")
	if err != nil {
		api.invalid(w, "Missing required parameter: 'file'.")
		return
	}
	content, _ := io.ReadAll(in)
	writeJSON(w, http.StatusOK, api.store(r, head.Filename, r.FormValue("purpose"), content))
}

func (api openaiAPI) store(r *http.Request, name, purpose string, content []byte) *keptFile {
	file := &keptFile{
		account: api.shelved(r, ""), ID: api.sim.id("file-"), Object: "file", Bytes: len(content), Created: api.sim.now().Unix(), Filename: name, Purpose: purpose, content: content,
	}
	api.sim.cabinet.keep(file)
	return file
}

// withFile calls serve with the file that the path names.
func (api openaiAPI) withFile(serve func(w http.ResponseWriter, file *keptFile)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !api.admit(w, r) {
			return
		}
		file := api.sim.cabinet.file(api.shelved(r, r.PathValue("id")))
		if file == nil {
			api.refuse(w, http.StatusNotFound, "invalid_request_error", "", "No such File object: "+r.PathValue("id"))
			return
		}
		serve(w, file)
	}
}

func (openaiAPI) describeFile(w http.ResponseWriter, file *keptFile) {
	writeJSON(w, http.StatusOK, file)
}

func (openaiAPI) content(w http.ResponseWriter, file *keptFile) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(file.content)
}

func (api openaiAPI) discard(w http.ResponseWriter, file *keptFile) {
	c := &api.sim.cabinet
	c.mu.Lock()
	c.files = slices.DeleteFunc(c.files, func(one *keptFile) bool { return one == file })
	c.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"id": file.ID, "object": "file", "deleted": true})
}

// sizeOf returns how many a request wants of a list at most.
func sizeOf(r *http.Request, field string, usual int) int {
	size, err := strconv.Atoi(r.URL.Query().Get(field))
	if err != nil || size < 1 {
		return usual
	}
	return size
}

// page writes a part of a list, the latest first.
func page[T any](w http.ResponseWriter, r *http.Request, all []T, id func(T) string) {
	limit := sizeOf(r, "limit", 20)
	slices.Reverse(all)
	if after := r.URL.Query().Get("after"); after != "" {
		all = all[slices.IndexFunc(all, func(one T) bool { return id(one) == after })+1:]
	}
	more := len(all) > limit
	if more {
		all = all[:limit]
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": all, "has_more": more})
}

func (api openaiAPI) listFiles(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	at, found := api.shelved(r, ""), []*keptFile{}
	api.sim.cabinet.mu.Lock()
	for _, one := range api.sim.cabinet.files {
		if purpose := r.URL.Query().Get("purpose"); one.account == at && (purpose == "" || purpose == one.Purpose) {
			found = append(found, one)
		}
	}
	api.sim.cabinet.mu.Unlock()
	page(w, r, found, func(one *keptFile) string { return one.ID })
}

// answerTo is what a handler answers to a line of a batch.
type answerTo struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answerTo) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answerTo) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answerTo) Write(p []byte) (int, error) { return a.body.Write(p) }

func (api openaiAPI) beginBatch(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var in struct {
		Input    string            `json:"input_file_id"`
		Endpoint string            `json:"endpoint"`
		Window   string            `json:"completion_window"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := decode(r, &in); err != nil || in.Window != "24h" || len(in.Metadata) > 16 {
		api.invalid(w, "Invalid batch: completion_window must be 24h, and metadata has at most 16 pairs.")
		return
	}
	file := api.sim.cabinet.file(api.shelved(r, in.Input))
	if file == nil || file.Purpose != "batch" {
		api.invalid(w, "Invalid input_file_id: "+in.Input)
		return
	}
	batch := &keptBatch{
		account: api.shelved(r, ""), ID: api.sim.id("batch_"), Object: "batch", Endpoint: in.Endpoint, Input: in.Input, Window: in.Window, Status: "validating",
		Created: api.sim.now().Unix(), Counts: map[string]int{"total": 0, "completed": 0, "failed": 0}, Metadata: in.Metadata,
	}
	api.sim.cabinet.mu.Lock()
	api.sim.cabinet.batches = append(api.sim.cabinet.batches, batch)
	api.sim.cabinet.mu.Unlock()
	writeJSON(w, http.StatusOK, batch)
}

// work answers all lines of a batch.
func (api openaiAPI) work(r *http.Request, batch *keptBatch) {
	var output, failures bytes.Buffer
	input, used := 0, 0
	for line := range bytes.SplitSeq(api.sim.cabinet.file(api.shelved(r, batch.Input)).content, []byte("\n")) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var one struct {
			ID   string          `json:"custom_id"`
			URL  string          `json:"url"`
			Body json.RawMessage `json:"body"`
		}
		_ = json.Unmarshal(line, &one) // what is no JSON has no URL
		batch.Counts["total"]++
		serve := map[string]http.HandlerFunc{"/v1/chat/completions": api.chat, "/v1/responses": api.responses, "/v1/embeddings": api.embeddings}[one.URL]
		answer := &answerTo{header: http.Header{}, status: http.StatusOK}
		call, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, one.URL, bytes.NewReader(one.Body))
		if serve == nil || err != nil || one.URL != batch.Endpoint {
			answer.status = http.StatusBadRequest
			answer.body.WriteString("{}")
		} else {
			call.Header = r.Header.Clone()
			serve(answer, call)
		}
		out, counted := &output, "completed"
		if answer.status != http.StatusOK {
			out, counted = &failures, "failed"
		}
		batch.Counts[counted]++
		var said struct {
			Usage struct {
				Prompt     int `json:"prompt_tokens"`
				Input      int `json:"input_tokens"`
				Completion int `json:"completion_tokens"`
				Output     int `json:"output_tokens"`
			} `json:"usage"`
		}
		_ = json.Unmarshal(answer.body.Bytes(), &said) // an error has no usage
		input, used = input+said.Usage.Prompt+said.Usage.Input, used+said.Usage.Completion+said.Usage.Output
		raw, err := json.Marshal(map[string]any{"id": api.sim.id("batch_req_"), "custom_id": one.ID, "error": nil, "response": map[string]any{"status_code": answer.status, "body": json.RawMessage(answer.body.Bytes())}})
		if err != nil {
			raw = []byte(`{"error":{"message":"the answer is no JSON"}}`)
		}
		out.Write(append(raw, '\n'))
	}
	now := api.sim.now().Unix()
	batch.Status, batch.CompletedAt = "completed", &now
	if output.Len() > 0 {
		batch.Output = &api.store(r, batch.ID+"_output.jsonl", "batch_output", output.Bytes()).ID
	}
	if failures.Len() > 0 {
		batch.Errors = &api.store(r, batch.ID+"_error.jsonl", "batch_output", failures.Bytes()).ID
	}
	if batch.Metadata["sim"] != "no_usage" { // as of batches that were made before providers said it
		batch.Usage = map[string]any{"input_tokens": input, "output_tokens": used, "total_tokens": input + used}
	}
}

// withBatch calls serve with the batch that the path names.
func (api openaiAPI) withBatch(serve func(w http.ResponseWriter, r *http.Request, batch *keptBatch)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !api.admit(w, r) {
			return
		}
		at := api.shelved(r, "")
		api.sim.cabinet.mu.Lock()
		i := slices.IndexFunc(api.sim.cabinet.batches, func(one *keptBatch) bool { return one.account == at && one.ID == r.PathValue("id") })
		var batch *keptBatch
		if i >= 0 {
			batch = api.sim.cabinet.batches[i]
		}
		api.sim.cabinet.mu.Unlock()
		if batch == nil {
			api.refuse(w, http.StatusNotFound, "invalid_request_error", "", "No batch found with id '"+r.PathValue("id")+"'.")
			return
		}
		serve(w, r, batch)
	}
}

// describeBatch says how far a batch is: whoever asks a second time finds it done.
func (api openaiAPI) describeBatch(w http.ResponseWriter, r *http.Request, batch *keptBatch) {
	switch batch.Status {
	case "validating":
		batch.Status = "in_progress"
	case "in_progress":
		api.work(r, batch)
	}
	writeJSON(w, http.StatusOK, batch)
}

func (openaiAPI) cancelBatch(w http.ResponseWriter, _ *http.Request, batch *keptBatch) {
	if batch.Status != "completed" {
		batch.Status = "cancelled"
	}
	writeJSON(w, http.StatusOK, batch)
}

func (api openaiAPI) listBatches(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	at, found := api.shelved(r, ""), []*keptBatch{}
	api.sim.cabinet.mu.Lock()
	for _, one := range api.sim.cabinet.batches {
		if one.account == at {
			found = append(found, one)
		}
	}
	api.sim.cabinet.mu.Unlock()
	page(w, r, found, func(one *keptBatch) string { return one.ID })
}

// filesAt puts the paths of files and batches below a place.
func (api openaiAPI) filesAt(mux *http.ServeMux, place string, wrap func(http.HandlerFunc) http.HandlerFunc) {
	mux.HandleFunc("POST "+place+"/files", wrap(api.upload))
	mux.HandleFunc("GET "+place+"/files", wrap(api.listFiles))
	mux.HandleFunc("GET "+place+"/files/{id}", wrap(api.withFile(api.describeFile)))
	mux.HandleFunc("GET "+place+"/files/{id}/content", wrap(api.withFile(api.content)))
	mux.HandleFunc("DELETE "+place+"/files/{id}", wrap(api.withFile(api.discard)))
	mux.HandleFunc("POST "+place+"/batches", wrap(api.beginBatch))
	mux.HandleFunc("GET "+place+"/batches", wrap(api.listBatches))
	mux.HandleFunc("GET "+place+"/batches/{id}", wrap(api.withBatch(api.describeBatch)))
	mux.HandleFunc("POST "+place+"/batches/{id}/cancel", wrap(api.withBatch(api.cancelBatch)))
}
