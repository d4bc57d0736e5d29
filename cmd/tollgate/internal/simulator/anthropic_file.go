package simulator

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// claudeFile is a file as Anthropic describes it (https://docs.anthropic.com/en/api/files-metadata).
type claudeFile struct {
	ID           string `json:"id"`
	Type         string `json:"type"`
	Filename     string `json:"filename"`
	MimeType     string `json:"mime_type"`
	SizeBytes    int    `json:"size_bytes"`
	CreatedAt    string `json:"created_at"`
	Downloadable bool   `json:"downloadable"`
}

func describePaper(file *drawn) claudeFile {
	return claudeFile{file.id, "file", file.name, file.kind, len(file.content), file.created, true}
}

func (api anthropicAPI) upload(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	in, head, err := r.FormFile("file")
	if err != nil {
		api.refuse(w, http.StatusBadRequest, "file: Field required")
		return
	}
	content, _ := io.ReadAll(in)
	file := &drawn{account: anthropicKey(r), id: api.sim.id("file_011"), name: head.Filename, kind: head.Header.Get("Content-Type"), content: content, whole: true, created: api.sim.now().UTC().Format(time.RFC3339)}
	api.sim.papers.put(file)
	writeJSON(w, http.StatusOK, describePaper(file))
}

// withPaper calls serve with the file that the path names.
func (api anthropicAPI) withPaper(serve func(w http.ResponseWriter, file *drawn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !api.admit(w, r) {
			return
		}
		file := api.sim.papers.get(anthropicKey(r), r.PathValue("id"), true)
		if file == nil {
			api.refuse(w, http.StatusNotFound, "File not found: "+r.PathValue("id"))
			return
		}
		serve(w, file)
	}
}

// listFiles lists by tokens: each says how many files were listed before.
func (api anthropicAPI) listFiles(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	limit := sizeOf(r, "limit", 20)
	from, _ := strconv.Atoi(r.URL.Query().Get("page")) // none: from the first
	found, more := api.sim.papers.page(anthropicKey(r), from, limit)
	data := []claudeFile{}
	for _, one := range found {
		data = append(data, describePaper(one))
	}
	var next *string
	if more {
		token := strconv.Itoa(from + limit)
		next = &token
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": data, "next_page": next})
}

var paperID = regexp.MustCompile(`"file_id"\s*:\s*"([^"]*)"`)

// lacks returns the first file that a request names and that is not there; empty: all are.
func (api anthropicAPI) lacks(r *http.Request, request *messagesRequest) string {
	for _, one := range request.Messages {
		for _, found := range paperID.FindAllSubmatch(one.Content, -1) {
			if api.sim.papers.get(anthropicKey(r), string(found[1]), true) == nil {
				return string(found[1])
			}
		}
	}
	return ""
}

// filesAt puts the paths of files below a place.
func (api anthropicAPI) filesAt(mux *http.ServeMux, place string) {
	mux.HandleFunc("POST "+place, api.upload)
	mux.HandleFunc("GET "+place, api.listFiles)
	mux.HandleFunc("GET "+place+"/{id}", api.withPaper(func(w http.ResponseWriter, file *drawn) { writeJSON(w, http.StatusOK, describePaper(file)) }))
	mux.HandleFunc("GET "+place+"/{id}/content", api.withPaper(func(w http.ResponseWriter, file *drawn) {
		w.Header().Set("Content-Type", file.kind)
		_, _ = w.Write(file.content)
	}))
	mux.HandleFunc("DELETE "+place+"/{id}", api.withPaper(func(w http.ResponseWriter, file *drawn) {
		api.sim.papers.remove(file)
		writeJSON(w, http.StatusOK, map[string]string{"id": file.id, "type": "file_deleted"})
	}))
}
