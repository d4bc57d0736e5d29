package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// fileForm is a form with a file of so many bytes that nothing else looks like, and the file's sum.
func fileForm(size int64) (body io.Reader, length int64, sum func() string) {
	head := "--form\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--form\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.bin\"\r\n\r\n"
	tail, hash := "\r\n--form--\r\n", sha256.New()
	content := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), hash)
	return io.MultiReader(strings.NewReader(head), content, strings.NewReader(tail)), int64(len(head)+len(tail)) + size, func() string { return hex.EncodeToString(hash.Sum(nil)) }
}

// anonymous is what a process holds of memory that is no file's, in bytes.
func anonymous(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	_, err = fmt.Sscan(rest, &bytes)
	must(t, err)
	return bytes << 10
}

// most calls f and returns how much more memory the edge held meanwhile, at most.
func most(t *testing.T, edge *rig.Edge, f func()) (more int64) {
	t.Helper()
	over, before := make(chan struct{}), anonymous(t, edge.PID())
	go func() { defer close(over); f() }()
	for {
		more = max(more, anonymous(t, edge.PID())-before)
		select {
		case <-over:
			return more
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestALargeFileIsCarriedThroughTheDisk uploads one, by the edge's own path with its length announced, and to the provider as it is in chunks.
func TestALargeFileIsCarriedThroughTheDisk(t *testing.T) {
	p := newProject(t, ownStand(t, 1))
	edge, size := p.house.Edges[0], int64(bySize(24<<20, 400<<20))
	must(t, p.house.Admin.Do(t.Context(), http.MethodPut, "/prices/unknown", rig.Object{"policy": "ceiling", "input_usd": "1", "output_usd": "1"}, nil))
	_, key := p.newKey(t, rig.Object{"name": p.name + "-proxy", "allows_proxy": true})
	p.good(t, edge, 20)
	for _, c := range []struct {
		path, from, with string
		announced        bool
	}{
		{"/v1/files", edge.URL + "/v1/files/", key, true},
		{"/proxy/" + p.provider + "/v1/files", p.house.SimulatorURL + "/openai/v1/files/", "sk-sim-openai", false},
	} {
		body, length, sum := fileForm(size)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, edge.URL+c.path, body)
		must(t, err)
		if request.ContentLength = -1; c.announced {
			request.ContentLength = length
		}
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "multipart/form-data; boundary=form")
		var answer said
		began := time.Now()
		more := most(t, edge, func() { answer = sayOf(http.DefaultClient.Do(request)) })
		t.Logf("%s: %d MB in %s, and the edge holds %.1f MB more of memory meanwhile", c.path, size>>20, time.Since(began).Round(time.Millisecond), float64(more)/1e6)
		if more > 16<<20 {
			t.Errorf("%s: %d bytes more of memory", c.path, more)
		}
		var made struct{ ID string }
		if answer.Status != http.StatusOK || json.Unmarshal([]byte(answer.Body), &made) != nil || made.ID == "" {
			t.Fatalf("%s: %d %.300s", c.path, answer.Status, answer.Body)
		}
		if got := sumOf(t, c.from+made.ID+"/content", c.with); got != sum() {
			t.Errorf("%s: the provider keeps %s, want %s", c.path, got, sum())
		}
		p.nothingLeft(t, edge)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(edge.URL, "http://"))
	must(t, err)
	body, length, _ := fileForm(size)
	_, err = fmt.Fprintf(conn, "POST /v1/files HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=form\r\nContent-Length: %d\r\n\r\n", key, length)
	must(t, err)
	_, err = io.CopyN(conn, body, size/2)
	must(t, err)
	until(t, patience, func() error {
		if taken, err := edge.Metric(t.Context(), "tollgate_upload_disk_bytes"); err != nil || int64(taken) != length {
			return errors.Join(err, fmt.Errorf("%.0f bytes of the disk are taken", taken))
		}
		return nil
	})
	must(t, conn.Close())
	p.nothingLeft(t, edge)
	p.good(t, edge, 1)
}

// sumOf returns the SHA-256 of what stands at an address.
func sumOf(t *testing.T, url, key string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %v", url, answer.StatusCode, err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// nothingLeft waits until the edge carries nothing and keeps no file.
func (p *project) nothingLeft(t *testing.T, edge *rig.Edge) {
	t.Helper()
	until(t, patience, func() error {
		taken, err := edge.Metric(t.Context(), "tollgate_upload_disk_bytes")
		under, other := edge.Metric(t.Context(), "tollgate_requests_in_flight")
		files, dir := os.ReadDir(filepath.Join(edge.Data, "uploads"))
		if err = errors.Join(err, other, dir); err != nil || taken != 0 || under != 0 || len(files) > 0 {
			return fmt.Errorf("%.0f bytes of the disk are taken, %.0f requests under way, files %v, %w", taken, under, files, err)
		}
		return nil
	})
}
