package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one child, which may be started again after it ended. Its output is appended to one log file.
type Process struct {
	Name string
	Log  string // path

	program string
	args    []string
	env     []string

	mu      sync.Mutex
	command *exec.Cmd
	done    chan struct{} // closed when the child has ended
}

// NewProcess describes a child; nothing runs yet. Only PATH, HOME and what env holds reach it.
func NewProcess(name, logs, program string, args, env []string) *Process {
	return &Process{
		Name: name, Log: filepath.Join(logs, name+".log"), program: program, args: args,
		env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...),
	}
}

// Start starts the child. The system kills it when this process dies.
func (p *Process) Start() error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	started := make(chan error, 1)
	command := exec.Command(p.program, p.args...)
	command.Env, command.Stdout, command.Stderr = p.env, log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan struct{})
	go func() { // the death signal follows the thread, so the thread waits for the child
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer log.Close()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait()
		}
		close(done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w; run `make build` first", p.Name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.command, p.done = command, done
	return nil
}

// PID returns the child's process id, 0 when it never started.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return 0
	}
	return p.command.Process.Pid
}

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// ExitCode returns the code of a child that has ended.
func (p *Process) ExitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.command.ProcessState.ExitCode()
}

// Kill ends the child with SIGKILL and waits until it is gone.
func (p *Process) Kill() { p.end(syscall.SIGKILL, time.Minute) }

// Stop ends the child with SIGTERM, and with SIGKILL when it takes longer than patience.
func (p *Process) Stop(patience time.Duration) { p.end(syscall.SIGTERM, patience) }

// Freeze stops the child and its own children without ending them, until Thaw.
func (p *Process) Freeze() error { return p.signal(syscall.SIGSTOP) }

// Thaw lets them run again.
func (p *Process) Thaw() error { return p.signal(syscall.SIGCONT) }

func (p *Process) signal(signal syscall.Signal) error {
	family := []int{p.PID()}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	for _, stat := range stats {
		var pid, parent int
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), ") ") // the name stands in brackets, then state and parent
		_, _ = fmt.Sscanf(after, "%s %d", new(string), &parent)
		if _, err := fmt.Sscan(string(text), &pid); err == nil && parent == family[0] {
			family = append(family, pid)
		}
	}
	for _, pid := range family {
		if err := syscall.Kill(pid, signal); err != nil {
			return fmt.Errorf("send %s to %s: %w", signal, p.Name, err)
		}
	}
	return nil
}

func (p *Process) end(signal os.Signal, patience time.Duration) {
	p.mu.Lock()
	command, done := p.command, p.done
	p.mu.Unlock()
	if command == nil {
		return
	}
	_ = command.Process.Signal(signal)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		_ = command.Process.Kill()
		<-done
	}
}

// Ready waits until a GET of url answers 200. It gives up when the child ends or ctx does.
func (p *Process) Ready(ctx context.Context, url string) error {
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for {
		if status(ctx, url) == http.StatusOK {
			return nil
		}
		select {
		case <-every.C:
		case <-p.Done():
			return fmt.Errorf("%s ended before it was ready: %s", p.Name, p.Tail(5))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.Name, ctx.Err(), p.Tail(5))
		}
	}
}

func status(ctx context.Context, url string) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// Tail returns the last lines of the log.
func (p *Process) Tail(lines int) string {
	text, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(rows[max(0, len(rows)-lines):], "\n")
}

// Until asks again every few milliseconds until the answer is nil, and returns the last answer when ctx ends.
func Until(ctx context.Context, ask func() error) error {
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	var last error
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if last == nil || !errors.Is(err, context.DeadlineExceeded) {
			last = err // what was wrong tells more than that the time is over
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return errors.Join(last, ctx.Err())
		}
	}
}

// FreeAddr returns a loopback address whose port is free now.
func FreeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
