package ingest_test

import (
	"testing"

	"connectrpc.com/connect"

	"tollgate.dev/dataplane/wire"
)

func TestABatchThatLeavesAGapIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	org := f.db.Org(t, "a").Org
	f.take(t, f.batch(t, 9, 1, event(org), event(org), event(org)))
	position := func(want uint64) {
		t.Helper()
		out, err := f.service.Positions(t.Context(), &wire.PositionsRequest{EdgeId: f.edge.Bytes(), Epochs: []uint64{8, 9}})
		if err != nil || len(out.GetPositions()) != 2 || out.GetPositions()[0].GetSeq() != 0 || out.GetPositions()[1].GetSeq() != want {
			t.Errorf("positions %v, %v", out, err)
		}
	}
	position(3)
	batch := f.batch(t, 9, 7, event(org))
	batch.AfterSeq = 6 // which another state of the books had acked
	if _, err := f.service.Take(t.Context(), batch); err == nil {
		t.Fatal("a batch is taken although what comes before it is not there")
	}
	position(3)
	batch.AfterSeq = 3
	f.take(t, batch)
	position(7)
	if _, err := f.service.Positions(t.Context(), &wire.PositionsRequest{EdgeId: []byte("short")}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("an edge id of 5 bytes: %v", err)
	}
}
