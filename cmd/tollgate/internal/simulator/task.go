package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What tasks use in the simulator.
const (
	imageOutputTokens   = 272 // of models that are billed by tokens
	soundBytesPerSecond = 8000
	heardTokensPerSec   = 10
	documentsPerSearch  = 100
)

// onePixel is a PNG in base64.
const onePixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

// task opens the attempt of something that is no conversation.
func (api openaiAPI) task(w http.ResponseWriter, r *http.Request, model string) *exchange {
	if !api.known(w, model) {
		return nil
	}
	return api.begin(w, r, prompt{model: model, task: true}, false)
}

type imageRequest struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	N      int    `json:"n"`
}

func (api openaiAPI) images(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var request imageRequest
	if err := decode(r, &request); err != nil {
		api.invalid(w, "We could not parse the JSON body of your request: "+err.Error())
		return
	}
	api.draw(w, r, request, 0)
}

func (api openaiAPI) imageEdits(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) || !api.form(w, r) {
		return
	}
	n, _ := strconv.Atoi(r.FormValue("n")) // 0: one
	files := len(r.MultipartForm.File["image"]) + len(r.MultipartForm.File["image[]"])
	if files == 0 {
		api.invalid(w, "Missing required parameter: 'image'.")
		return
	}
	api.draw(w, r, imageRequest{r.FormValue("model"), r.FormValue("prompt"), n}, files)
}

func (api openaiAPI) draw(w http.ResponseWriter, r *http.Request, request imageRequest, files int) {
	if request.Prompt == "" {
		api.invalid(w, "Missing required parameter: 'prompt'.")
		return
	}
	x := api.task(w, r, request.Model)
	if x == nil {
		return
	}
	n := max(request.N, 1)
	x.entry.Images = n
	answer := map[string]any{"created": released, "data": []map[string]string{}}
	data := make([]map[string]string, n)
	for i := range data {
		data[i] = map[string]string{"b64_json": onePixel}
	}
	answer["data"] = data
	if strings.HasPrefix(request.Model, "gpt-image") && !x.usageHidden() {
		x.reply.usage.input, x.reply.usage.output = tokens(utf8.RuneCountInString(request.Prompt))+files*imageOutputTokens, n*imageOutputTokens
		x.entry.InputTokens = x.reply.usage.input
		answer["usage"] = map[string]any{
			"input_tokens": x.reply.usage.input, "output_tokens": x.reply.usage.output, "total_tokens": x.reply.usage.input + x.reply.usage.output,
			"input_tokens_details": map[string]int{"text_tokens": x.reply.usage.input - files*imageOutputTokens, "image_tokens": files * imageOutputTokens},
		}
	}
	x.plain(answer)
}

func (api openaiAPI) speech(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var request struct{ Model, Input, Voice string }
	if err := decode(r, &request); err != nil || request.Input == "" || request.Voice == "" {
		api.invalid(w, "Missing required parameter: 'input' or 'voice'.")
		return
	}
	x := api.task(w, r, request.Model)
	if x == nil {
		return
	}
	defer x.end()
	x.entry.Characters = utf8.RuneCountInString(request.Input)
	w.Header().Set("Content-Type", "audio/mpeg")
	_, err := io.WriteString(w, strings.Repeat("\xff\xfb\x90\x00sound...", x.entry.Characters))
	x.entry.Completed = err == nil
}

func (api openaiAPI) transcribe(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) || !api.form(w, r) {
		return
	}
	files := r.MultipartForm.File["file"]
	if len(files) != 1 {
		api.invalid(w, "Missing required parameter: 'file'.")
		return
	}
	model := r.FormValue("model")
	x := api.task(w, r, model)
	if x == nil {
		return
	}
	ms := int(files[0].Size) * 1000 / soundBytesPerSecond
	x.entry.AudioMS = ms
	const text = "A truck waits at the gate."
	switch format := r.FormValue("response_format"); {
	case format == "srt":
		defer x.end()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := fmt.Fprintf(w, "1\n00:00:00,000 --> 00:%02d:%02d,%03d\n%s\n", ms/60000, ms/1000%60, ms%1000, text)
		x.entry.Completed = err == nil
	case strings.Contains(model, "gpt-4o"):
		x.reply.usage.input, x.reply.usage.output = ms*heardTokensPerSec/1000, tokens(len(text))
		x.entry.InputTokens = x.reply.usage.input
		x.plain(map[string]any{"text": text, "usage": map[string]any{
			"type": "tokens", "input_tokens": x.reply.usage.input, "output_tokens": x.reply.usage.output, "total_tokens": x.reply.usage.input + x.reply.usage.output,
			"input_token_details": map[string]int{"text_tokens": 0, "audio_tokens": x.reply.usage.input},
		}})
	default:
		x.plain(map[string]any{"text": text, "usage": map[string]any{"type": "duration", "seconds": json.Number(fmt.Sprintf("%d.%03d", ms/1000, ms%1000))}})
	}
}

func (api openaiAPI) moderations(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var request struct{ Model string }
	if err := decode(r, &request); err != nil {
		api.invalid(w, "We could not parse the JSON body of your request: "+err.Error())
		return
	}
	if x := api.task(w, r, request.Model); x != nil {
		x.plain(map[string]any{"id": api.sim.id("modr-"), "model": request.Model, "results": []map[string]any{{"flagged": false, "categories": map[string]bool{}, "category_scores": map[string]int{}}}})
	}
}

// rerank answers as Cohere and those who copy it do.
func (api openaiAPI) rerank(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var request struct {
		Model, Query string
		Documents    []json.RawMessage
	}
	if err := decode(r, &request); err != nil || request.Query == "" || len(request.Documents) == 0 {
		api.invalid(w, "Missing required parameter: 'query' or 'documents'.")
		return
	}
	x := api.task(w, r, request.Model)
	if x == nil {
		return
	}
	x.entry.Searches = (len(request.Documents) + documentsPerSearch - 1) / documentsPerSearch
	results := make([]map[string]any, len(request.Documents))
	for i := range results {
		results[i] = map[string]any{"index": i, "relevance_score": json.Number(fmt.Sprintf("0.%03d", 999-i))}
	}
	x.plain(map[string]any{"id": api.sim.id("rr-"), "results": results, "meta": map[string]any{"billed_units": map[string]int{"search_units": x.entry.Searches}}})
}

func (api openaiAPI) form(w http.ResponseWriter, r *http.Request) bool {
	if err := r.ParseMultipartForm(bodyBytesMax); err != nil {
		api.invalid(w, "We could not parse the form of your request: "+err.Error())
		return false
	}
	return true
}
