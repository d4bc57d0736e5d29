// Package setupui draws how programs are told to call an edge with a virtual key: what to install, which lines to write where.
// It refuses to know which of them have been tried: the end-to-end tests take the lines from the page and run them.
package setupui

// Page is how to set up programs for one virtual key.
type Page struct {
	Title  string
	URL    string   // of the edges; no trailing slash
	Key    string   // the key's text, or what stands for it
	Models []string // that the key may use; empty: there is none yet
	Groups []Group
}

// Group is programs of one kind.
type Group struct {
	Title    string
	Programs []Program
}

// Program is one thing that calls models.
type Program struct {
	ID    string // of its section, and before the number of each step
	Title string
	Note  string
	Steps []Step
}

// Step is lines to copy to one place.
type Step struct {
	ID    string
	Where string
	Lines string
}
