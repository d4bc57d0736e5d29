package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"tollgate.dev/e2e/internal/torture"
)

// tortured runs the kill test in a house of its own and fails unless every ledger agrees.
func tortured(t *testing.T, edgeKills, controlPlaneKills int) torture.Report {
	t.Helper()
	dir, err := filepath.Abs(houseDir(t.Name()))
	must(t, err)
	must(t, os.RemoveAll(dir))
	options := rigOptions(dir, 0)
	options.LogLevel = "warn"
	report, err := torture.Run(t.Context(), torture.Options{Rig: options, EdgeKills: edgeKills, ControlPlaneKills: controlPlaneKills, Seed: 1, Out: t.Output()})
	must(t, err)
	t.Log(report.Line())
	if !report.Exact() {
		t.Errorf("the ledgers differ: %v", report.Inconsistencies)
	}
	if report.Kills != edgeKills+controlPlaneKills || report.Requests < 300 || report.Refused == 0 {
		t.Errorf("too little happened to prove anything: %+v", report)
	}
	return report
}

func TestNoPicoDollarIsLostWhenProcessesAreKilled(t *testing.T) {
	report := tortured(t, 20, 10)
	// Every client has one call in flight. A quarter of the edges' kills are followed by a second one.
	if most := 2 * 20 * torture.Clients; report.Indeterminate > most {
		t.Errorf("%d calls are indeterminate, want at most the %d that can have been in flight", report.Indeterminate, most)
	}
}

func TestNoCallFailsWhenTheControlPlaneIsKilled(t *testing.T) {
	report := tortured(t, 0, 5)
	if report.Failed != 0 || report.Indeterminate != 0 {
		t.Errorf("%d calls failed and %d are indeterminate, want none: %+v", report.Failed, report.Indeterminate, report)
	}
}
