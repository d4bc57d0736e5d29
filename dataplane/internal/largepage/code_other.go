//go:build !(linux && amd64)

package largepage

// Code leaves the code where it is: elsewhere the sizes of pages, and where code stands, are not known to be these.
func Code() (moved int, err error) { return 0, nil }

// Touched does nothing here: how much the system maps around a page is not known.
func Touched() error { return nil }
