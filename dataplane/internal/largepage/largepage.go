// Package largepage moves the program's own code onto large pages. A request touches code on more pages than a processor knows the
// addresses of at a time; large pages are few. What is read of the program's file stays on small pages, and only those that are.
// It refuses memory that can be written and run at the same time.
package largepage

// Size is the size of a large page in bytes.
const Size = 2 << 20
