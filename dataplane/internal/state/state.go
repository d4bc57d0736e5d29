// Package state holds what an edge knows of its organizations, compiled from the control plane's fragments, behind one atomic pointer.
// It refuses a fragment that is wrong in any part, and it never touches the network or the disk.
package state

import (
	"sync/atomic"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Snapshot is everything that a request needs to know. It never changes; a change makes another one.
type Snapshot struct {
	shards      [shardCount]shard
	tenants     map[wire.ID]*tenant
	prices      *wire.Tariffs // the catalog
	generations map[wire.ID]uint64
}

const shardCount = 256

// shard is the part of the key index whose hashes share their first byte: a change of one key copies one shard.
type shard map[[32]byte]*Key

// Key returns the virtual key with that hash, or nil when there is none.
func (s *Snapshot) Key(hash [32]byte) *Key { return s.shards[hash[0]][hash] }

// LimitPico returns a budget's limit in force, pico-USD; false when the organization has no such budget.
func (s *Snapshot) LimitPico(org, budget wire.ID) (int64, bool) {
	tenant := s.tenants[org]
	if tenant == nil || tenant.base.budgetByID[budget] == nil {
		return 0, false
	}
	return tenant.base.budgetByID[budget].LimitPico, true
}

// Prices returns what a model costs an organization over time, whether a route leads to it or not.
func (s *Snapshot) Prices(org wire.ID, catalog, model string) wire.Schedule {
	if tenant := s.tenants[org]; tenant != nil {
		return tenant.base.prices.Schedule(s.prices, catalog, model)
	}
	return nil
}

// Provider returns a provider of an organization's, and the organization; nil: there is none.
func (s *Snapshot) Provider(org, id wire.ID) (*Provider, *Org) {
	tenant := s.tenants[org]
	if tenant == nil || tenant.base.providers[id] == nil {
		return nil, nil
	}
	return tenant.base.providers[id], tenant.base.org
}

// Generation returns the generation that is held of an organization's fragment (wire.PlatformID: the price catalog); 0 means none.
func (s *Snapshot) Generation(org wire.ID) uint64 { return s.generations[org] }

// Store keeps the current snapshot. Readers call Current; one writer, the subscription, prepares and commits.
type Store struct {
	current atomic.Pointer[Snapshot]
	writer  writer
}

// Current returns the snapshot in force; never nil.
func (s *Store) Current() *Snapshot { return s.current.Load() }

// Key is a virtual key and everything that follows from it.
type Key struct {
	ID            wire.ID
	WorkspaceID   wire.ID
	AgentID       wire.ID // zero: the key stands for no agent
	Name          string
	Workspace     string // its name
	Agent         string // its name; empty: none
	CacheEpoch    uint32 // of its workspace: answers that were kept under another one are forgotten
	Org           *Org
	Revoked       bool
	ExpiresAt     time.Time           // zero: never
	AllowedModels map[string]struct{} // names of routes; nil: all
	Priority      wire.Priority       // among the calls of its workspace that wait for a provider
	AllowsProxy   bool                // it may call the providers of its routes as they are
	DropsFields   bool                // what a provider's format does not have is left out instead of refused
	Budgets       []*Budget           // all that apply, in rising order of id
	Guardrails    []*Guardrail        // all that apply, in rising order of id
	RateLimits    []*RateLimit        // all that apply, its own first
	Routes        map[string]*Route   // by every name; the workspace's own shadow the organization's

	hash [32]byte
}

// Org is an organization.
type Org struct {
	ID         wire.ID
	Name       string
	Slug       string
	Suspended  bool
	Generation uint64 // of the fragment that last changed anything which the key depends on
	// ServesUnrecorded: where the spool has no room, calls that no hard budget holds go on without a record.
	ServesUnrecorded bool
}
