package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

// Entry is one attempt as the provider bills it. The input classes are disjoint: InputTokens excludes cached and written ones.
type Entry struct {
	ID                string    `json:"id"`
	ClientRequestID   string    `json:"client_request_id"` // header X-Client-Request-Id
	Provider          string    `json:"provider"`
	Model             string    `json:"model"`
	InputTokens       int       `json:"input_tokens"`
	CachedTokens      int       `json:"cached_input_tokens"`
	CacheWriteTokens  int       `json:"cache_write_tokens"`
	OutputTokens      int       `json:"output_tokens"` // includes reasoning; of a cut stream what had been produced until then
	ReasoningTokens   int       `json:"reasoning_tokens"`
	AudioInputTokens  int       `json:"audio_input_tokens"`  // contained in input_tokens
	AudioOutputTokens int       `json:"audio_output_tokens"` // contained in output_tokens
	Images            int       `json:"images"`
	Characters        int       `json:"characters"` // spoken
	AudioMS           int       `json:"audio_ms"`   // heard
	Searches          int       `json:"searches"`
	Streamed          bool      `json:"streamed"`
	Completed         bool      `json:"completed"` // the last byte was written
	Status            int       `json:"status"`
	At                time.Time `json:"at"`
}

// Totals are the sums over all entries.
type Totals struct {
	Entries          int `json:"entries"`
	Completed        int `json:"completed"`
	InputTokens      int `json:"input_tokens"`
	CachedTokens     int `json:"cached_input_tokens"`
	CacheWriteTokens int `json:"cache_write_tokens"`
	OutputTokens     int `json:"output_tokens"`
	ReasoningTokens  int `json:"reasoning_tokens"`
}

// ledger remembers every attempt. An entry is written before the first byte of the answer and again at its end.
type ledger struct {
	mu      sync.Mutex
	entries []Entry
	file    io.Writer
}

// syncer is a file that can be forced to the disk.
type syncer interface{ Sync() error }

func newLedger(file io.Writer) *ledger { return &ledger{file: file} }

// open adds the entry and returns its place.
func (l *ledger) open(entry Entry) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, entry)
	l.keep(entry)
	return len(l.entries) - 1
}

// settle replaces the entry.
func (l *ledger) settle(place int, entry Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if place < len(l.entries) && l.entries[place].ID == entry.ID { // not cleared meanwhile
		l.entries[place] = entry
	}
	l.keep(entry)
}

// keep appends the entry to the file; of two lines with one id the later holds. mu is held.
func (l *ledger) keep(entry Entry) {
	if l.file == nil {
		return
	}
	raw, err := json.Marshal(entry)
	if err != nil { // a year beyond 9999
		return
	}
	_, _ = l.file.Write(append(raw, '\n'))
	if file, ok := l.file.(syncer); ok {
		_ = file.Sync()
	}
}

func (l *ledger) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	entries := append([]Entry{}, l.entries...)
	l.mu.Unlock()
	if wanted := r.URL.Query().Get("client_request_id"); wanted != "" {
		kept := entries[:0]
		for _, entry := range entries {
			if entry.ClientRequestID == wanted {
				kept = append(kept, entry)
			}
		}
		entries = kept
	}
	writeJSON(w, http.StatusOK, struct {
		Entries []Entry `json:"entries"`
		Totals  Totals  `json:"totals"`
	}{entries, sum(entries)})
}

func (l *ledger) clear(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	l.entries = nil
	l.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func sum(entries []Entry) Totals {
	var totals Totals
	for _, entry := range entries {
		totals.Entries++
		if entry.Completed {
			totals.Completed++
		}
		totals.InputTokens += entry.InputTokens
		totals.CachedTokens += entry.CachedTokens
		totals.CacheWriteTokens += entry.CacheWriteTokens
		totals.OutputTokens += entry.OutputTokens
		totals.ReasoningTokens += entry.ReasoningTokens
	}
	return totals
}
