package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	uploadPath  = "/upload/v1beta/files"
	uploadState = "X-Goog-Upload-Status"
)

// picture is a file as the Gemini API describes it (https://ai.google.dev/api/files).
type picture struct {
	Name           string `json:"name"`
	DisplayName    string `json:"displayName,omitempty"`
	MimeType       string `json:"mimeType"`
	SizeBytes      string `json:"sizeBytes"`
	CreateTime     string `json:"createTime"`
	UpdateTime     string `json:"updateTime"`
	ExpirationTime string `json:"expirationTime"`
	SHA256         string `json:"sha256Hash"`
	URI            string `json:"uri"`
	State          string `json:"state"`
	Source         string `json:"source"`
}

func describePicture(r *http.Request, file *drawn) picture {
	sum := sha256.Sum256(file.content)
	created, err := time.Parse(time.RFC3339, file.created)
	if err != nil { // it was written here
		created = time.Time{}
	}
	return picture{
		"files/" + file.id, file.name, file.kind, strconv.Itoa(len(file.content)), file.created, file.created, created.Add(48 * time.Hour).Format(time.RFC3339),
		base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%x", sum)), "http://" + r.Host + GeminiPath + "/v1beta/files/" + file.id, "ACTIVE", "UPLOADED",
	}
}

func pictureAccount(r *http.Request) string { return r.Header.Get("X-Goog-Api-Key") }

// upload begins an upload, and takes its pieces.
func (api geminiAPI) upload(w http.ResponseWriter, r *http.Request) {
	if problem := api.refused(r); problem != "" {
		api.refuse(w, http.StatusBadRequest, problem)
		return
	}
	command := r.Header.Get("X-Goog-Upload-Command")
	if command != "start" {
		api.takePiece(w, r, strings.ReplaceAll(command, " ", ""))
		return
	}
	var in struct {
		File struct {
			DisplayName string `json:"displayName"`
			MimeType    string `json:"mimeType"`
		} `json:"file"`
	}
	if err := decode(r, &in); err != nil || len(in.File.DisplayName) > 512 {
		api.refuse(w, http.StatusBadRequest, "Invalid JSON payload received.")
		return
	}
	kind := r.Header.Get("X-Goog-Upload-Header-Content-Type")
	if in.File.MimeType != "" {
		kind = in.File.MimeType
	}
	file := &drawn{account: pictureAccount(r), id: api.sim.id("")[:12], name: in.File.DisplayName, kind: kind}
	api.sim.pictures.put(file)
	w.Header().Set("X-Goog-Upload-Url", "http://"+r.Host+GeminiPath+uploadPath+"?upload_id="+file.id+"&upload_protocol=resumable")
	w.Header().Set("X-Goog-Upload-Chunk-Granularity", "262144")
	w.Header().Set(uploadState, "active")
	w.WriteHeader(http.StatusOK)
}

func (api geminiAPI) takePiece(w http.ResponseWriter, r *http.Request, command string) {
	file := api.sim.pictures.get(pictureAccount(r), r.URL.Query().Get("upload_id"), false)
	piece, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	offset, offsetErr := strconv.Atoi(r.Header.Get("X-Goog-Upload-Offset"))
	if uploads := strings.HasPrefix(command, "upload"); file == nil || err != nil || uploads && (offsetErr != nil || offset != len(file.content)) {
		api.refuse(w, http.StatusBadRequest, "The upload is not here, or does not go on there.")
		return
	}
	file.content = append(file.content, piece...)
	if !strings.HasSuffix(command, "finalize") {
		w.Header().Set(uploadState, "active")
		w.Header().Set("X-Goog-Upload-Size-Received", strconv.Itoa(len(file.content)))
		w.WriteHeader(http.StatusOK)
		return
	}
	api.sim.pictures.remove(file)
	file.whole, file.created = true, api.sim.now().UTC().Format(time.RFC3339)
	api.sim.pictures.put(file)
	w.Header().Set(uploadState, "final")
	writeJSON(w, http.StatusOK, map[string]any{"file": describePicture(r, file)})
}

// noFile refuses in Google's words, which are the same for what is not there and what is somebody else's.
func (api geminiAPI) noFile(w http.ResponseWriter, id string) {
	api.refuse(w, http.StatusForbidden, "You do not have permission to access the File "+id+" or it may not exist.")
}

// withPicture calls serve with the file that the path names.
func (api geminiAPI) withPicture(serve func(w http.ResponseWriter, r *http.Request, file *drawn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if problem := api.refused(r); problem != "" {
			api.refuse(w, http.StatusBadRequest, problem)
			return
		}
		file := api.sim.pictures.get(pictureAccount(r), r.PathValue("id"), true)
		if file == nil {
			api.noFile(w, r.PathValue("id"))
			return
		}
		serve(w, r, file)
	}
}

func (api geminiAPI) listFiles(w http.ResponseWriter, r *http.Request) {
	if problem := api.refused(r); problem != "" {
		api.refuse(w, http.StatusBadRequest, problem)
		return
	}
	size := sizeOf(r, "pageSize", 10)
	from, _ := strconv.Atoi(r.URL.Query().Get("pageToken")) // none: from the first
	found, more := api.sim.pictures.page(pictureAccount(r), from, size)
	out := map[string]any{}
	files := []picture{}
	for _, one := range found {
		files = append(files, describePicture(r, one))
	}
	if out["files"] = files; more {
		out["nextPageToken"] = strconv.Itoa(from + size)
	}
	writeJSON(w, http.StatusOK, out)
}

var pictureURI = regexp.MustCompile(`"file_?[uU]ri"\s*:\s*"[^"]*/v1beta/files/([^"]*)"`)

// lacks returns the first file that a request names and that is not there; empty: all are.
func (api geminiAPI) lacks(r *http.Request, request *geminiRequest) string {
	for _, content := range request.Contents {
		for _, part := range content.Parts {
			if found := pictureURI.FindSubmatch(part.FileData); found != nil && api.sim.pictures.get(pictureAccount(r), string(found[1]), true) == nil {
				return string(found[1])
			}
		}
	}
	return ""
}

// filesAt puts the paths of files below a place.
func (api geminiAPI) filesAt(mux *http.ServeMux, place string) {
	mux.HandleFunc("POST "+place+uploadPath, api.upload)
	mux.HandleFunc("GET "+place+"/v1beta/files", api.listFiles)
	mux.HandleFunc("GET "+place+"/v1beta/files/{id}", api.withPicture(func(w http.ResponseWriter, r *http.Request, file *drawn) {
		writeJSON(w, http.StatusOK, describePicture(r, file))
	}))
	mux.HandleFunc("DELETE "+place+"/v1beta/files/{id}", api.withPicture(func(w http.ResponseWriter, _ *http.Request, file *drawn) {
		api.sim.pictures.remove(file)
		writeJSON(w, http.StatusOK, struct{}{})
	}))
}
