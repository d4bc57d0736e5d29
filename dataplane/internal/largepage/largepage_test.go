package largepage_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
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
