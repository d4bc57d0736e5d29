// Package edgeui draws the edges that carry calls: which generation each runs, how late it is and how it is.
// It refuses to fetch them.
package edgeui

import "tollgate.dev/web/component"

// List is the page of all edges.
type List struct {
	Rows       []Row
	Generation string          // of this organization, as committed last
	Summary    component.Badge // "2 of 2 up to date"
	Problem    Problem         // zero: the newest generation is pushed
}

// Problem says why the newest generation is not pushed.
type Problem struct {
	Generation string
	Reason     string
	Path       string // the item and field that is wrong
	Noticed    component.Moment
}

// Row is one edge.
type Row struct {
	ID            string
	Name          string
	Region        string
	Version       string
	State         component.Badge // connected, away, draining
	Seen          component.Moment
	Generation    string // last acked
	Behind        component.Badge
	Lag           string // commit to ack, e.g. "38 ms"
	Acked         component.Moment
	Pending       string // records in the spool
	SpoolSize     string
	Kept          string // reported and kept for a while; empty: nothing
	Damaged       string // records that could not be read; empty: none
	Unrecorded    string // calls of the organization; empty: none
	Rejected      string // usage records of the organization; empty: none
	InFlight      string
	Requests      string
	ClockSkew     string // empty: none worth saying
	Counting      string // of rate limits; empty: as it should
	CountingSince component.Moment
	Nack          string // reason; empty: none
	NackPath      string // the field that was wrong
	NackedGen     string
	Open          []OpenTarget // models from which it holds calls back
}

// OpenTarget is a model at a provider that an edge does not call for a while.
type OpenTarget struct {
	Edge     string // its name
	Provider string
	Model    string
	Route    string // whose calls alone are held back; empty: all
	State    component.Badge
	Why      string // "5 failures, the last: status 503"
	Since    component.Moment
	Next     component.Moment // when it is tried; zero: the next call does
}
