//go:build !386

package direct

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// New returns a connection with direct reads and writes where it is TCP, and as it is otherwise.
func New(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	d := &conn{TCPConn: tcp, raw: raw}
	d.in.try = func(fd uintptr) bool { return d.in.call(syscall.SYS_RECVFROM, fd, 0) }
	d.out.try = func(fd uintptr) bool { return d.out.call(syscall.SYS_SENDTO, fd, syscall.MSG_NOSIGNAL) }
	return d
}

// conn is a connection whose Read and Write are direct. Each of them belongs to one goroutine at a time.
type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
}

// transfer is one read or write.
type transfer struct {
	data   []byte
	n      int
	failed syscall.Errno
	waited bool
	try    func(fd uintptr) (done bool) // kept, so that no call makes one
}

// call tries the transfer once. It is false while the socket is not ready.
func (t *transfer) call(trap, fd, flags uintptr) bool {
	for {
		n, _, failed := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.data))), uintptr(len(t.data)), flags, 0, 0) //nolint:gosec // the system call takes an address
		switch failed {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			t.waited = true
			return false
		case 0:
			t.n, t.failed = int(n), 0
		default:
			t.n, t.failed = 0, failed
		}
		return true
	}
}

// do makes the transfer as soon as the socket is ready.
func (t *transfer) do(wait func(func(uintptr) bool) error, data []byte) (int, error) {
	t.data, t.waited = data, false
	err := wait(t.try)
	t.data = nil
	switch {
	case err != nil:
		return 0, err
	case t.failed != 0:
		return 0, t.failed
	default:
		return t.n, nil
	}
}

// Read implements net.Conn.
func (c *conn) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	n, err := c.in.do(c.raw.Read, into)
	if c.in.waited {
		Yield(n)
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, c.wrap("read", err)
}

// Write implements net.Conn.
func (c *conn) Write(data []byte) (int, error) {
	Yield(len(data))
	written := 0
	for written < len(data) {
		n, err := c.out.do(c.raw.Write, data[written:])
		if err != nil {
			return written, c.wrap("write", err)
		}
		written += n
	}
	return written, nil
}

// wrap says of an error of the system where it was, as the standard library does.
func (c *conn) wrap(op string, err error) error {
	errno, ok := err.(syscall.Errno) //nolint:errorlint // it comes as it is from do
	if !ok {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: errno}
}
