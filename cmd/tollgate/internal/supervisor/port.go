package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Loopback returns the address of the port on 127.0.0.1.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// PortError says that a port which is needed cannot be had.
type PortError struct {
	Port  int
	For   string // what wanted it
	Cause error
}

// Error names the port and what wanted it.
func (e *PortError) Error() string {
	return fmt.Sprintf("port %d (%s) cannot be used: %v", e.Port, e.For, e.Cause)
}

// Unwrap returns the cause.
func (e *PortError) Unwrap() error { return e.Cause }

// Free checks that nothing listens on the port of 127.0.0.1. A port in use is tried again for patience, because the
// processes of a killed run need a moment to end.
func Free(ctx context.Context, port int, what string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	err := Poll(ctx, nil, 100*time.Millisecond, func(context.Context) error {
		listener, err := net.Listen("tcp", Loopback(port))
		if err != nil {
			last = err
			return err
		}
		return listener.Close()
	})
	if err == nil {
		return nil
	}
	if errors.Is(last, syscall.EADDRINUSE) {
		last = errors.New("something else listens there")
	}
	return &PortError{Port: port, For: what, Cause: last}
}

// AnyPort returns a port of 127.0.0.1 that was free a moment ago.
func AnyPort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Lock takes the file's lock for as long as the returned file is open. It answers ErrLocked when another process holds it.
func Lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("locked by another process")
