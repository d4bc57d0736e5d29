package static

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFilesOfThisBuildMayBeKeptForEver(t *testing.T) {
	t.Parallel()
	assets, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"console.css", "htmx.js", "htmx-sse.js", "app.js", "inter.woff2", "icons.svg", "logo.svg"} {
		answer := get(assets, assets.Prefix()+"/"+name, "")
		if answer.Code != http.StatusOK || !strings.Contains(answer.Header().Get("Cache-Control"), "immutable") || answer.Body.Len() == 0 {
			t.Errorf("%s: status %d, cache %q, %d bytes", name, answer.Code, answer.Header().Get("Cache-Control"), answer.Body.Len())
		}
	}
}

func TestFilesOfAnotherBuildAreNotKept(t *testing.T) {
	t.Parallel()
	assets, err := New()
	if err != nil {
		t.Fatal(err)
	}
	answer := get(assets, "/static/0000000000000000/app.js", "")
	if answer.Code != http.StatusOK || answer.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("status %d, cache %q", answer.Code, answer.Header().Get("Cache-Control"))
	}
	again := get(assets, "/static/0000000000000000/app.js", answer.Header().Get("ETag"))
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("with its tag: status %d, %d bytes", again.Code, again.Body.Len())
	}
}

func TestOnlyEmbeddedNamesAreServed(t *testing.T) {
	t.Parallel()
	assets, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/static/", "/static/x/../static.go", assets.Prefix() + "/", assets.Prefix() + "/nothing.js"} {
		if answer := get(assets, path, ""); answer.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, answer.Code)
		}
	}
}

func get(handler http.Handler, path, tag string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.URL.Path = path
	request.Header.Set("If-None-Match", tag)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}
