package ident_test

import (
	"encoding/json"
	"testing"

	"tollgate.dev/controlplane/internal/ident"
)

func TestZeroIDIsNull(t *testing.T) {
	t.Parallel()
	var none ident.Agent
	if value, err := none.Value(); err != nil || value != nil {
		t.Errorf("value: got %v, %v", value, err)
	}
	if raw, _ := json.Marshal(none); string(raw) != `""` {
		t.Errorf("JSON: got %s", raw)
	}
	id := ident.New[ident.Agent]()
	if err := id.Scan(nil); err != nil || !id.IsZero() {
		t.Errorf("scan of NULL: got %s, %v", id, err)
	}
}

func TestIDReadsBack(t *testing.T) {
	t.Parallel()
	id := ident.New[ident.Budget]()
	raw, _ := json.Marshal(id)
	var fromJSON, fromSQL ident.Budget
	if err := json.Unmarshal(raw, &fromJSON); err != nil || fromJSON != id {
		t.Errorf("JSON: got %s, %v", fromJSON, err)
	}
	value, _ := id.Value()
	if err := fromSQL.Scan(value); err != nil || fromSQL != id {
		t.Errorf("SQL: got %s, %v", fromSQL, err)
	}
	if parsed, err := ident.Parse[ident.Budget](id.String()); err != nil || parsed != id {
		t.Errorf("text: got %s, %v", parsed, err)
	}
	if fromWire, err := ident.FromBytes[ident.Budget](id.Bytes()); err != nil || fromWire != id {
		t.Errorf("wire: got %s, %v", fromWire, err)
	}
}

func TestParseRefusesOtherForms(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "urn:uuid:0190a5a0-0000-7000-8000-000000000000", "{0190a5a0-0000-7000-8000-000000000000}", "0190a5a0000070008000000000000000"} {
		if id, err := ident.Parse[ident.Org](text); err == nil {
			t.Errorf("%q is read as %s", text, id)
		}
	}
}
