// Package direct reads and writes TCP connections without telling Go's scheduler that a system call begins. Calls on a socket that does not
// block are over sooner than a processor changes hands.
// It refuses nothing: what is not TCP stays as it is.
package direct
