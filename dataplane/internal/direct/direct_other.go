//go:build !linux || 386

package direct

import "net"

// New returns the connection as it is: elsewhere programs call the system through the standard library, or by other numbers.
func New(c net.Conn) net.Conn { return c }
