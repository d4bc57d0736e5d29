package simulator

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// The kinds of fault.
const (
	FaultStatus  = "status"   // answer with Status, in the provider's form; nothing is billed
	FaultStall   = "stall"    // fall silent after AfterEvents events (of a plain answer: before its first byte), until the client leaves
	FaultCut     = "cut"      // close the connection after AfterEvents events (of a plain answer: in the middle of its body)
	FaultGarbage = "garbage"  // send bytes that are no answer after AfterEvents events
	FaultNoUsage = "no_usage" // leave the usage out
	FaultLatency = "latency"  // wait LatencyMS before the first byte
	FaultLong    = "long"     // answer, and bill, beyond the limit that the request sets
)

// Fault is a failure on request.
type Fault struct {
	Model       string `json:"model"` // "*" or empty: every model
	Kind        string `json:"kind"`
	Status      int    `json:"status,omitempty"`
	AfterEvents int    `json:"after_events,omitempty"`
	LatencyMS   int    `json:"latency_ms,omitempty"`
	Count       int    `json:"count,omitempty"` // for how many requests; 0: until the faults are cleared
}

// check fills in what is left out and says what is wrong.
func (f *Fault) check() error {
	switch f.Kind {
	case FaultStatus:
		if f.Status == 0 {
			f.Status = http.StatusInternalServerError
		}
		if f.Status < 400 || f.Status > 599 {
			return fmt.Errorf("status %d: want 400 to 599", f.Status)
		}
	case FaultStall, FaultCut, FaultGarbage, FaultNoUsage, FaultLatency, FaultLong:
	default:
		return fmt.Errorf("kind %q: want status, stall, cut, garbage, no_usage, latency or long", f.Kind)
	}
	if f.AfterEvents < 0 || f.LatencyMS < 0 || f.Count < 0 {
		return fmt.Errorf("after_events, latency_ms and count cannot be negative")
	}
	return nil
}

func (f Fault) latency() time.Duration { return time.Duration(f.LatencyMS) * time.Millisecond }

// ReadScript reads faults, one JSON object a line; empty lines are skipped.
func ReadScript(script io.Reader) ([]Fault, error) {
	var all []Fault
	lines := bufio.NewScanner(script)
	for number := 1; lines.Scan(); number++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var fault Fault
		if err := json.Unmarshal(lines.Bytes(), &fault); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if err := fault.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		all = append(all, fault)
	}
	return all, lines.Err()
}

// faults are the failures in force, in the order in which they were asked for.
type faults struct {
	mu  sync.Mutex
	all []Fault
}

func (f *faults) add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, fault)
}

// take returns the first fault for the model and uses it up by one; the zero Fault is none.
func (f *faults) take(model string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.all {
		fault := f.all[i]
		if fault.Model != "" && fault.Model != "*" && fault.Model != model {
			continue
		}
		if fault.Count == 1 {
			f.all = append(f.all[:i], f.all[i+1:]...)
		} else if fault.Count > 1 {
			f.all[i].Count--
		}
		return fault
	}
	return Fault{}
}

func (f *faults) list(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	all := append([]Fault{}, f.all...)
	f.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string][]Fault{"faults": all})
}

func (f *faults) post(w http.ResponseWriter, r *http.Request) {
	var fault Fault
	err := decode(r, &fault)
	if err == nil {
		err = fault.check()
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	f.add(fault)
	writeJSON(w, http.StatusCreated, fault)
}

func (f *faults) clear(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	f.all = nil
	f.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}
