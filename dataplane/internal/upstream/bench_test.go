package upstream

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func BenchmarkSend(b *testing.B) {
	body, into := bytes.Repeat([]byte("x"), 1000), make([]byte, 32<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(body)
	}))
	b.Cleanup(server.Close)
	b.Run("upstream", func(b *testing.B) {
		client, provider := newClient(b), providerAt(server.URL)
		r := request(provider, "/v1")
		r.Body = [][]byte{body}
		b.ReportAllocs()
		for b.Loop() {
			answer, err := client.Send(b.Context(), r)
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				_, err = answer.Read(into)
			}
			answer.Close()
		}
	})
	b.Run("net/http", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
		b.ReportAllocs()
		for b.Loop() {
			r, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/v1", bytes.NewReader(body))
			answer, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			for err == nil {
				_, err = answer.Body.Read(into)
			}
			_ = answer.Body.Close()
		}
		client.CloseIdleConnections()
	})
}

// BenchmarkChunks reads the framing of a stream whose 50 events come one by one.
func BenchmarkChunks(b *testing.B) {
	raw := []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("64\r\n"+strings.Repeat("x", 100)+"\r\n", 50) + "0\r\n\r\n")
	from, buffer, into := bytes.NewReader(raw), make([]byte, readBytes), make([]byte, 100)
	c := &conn{Conn: canned{from}, raw: canned{}, buffer: &buffer, pool: &pool{}}
	b.ReportAllocs()
	for b.Loop() {
		from.Reset(raw)
		c.r, c.w = 0, 0
		if err := c.head(); err != nil {
			b.Fatal(err)
		}
		answer := c.begin(b.Context(), &Request{Idle: time.Hour})
		var err error
		for err == nil {
			_, err = answer.Read(into)
		}
	}
}
