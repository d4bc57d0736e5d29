package dialect

import "strings"

// What may stand behind the colon of a path of Google's (https://ai.google.dev/api/generate-content, https://ai.google.dev/api/embeddings).
const (
	GeminiWhole     = "generateContent"
	GeminiStream    = "streamGenerateContent"
	GeminiCount     = "countTokens"
	GeminiEmbedOne  = "embedContent"
	GeminiEmbedMany = "batchEmbedContents"
)

// GeminiPath takes the path of a request apart: `/v1beta/models/{model}:{verb}`, or the same below /v1.
func GeminiPath(path string) (model, verb string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/v1beta/models/")
	if !ok {
		rest, ok = strings.CutPrefix(path, "/v1/models/")
	}
	colon := strings.LastIndexByte(rest, ':')
	if !ok || colon < 1 {
		return "", "", false
	}
	return rest[:colon], rest[colon+1:], true
}
