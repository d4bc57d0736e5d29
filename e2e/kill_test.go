package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"tollgate.dev/e2e/internal/torture"
)

func TestNoPicoDollarIsLostWhenProcessesAreKilled(t *testing.T) {
	dir, err := filepath.Abs(houseDir("torture"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	options := rigOptions(dir, 0)
	options.LogLevel = "warn"
	report, err := torture.Run(t.Context(), torture.Options{Rig: options, EdgeKills: 20, ControlPlaneKills: 10, Seed: 1, Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report.Line())
	if !report.Exact() {
		t.Errorf("the ledgers differ: %v", report.Inconsistencies)
	}
	if report.Kills != 30 || report.Requests < 300 || report.Refused == 0 {
		t.Errorf("too little happened to prove anything: %+v", report)
	}
	if most := report.Kills * 2 * 16; report.Indeterminate > most {
		t.Errorf("%d calls are indeterminate, want at most the %d that can have been in flight", report.Indeterminate, most)
	}
}
