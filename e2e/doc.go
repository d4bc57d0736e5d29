// Package e2e proves the promises of the whole house from outside: over HTTP, in a real browser, with the real processes.
// It refuses to reach into any room of either plane.
package e2e
