package redis

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

func TestBothStoresAnswerExpireKeysAndStop(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"redis-server", "miniredis"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			port, err := supervisor.AnyPort()
			if err != nil {
				t.Fatal(err)
			}
			var server *Server
			if kind == "miniredis" {
				server, err = startMini(port)
			} else {
				server, err = Start(t.Context(), port, t.TempDir(), filepath.Join(t.TempDir(), "log"))
			}
			if err != nil {
				t.Fatal(err)
			}
			if server.Kind != kind {
				t.Fatalf("got %s: redis-server is needed here (apt-get install redis-server)", server.Kind)
			}
			expire(t, port)
			server.Stop()
			if err := server.ping(t.Context()); err == nil {
				t.Error("it answers after the stop")
			}
		})
	}
}

// expire sets a key for a second and asks until it is gone.
func expire(t *testing.T, port int) {
	t.Helper()
	connection, err := net.Dial("tcp", supervisor.Loopback(port))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	ask := func(command string) string {
		words := strings.Fields(command)
		message := fmt.Sprintf("*%d\r\n", len(words))
		for _, word := range words {
			message += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
		}
		if _, err := connection.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
		line, err := reader.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
	if got := ask("SET brief 1 PX 1000"); got != "+OK\r\n" {
		t.Fatalf("SET answered %q", got)
	}
	if got := ask("EXISTS brief"); got != ":1\r\n" {
		t.Fatalf("EXISTS answered %q", got)
	}
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for range 100 {
		if ask("EXISTS brief") == ":0\r\n" {
			return
		}
		<-ticker.C
	}
	t.Error("the key never expired")
}
