package usage

import (
	"context"
	"sync"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// Channel is the Postgres notification channel on which new usage is announced at its commit; the payload is the organization's id.
const Channel = "tollgate_usage"

const changesApart = 500 * time.Millisecond

// listener hears the database's notifications.
type listener interface {
	Hear(channel string, do func(payload string))
	Fresh(do func())
}

// Feed tells who watches an organization that it has new usage.
type Feed struct {
	mu       sync.Mutex
	watchers map[ident.Org]map[chan struct{}]struct{}
}

// NewFeed returns a Feed. Register it with Listen.
func NewFeed() *Feed { return &Feed{watchers: map[ident.Org]map[chan struct{}]struct{}{}} }

// Listen registers for new usage. Call it before the listener runs.
func (f *Feed) Listen(notifications listener) {
	notifications.Hear(Channel, func(payload string) {
		if org, err := ident.Parse[ident.Org](payload); err == nil {
			f.changed(org)
		}
	})
	notifications.Fresh(f.all)
}

// Changes returns a channel that receives after new usage of the organization, at most twice a second, until ctx ends; then it is closed.
func (f *Feed) Changes(ctx context.Context, org ident.Org) <-chan struct{} {
	news, out := make(chan struct{}, 1), make(chan struct{})
	f.mu.Lock()
	if f.watchers[org] == nil {
		f.watchers[org] = map[chan struct{}]struct{}{}
	}
	f.watchers[org][news] = struct{}{}
	f.mu.Unlock()
	go func() {
		defer close(out)
		defer f.leave(org, news)
		pass(ctx, news, out)
	}()
	return out
}

// pass hands news on, with a pause after each.
func pass(ctx context.Context, news <-chan struct{}, out chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-news:
		}
		select {
		case <-ctx.Done():
			return
		case out <- struct{}{}:
		}
		pause := time.NewTimer(changesApart)
		select {
		case <-ctx.Done():
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}

func (f *Feed) changed(org ident.Org) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for news := range f.watchers[org] {
		select {
		case news <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// all wakes everybody: what was announced while nobody listened is missed otherwise.
func (f *Feed) all() {
	f.mu.Lock()
	orgs := make([]ident.Org, 0, len(f.watchers))
	for org := range f.watchers {
		orgs = append(orgs, org)
	}
	f.mu.Unlock()
	for _, org := range orgs {
		f.changed(org)
	}
}

func (f *Feed) leave(org ident.Org, news chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watchers[org], news)
	if len(f.watchers[org]) == 0 {
		delete(f.watchers, org)
	}
}
