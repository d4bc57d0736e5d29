package largepage_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"tollgate.dev/dataplane/internal/largepage"
)

// TestCodeRunsOnWhileItMoves keeps other threads in code that moves.
func TestCodeRunsOnWhileItMoves(t *testing.T) {
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					recorder := httptest.NewRecorder()
					fmt.Fprint(recorder, strings.Repeat("x", 100))
					if recorder.Body.Len() != 100 {
						t.Error("code does something else")
						return
					}
				}
			}
		})
	}
	moved, err := largepage.Code()
	close(stop)
	busy.Wait()
	if err != nil {
		t.Fatal(err)
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	executable := 0
	for line := range bytes.Lines(maps) {
		var begin, end int
		var mode string
		if n, _ := fmt.Sscanf(string(line), "%x-%x %s", &begin, &end, &mode); n == 3 && mode == "r-xp" && len(bytes.Fields(line)) == 5 {
			executable += end - begin
			if begin%largepage.Size != 0 || end%largepage.Size != 0 {
				t.Errorf("code stands at %x to %x", begin, end)
			}
		}
		if bytes.Contains(line, []byte("rwx")) {
			t.Errorf("memory can be written and run: %s", line)
		}
	}
	if executable != moved {
		t.Errorf("%d bytes were moved, and %d stand outside of files", moved, executable)
	}
	if moved == 0 {
		t.Skip("this system has no large pages for programs")
	}
}

func TestOnlyWhatIsTouchedOfTheProgramIsInMemory(t *testing.T) {
	before := resident(t)
	if err := largepage.Touched(); err != nil {
		t.Fatal(err)
	}
	runtime.GC() // reads what describes the code
	after := resident(t)
	if after == 0 {
		t.Skip("this system does not say what of the program is in memory")
	}
	if after > before/2 {
		t.Errorf("%d bytes of the program are in memory, %d were", after, before)
	}
	if fmt.Sprintf("%s %x", "the code runs on", 0xc0de) != "the code runs on c0de" {
		t.Error("code does something else")
	}
}

// resident is how many bytes of the program's file are in memory and cannot be written.
func resident(t *testing.T) (total int) {
	t.Helper()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Skip("this system does not say which file the program is")
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	counts := false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		if strings.Contains(fields[0], "-") {
			counts = strings.HasSuffix(line, program+"\n") && !strings.Contains(fields[1], "w")
		}
		if counts && fields[0] == "Rss:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			total += kib << 10
		}
	}
	return total
}
