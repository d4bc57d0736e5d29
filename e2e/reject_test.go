package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A record that the books could not take is shown, raises an alert, and fails whoever closes the house.
func TestARejectedRecordIsSeen(t *testing.T) {
	house, err := newRig(t.Name(), 1)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = house.Close()
		}
	})
	var edge string
	err = house.Row(t.Context(), `INSERT INTO usage_reject (org_id, edge_id, epoch, seq, reason, record) SELECT $1, edge_id, 7, 42, 'it is odd', '' FROM edge RETURNING edge_id::text`, []any{house.OrgUUID()}, &edge)
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		Items []struct {
			Edge       string `json:"edge_id"`
			LastSeq    int64  `json:"last_seq"`
			LastReason string `json:"last_reason"`
		} `json:"items"`
	}
	if err := house.Admin.Do(t.Context(), http.MethodGet, "/usage/rejects", nil, &shown); err != nil || len(shown.Items) != 1 || shown.Items[0].Edge != edge || shown.Items[0].LastSeq != 42 || shown.Items[0].LastReason != "it is odd" {
		t.Errorf("%+v, %v", shown, err)
	}
	until(t, 2*time.Minute, func() error { // it is looked at once a minute
		var open struct {
			Items []struct{ Rule, Subject, Text string } `json:"items"`
		}
		err := house.Admin.Do(t.Context(), http.MethodGet, "/alerts", nil, &open)
		for _, one := range open.Items {
			if one.Rule == "usage_rejected" && one.Subject == "edge:"+edge && strings.Contains(one.Text, "number 42: it is odd") {
				return nil
			}
		}
		return fmt.Errorf("alerts %+v, %w", open.Items, err)
	})
	closed = true
	if err := house.Close(); err == nil || !strings.Contains(err.Error(), "record 42 of edge "+edge+": it is odd") {
		t.Errorf("closed with %v", err)
	}
}
