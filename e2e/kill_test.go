package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"tollgate.dev/e2e/internal/torture"
)

// tortured runs the kill test in a house of its own and fails unless every ledger agrees.
func tortured(t *testing.T, kills torture.Kills) torture.Report {
	t.Helper()
	return restored(t, kills, 0)
}

// restored does the same, with Postgres put back to an older state so many times.
func restored(t *testing.T, kills torture.Kills, restores int) torture.Report {
	t.Helper()
	dir, err := filepath.Abs(houseDir(t.Name()))
	must(t, err)
	must(t, os.RemoveAll(dir))
	options := rigOptions(dir, 0)
	options.LogLevel = "warn"
	report, err := torture.Run(t.Context(), torture.Options{Rig: options, Kills: kills, Restores: restores, Seed: 1, Out: t.Output()})
	must(t, err)
	t.Log(report.Load())
	t.Log(report.Line())
	if !report.Exact() {
		t.Errorf("the ledgers differ or a call failed at a living edge: %v", report.Inconsistencies)
	}
	if report.Kills != kills.Sum() || report.Requests < 300 || report.Aborted == 0 {
		t.Errorf("too little happened to prove anything: %+v", report)
	}
	return report
}

func TestNoPicoDollarIsLostWhenProcessesAreKilled(t *testing.T) {
	if report := tortured(t, torture.Spread(32)); report.Refused == 0 {
		t.Errorf("the tight budget has refused nothing: %+v", report)
	}
}

func TestNoCallFailsWhenWhatIsBehindTheEdgesIsKilled(t *testing.T) {
	report := tortured(t, torture.Kills{ControlPlanes: 3, Postgreses: 3, Redises: 3})
	if report.Failed != 0 || report.Indeterminate != 0 {
		t.Errorf("%d calls failed and %d are indeterminate, want none: %+v", report.Failed, report.Indeterminate, report)
	}
}

// TestPostgresIsPutBackToAnOlderStateAndNothingIsLost restores the database under load: the edges send again what the books lost.
func TestPostgresIsPutBackToAnOlderStateAndNothingIsLost(t *testing.T) {
	report := restored(t, torture.Kills{Edges: 2, ControlPlanes: 1}, 1)
	if report.Restored < 100 {
		t.Errorf("the books lost %d events, too few to prove anything", report.Restored)
	}
}
