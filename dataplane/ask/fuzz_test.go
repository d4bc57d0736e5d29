package ask

import (
	"net/http"
	"testing"
	"time"
)

// FuzzRead: whatever is sent to any path is refused in words of bounded length, or says things that conditions can see.
func FuzzRead(f *testing.F) {
	paths := Paths()
	for i := range paths {
		f.Add(uint8(i), "", "application/json", []byte(`{"model":"m","messages":[{"role":"user","content":"hi"}],"input":"x","contents":[{"parts":[{"text":"a"}]}],"prompt":"p","max_tokens":5}`))
		f.Add(uint8(i), "", "multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n"))
	}
	f.Add(uint8(0), "/v1beta/models/a%00b:generateContent?alt=sse", "", []byte(`{"contents":[]}`))
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, which uint8, path, kind string, body []byte) {
		if path == "" {
			path = paths[int(which)%len(paths)]
		}
		said, err := Reader{}.Read(path, http.Header{"Content-Type": {kind}}, body, now)
		switch {
		case err != nil && len(err.Error()) > 4096+len(path):
			t.Errorf("%d bytes are said of %q", len(err.Error()), body)
		case err == nil && (said.PromptChars < 0 || said.MaxOutputTokens < 0 || int64(len(body)) < said.PromptChars || said.Dialect == ""):
			t.Errorf("%s of %q says %+v", path, body, said)
		}
	})
}
