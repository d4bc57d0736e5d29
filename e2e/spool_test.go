package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// shownEdge is an edge as the API shows it.
type shownEdge struct {
	Name       string `json:"name"`
	Connected  bool   `json:"connected"`
	Corrupt    int64  `json:"spool_corrupt"`
	Unrecorded int64  `json:"unrecorded_calls"`
	Pending    int64  `json:"spool_pending"`
}

func (p *project) shownEdge(t *testing.T, name string) (shownEdge, error) {
	t.Helper()
	var all struct {
		Items []shownEdge `json:"items"`
	}
	if err := p.house.Admin.Do(t.Context(), http.MethodGet, "/edges", nil, &all); err != nil {
		return shownEdge{}, err
	}
	for _, one := range all.Items {
		if one.Name == name {
			return one, nil
		}
	}
	return shownEdge{}, fmt.Errorf("there is no edge %q in %+v", name, all.Items)
}

// TestDamagedRecordsAreSkippedAndShown flips bytes in what a stopped edge has not sent yet.
func TestDamagedRecordsAreSkippedAndShown(t *testing.T) {
	p := newProject(t, ownStand(t, 1))
	edge := p.house.Edges[0]
	p.house.ControlPlane.Stop(patience)
	const calls = 40
	for range calls {
		answer := ask(t.Context(), http.MethodPost, edge.URL+dialects[0].path, p.key, bodyOf(dialects[0].body, dialects[0].model, "Say something.", false))
		if answer.Status != http.StatusOK {
			t.Fatalf("%d %s", answer.Status, answer.Body)
		}
	}
	edge.Kill()
	flipBytes(t, filepath.Join(edge.Data, "spool"))
	must(t, p.house.StartControlPlane(t.Context()))
	must(t, p.house.StartEdge(t.Context(), edge))
	until(t, patience, func() error {
		one, err := p.shownEdge(t, edge.Name)
		if err == nil && (!one.Connected || one.Corrupt == 0 || one.Pending != 0) {
			err = fmt.Errorf("the edge is shown as %+v", one)
		}
		return err
	})
	// Of a call whose end was damaged the intent is left, so that it is in doubt; one whose intent was damaged has its end.
	events := p.events(t, p.keyID, calls-1)
	settled := 0
	for _, event := range events {
		if event.Outcome == "ok" {
			settled++
		}
	}
	if len(events) > calls || settled < calls-1 {
		t.Errorf("%d events of %d calls, %d of them settled", len(events), calls, settled)
	}
	until(t, 90*time.Second, func() error { // it is looked for once a minute
		var all struct {
			Items []struct {
				Rule  string `json:"rule"`
				Title string `json:"title"`
			} `json:"items"`
		}
		err := p.house.Admin.Do(t.Context(), http.MethodGet, "/alerts", nil, &all)
		for _, one := range all.Items {
			if one.Rule == "edge_health" {
				return err
			}
		}
		return fmt.Errorf("no alert is open: %+v, %w", all.Items, err)
	})
}

// flipBytes turns over some bytes in the middle of what is written in the newest segment.
func flipBytes(t *testing.T, spool string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(spool, "*.segment"))
	must(t, err)
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		must(t, err)
		written := len(bytes.TrimRight(raw, "\x00"))
		if written < 4096 {
			continue
		}
		at := written / 2
		for ; binary.LittleEndian.Uint64(raw[at:]) == 0; at++ {
		}
		for i := range 3 {
			raw[at+i] ^= 0xff
		}
		must(t, os.WriteFile(path, raw, 0o600))
		return
	}
	t.Fatalf("nothing is written in %v", paths)
}

// TestCallsAreServedWithoutARecordWhereAnOrganizationChoseSo fills the disk of an edge: it serves what no hard budget holds, says how many
// calls are not recorded, and records them when there is room.
func TestCallsAreServedWithoutARecordWhereAnOrganizationChoseSo(t *testing.T) {
	p := newProject(t, ownStand(t, 1))
	edge := edgeOnSmallDisk(t, p.house)
	id, held := p.newKey(t, rig.Object{"name": "held by a hard budget"})
	p.create(t, "/budgets", rig.Object{"name": "hard", "scope": "virtual_key", "scope_id": id, "period": "month", "time_zone": "UTC", "limit_usd": "5", "mode": "hard"})
	var after struct {
		Choice string `json:"when_spool_full"`
	}
	must(t, p.house.Admin.Do(t.Context(), http.MethodPatch, "/organization", rig.Object{"when_spool_full": "serve"}, &after))
	if after.Choice != "serve" {
		t.Fatalf("the organization has %q", after.Choice)
	}
	if err := p.house.Admin.Do(t.Context(), http.MethodPatch, "/organization", rig.Object{"when_spool_full": "hope"}, nil); err == nil {
		t.Error("the organization may hope")
	}
	call := func(key string) said {
		return ask(t.Context(), http.MethodPost, edge.URL+dialects[0].path, key, bodyOf(dialects[0].body, dialects[0].model, "Say something.", false))
	}
	if answer := call(held); answer.Status != http.StatusOK { // it holds a lease now
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	edge.Stop(patience)
	ballast := fillDisk(t, edge.Data)
	must(t, edge.Start())
	const calls = 9
	until(t, patience, func() error {
		if answer := call(held); answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
			return fmt.Errorf("a call that a hard budget holds gets %d %s", answer.Status, answer.Body)
		}
		return nil
	})
	until(t, patience, func() error { // the choice may still be on its way
		if answer := call(p.key); answer.Status != http.StatusOK {
			return fmt.Errorf("a call that no hard budget holds gets %d %s", answer.Status, answer.Body)
		}
		return nil
	})
	for range calls - 1 {
		if answer := call(p.key); answer.Status != http.StatusOK {
			t.Fatalf("a call that no hard budget holds gets %d %s", answer.Status, answer.Body)
		}
	}
	missing := func(want int64) func() error {
		return func() error {
			var gaps struct {
				Items []struct {
					Edge  string `json:"edge"`
					Calls int64  `json:"calls"`
				} `json:"items"`
			}
			if err := p.house.Admin.Do(t.Context(), http.MethodGet, "/usage/gaps", nil, &gaps); err != nil {
				return err
			}
			one, err := p.shownEdge(t, "small")
			sum := int64(0)
			for _, gap := range gaps.Items {
				sum += gap.Calls
			}
			if err == nil && (one.Unrecorded != want || sum != want) {
				err = fmt.Errorf("want %d calls not recorded: the edge is shown as %+v, the gaps are %+v", want, one, gaps.Items)
			}
			return err
		}
	}
	until(t, patience, missing(calls))
	for _, path := range ballast {
		_ = os.Remove(path)
	}
	until(t, patience, missing(0))
	until(t, patience, func() error {
		rows, err := p.house.Texts(t.Context(), "SELECT count(*) FROM usage_event WHERE outcome = 'ok' AND virtual_key_id = $1", p.keyID)
		if want := fmt.Sprintf("[[%d]]", calls); err == nil && fmt.Sprint(rows) != want {
			err = fmt.Errorf("%v calls are recorded, want %s", rows, want)
		}
		return err
	})
}
