// Package supervisor runs child processes that cannot outlive this one: each gets its own process group, writes to its own log file
// and is signalled by the kernel when this process dies, however it dies.
// It refuses to restart anything, and to know what it runs.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a running child.
type Process struct {
	Name string

	command *exec.Cmd
	done    chan struct{}
	err     error // why it ended; written before done is closed
}

// Start starts the command. The kernel sends it death when this process dies.
// That signal follows the thread that started the child, so a thread of its own waits for each child until its end.
func Start(name string, command *exec.Cmd, death syscall.Signal) (*Process, error) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Pdeathsig = death
	command.SysProcAttr.Setpgid = true
	process := &Process{Name: name, command: command, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(process.done)
		err := command.Start()
		started <- err
		if err == nil {
			process.err = command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return process, nil
}

// ID returns the child's process id.
func (p *Process) ID() int { return p.command.Process.Pid }

// Exited is closed when the child has ended.
func (p *Process) Exited() <-chan struct{} { return p.done }

// Err says how the child ended, once Exited is closed: nil for exit code 0.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Stop sends the signal, waits for the end and kills the whole process group when the grace is over.
func (p *Process) Stop(signal syscall.Signal, grace time.Duration) {
	_ = p.command.Process.Signal(signal) // it may have ended already
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	}
	_ = syscall.Kill(-p.ID(), syscall.SIGKILL)
	<-p.done
}

// Poll calls check every interval until it succeeds, the process ends (nil: none to watch) or ctx is done; the last two are errors.
func Poll(ctx context.Context, process *Process, interval time.Duration, check func(context.Context) error) error {
	var exited <-chan struct{}
	if process != nil {
		exited = process.Exited()
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return &ExitError{Name: process.Name, Cause: process.Err()}
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// ExitError says that a child ended while somebody waited for it.
type ExitError struct {
	Name  string
	Cause error // nil for exit code 0
}

// Error names the child and how it ended.
func (e *ExitError) Error() string {
	if e.Cause == nil {
		return e.Name + " ended"
	}
	return e.Name + " ended: " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *ExitError) Unwrap() error { return e.Cause }

// LogFile opens a child's log for appending; a log over 16 MiB starts afresh.
func LogFile(path string) (*os.File, error) {
	const bytesMax = 16 << 20
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if info, err := os.Stat(path); err == nil && info.Size() > bytesMax {
		flags |= os.O_TRUNC
	}
	return os.OpenFile(path, flags, 0o600)
}
