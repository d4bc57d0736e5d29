package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Target is what the generator sends to: direct, nginx or the edge.
type Target struct {
	Name string
	Addr string
	Key  string // virtual key
	PIDs func() []int
}

// Body is a request body by its size in bytes; Streamed asks for a stream.
type Body struct {
	Size     int
	Streamed bool
}

// request returns the whole request: the same bytes for every target but for the host and the key.
func (b Body) request(target Target) []byte {
	head := `{"model":"gpt-4o-mini","max_tokens":256,`
	if b.Streamed {
		head += streamMark + `,"stream_options":{"include_usage":true},`
	}
	head += `"messages":[{"role":"system","content":"You are terse."}`
	var body strings.Builder
	body.WriteString(head)
	for body.Len() < b.Size-40 {
		body.WriteString(`,{"role":"user","content":"`)
		body.WriteString(strings.Repeat("agents send context ", max(1, min(50, (b.Size-body.Len()-30)/20))))
		body.WriteString(`"}`)
	}
	body.WriteString(`]}`)
	return fmt.Appendf(nil, "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		target.Addr, target.Key, body.Len(), body.String())
}

// client is one keep-alive connection that speaks HTTP/1.1 and reads past answers without keeping them.
type client struct {
	addr string
	conn net.Conn
	in   *bufio.Reader
}

const exchangeWithin = 30 * time.Second

func (c *client) exchange(request []byte) error {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 16<<10)
	}
	err := c.roundTrip(request)
	if err != nil {
		c.close()
	}
	return err
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

func (c *client) roundTrip(request []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(exchangeWithin)); err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	status, length, err := c.readHead()
	if err != nil {
		return err
	}
	if status != 200 {
		text := make([]byte, max(0, min(length, 300)))
		_, _ = io.ReadFull(c.in, text)
		return fmt.Errorf("status %d: %s", status, text)
	}
	if length >= 0 {
		_, err = c.in.Discard(length)
		return err
	}
	return c.readChunks()
}

// readHead returns the status and the body's length, −1 when it is chunked.
func (c *client) readHead() (status, length int, err error) {
	length = -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch {
		case len(line) == 0:
			return status, length, nil
		case first:
			if len(line) < 12 {
				return 0, 0, fmt.Errorf("malformed status line %q", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, 0, err
			}
		case len(line) > 15 && bytes.EqualFold(line[:15], []byte("content-length:")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil {
				return 0, 0, err
			}
		}
	}
}

func (c *client) readChunks() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimRight(line, "\r\n")), 16, 32)
		if err != nil {
			return err
		}
		if size == 0 {
			return c.readTrailer()
		}
		if _, err := c.in.Discard(int(size) + 2); err != nil {
			return err
		}
	}
}

// readTrailer reads past the fields behind the last chunk.
func (c *client) readTrailer() error {
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil || len(line) == len("\r\n") {
			return err
		}
	}
}

// Burst is what a round at full speed found.
type Burst struct {
	Requests   int64
	PerSecond  float64
	CPUSeconds float64 // of the target's processes, for 1,000 requests
}

// burst keeps so many connections busy for a while. Any failed exchange fails the round.
func burst(ctx context.Context, target Target, bodies []Body, connections int, lasts time.Duration) (Burst, error) {
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	requests := make([][]byte, len(bodies))
	for i, body := range bodies {
		requests[i] = body.request(target)
	}
	var done atomic.Int64
	var failed error
	var once sync.Once
	var wait sync.WaitGroup
	before, began := cpuSeconds(target.PIDs()), time.Now()
	for i := range connections {
		wait.Go(func() {
			c := &client{addr: target.Addr}
			defer c.close()
			for n := i; ctx.Err() == nil; n++ {
				if err := c.exchange(requests[n%len(requests)]); err != nil {
					once.Do(func() { failed = fmt.Errorf("%s: %w", target.Name, err); cancel() })
					return
				}
				done.Add(1)
			}
		})
	}
	wait.Wait()
	took := time.Since(began).Seconds()
	if failed != nil {
		return Burst{}, failed
	}
	requestsDone := done.Load()
	if requestsDone == 0 {
		return Burst{}, errors.New(target.Name + ": no request came back")
	}
	return Burst{
		Requests: requestsDone, PerSecond: float64(requestsDone) / took,
		CPUSeconds: (cpuSeconds(target.PIDs()) - before) * 1000 / float64(requestsDone),
	}, nil
}

// paced sends so many requests a second and returns how long each took from the moment that it was due.
func paced(ctx context.Context, target Target, body Body, perSecond int, lasts time.Duration) ([]time.Duration, error) {
	request := body.request(target)
	total := int(lasts.Seconds() * float64(perSecond))
	due := make(chan time.Time, total)
	took := make([]time.Duration, 0, total)
	var mu sync.Mutex
	var failed error
	var wait sync.WaitGroup
	for range 64 {
		wait.Go(func() {
			c := &client{addr: target.Addr}
			defer c.close()
			for at := range due {
				err := c.exchange(request)
				lasted := time.Since(at)
				mu.Lock()
				took = append(took, lasted)
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	for range total {
		select {
		case <-ticker.C:
			due <- time.Now()
		case <-ctx.Done():
			failed = ctx.Err()
		}
	}
	close(due)
	wait.Wait()
	return took, failed
}

// quantile returns the value below which a share of the values lies.
func quantile[T int64 | float64 | time.Duration](values []T, share float64) T {
	if len(values) == 0 {
		var none T
		return none
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}
