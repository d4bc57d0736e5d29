package ingest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// cpu is CPU time, of this process and of the whole Postgres that it uses.
type cpu struct{ process, postgres time.Duration }

func (c cpu) less(before cpu) cpu {
	return cpu{c.process - before.process, c.postgres - before.postgres}
}

// stat is what /proc/<pid>/stat says of a process.
type stat struct {
	parent    int
	own, dead time.Duration // used by itself, and by children that ended
}

func statOf(dir string) (s stat, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return stat{}, err
	}
	fields := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:]) // from the state on, field 3
	number := func(field int) int { n, _ := strconv.Atoi(string(fields[field-3])); return n }
	const tick = time.Second / 100 // USER_HZ
	return stat{number(4), time.Duration(number(14)+number(15)) * tick, time.Duration(number(16)+number(17)) * tick}, nil
}

// cpu reads what has been used so far. It is for Linux.
func (f *fixture) cpu(t testing.TB) (used cpu) {
	t.Helper()
	self, err := statOf("/proc/self")
	if err != nil {
		t.Skipf("CPU time cannot be read here: %v", err)
	}
	used.process = self.own
	var backend int
	if err := f.db.Owner(t).QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&backend); err != nil {
		t.Fatal(err)
	}
	one, err := statOf("/proc/" + strconv.Itoa(backend))
	if err != nil {
		t.Fatal(err)
	}
	server, err := statOf("/proc/" + strconv.Itoa(one.parent))
	if err != nil {
		t.Fatal(err)
	}
	used.postgres = server.own + server.dead
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range all {
		if each, err := statOf(dir); err == nil && each.parent == one.parent {
			used.postgres += each.own
		}
	}
	return used
}
