package dialect

import (
	"strings"
	"testing"
)

// FuzzGeminiPath: what a path is taken for is all that it says.
func FuzzGeminiPath(f *testing.F) {
	f.Add("/v1beta/models/gemini-2:generateContent")
	f.Add("/v1/models/a:b:c")
	f.Add("/v1/models/:x")
	f.Fuzz(func(t *testing.T, path string) {
		model, verb, ok := GeminiPath(path)
		same := path == "/v1beta/models/"+model+":"+verb || path == "/v1/models/"+model+":"+verb
		if ok && (!same || model == "" || strings.Contains(verb, ":")) || !ok && model+verb != "" {
			t.Errorf("%q is %q of %q, %v", path, verb, model, ok)
		}
	})
}
