// Package static provides what the browser loads beside the pages: stylesheet, scripts, fonts, icons, all embedded.
// It refuses to serve anything that was not built in.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed dist js
var embedded embed.FS

const route = "/static/"

// Assets serves the embedded files under a path that carries a digest of all of them, so that browsers may keep them for ever.
type Assets struct {
	prefix string
	files  map[string]file
}

type file struct {
	body []byte
	kind string
	etag string
}

// New reads the embedded files. It fails only when the build left none.
func New() (*Assets, error) {
	assets := &Assets{files: map[string]file{}}
	all := sha256.New()
	for _, folder := range []string{"dist", "js"} {
		entries, err := fs.ReadDir(embedded, folder)
		if err != nil {
			return nil, fmt.Errorf("read embedded assets: %w", err)
		}
		for _, entry := range entries {
			body, err := fs.ReadFile(embedded, folder+"/"+entry.Name())
			if err != nil {
				return nil, fmt.Errorf("read embedded asset: %w", err)
			}
			sum := sha256.Sum256(body)
			all.Write([]byte(entry.Name()))
			all.Write(sum[:])
			assets.files[entry.Name()] = file{body: body, kind: kindOf(entry.Name()), etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		}
	}
	assets.prefix = route + hex.EncodeToString(all.Sum(nil)[:8])
	return assets, nil
}

// Prefix is the path under which the files of this build are, without a trailing slash, e.g. "/static/0f1e2d3c4b5a6978".
func (a *Assets) Prefix() string { return a.prefix }

// ServeHTTP answers GET /static/<digest>/<name>. A name under another build's digest is answered with this build's file, not to be kept.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	digest, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, route), "/")
	found, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	header := w.Header()
	header.Set("Content-Type", found.kind)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("ETag", found.etag)
	if route+digest == a.prefix {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		header.Set("Cache-Control", "no-cache")
	}
	if r.Header.Get("If-None-Match") == found.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(found.body)
}

func kindOf(name string) string {
	switch name[strings.LastIndexByte(name, '.'):] {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	default:
		return "application/octet-stream"
	}
}
