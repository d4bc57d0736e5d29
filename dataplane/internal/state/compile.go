package state

import (
	"crypto/cipher"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/condition"
)

// Invalid says which part of a fragment is wrong. It becomes a nack.
type Invalid struct {
	Path   string // "<item key>: <field>"; empty: the fragment as a whole
	Reason string
}

// Error returns path and reason.
func (e *Invalid) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// base is everything of an organization but its keys.
type base struct {
	org        *Org
	workspaces map[wire.ID]workspace
	agents     map[wire.ID]string              // names
	conditions map[string]*condition.Condition // of its routes, by their text
	providers  map[wire.ID]*Provider
	routes     map[wire.ID]routeSet // by workspace; zero: the organization's
	budgets    map[scope][]*Budget
	guardrails map[scope][]*Guardrail
	rateLimits map[scope][]*RateLimit
	budgetByID map[wire.ID]*Budget
	prices     *wire.Tariffs // what the organization pays instead of the catalog's

	effective        map[wire.ID]map[string]*Route // by workspace, shadowing applied
	sharedBudgets    map[holder][]*Budget
	sharedGuardrails map[holder][]*Guardrail
	sharedRateLimits map[holder][]*RateLimit
}

func newBase() *base {
	return &base{
		workspaces: map[wire.ID]workspace{}, agents: map[wire.ID]string{}, conditions: map[string]*condition.Condition{}, providers: map[wire.ID]*Provider{}, routes: map[wire.ID]routeSet{},
		budgets: map[scope][]*Budget{}, guardrails: map[scope][]*Guardrail{}, budgetByID: map[wire.ID]*Budget{}, prices: wire.NewTariffs(),
		effective: map[wire.ID]map[string]*Route{}, sharedBudgets: map[holder][]*Budget{}, sharedGuardrails: map[holder][]*Guardrail{},
		rateLimits: map[scope][]*RateLimit{}, sharedRateLimits: map[holder][]*RateLimit{},
	}
}

// compiler turns items into nouns. Its methods stop at the first wrong field by panicking with *Invalid; run recovers it, as it
// recovers every other panic.
type compiler struct {
	credentials cipher.AEAD
	prices      *wire.Tariffs // the catalog that the organization is compiled against
	orgID       wire.ID
	generation  uint64
	language    func() (*condition.Language, error)
	known       map[string]*condition.Condition // what the fragment before had compiled

	base    *base
	catalog *wire.Tariffs
	item    string // the key of the item at hand
	seen    map[string]string
	zones   map[string]*time.Location
}

// run calls work and turns what it panics with into an error.
func (c *compiler) run(work func()) (err error) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case *Invalid:
			err = cause
		default:
			err = &Invalid{Path: c.item, Reason: fmt.Sprintf("compiling panicked: %v", cause)}
		}
	}()
	work()
	return nil
}

func (c *compiler) fail(field, reason string, args ...any) {
	path := c.item
	if field != "" {
		path += ": " + field
	}
	panic(&Invalid{Path: path, Reason: fmt.Sprintf(reason, args...)})
}

func (c *compiler) id(field string, raw []byte) wire.ID {
	id := c.optionalID(field, raw)
	if id.IsZero() {
		c.fail(field, "the id is missing")
	}
	return id
}

func (c *compiler) optionalID(field string, raw []byte) wire.ID {
	id, err := wire.IDFromBytes(raw)
	if err != nil {
		c.fail(field, "%v", err)
	}
	return id
}

func (c *compiler) text(field, text string) string {
	if text == "" {
		c.fail(field, "the text is missing")
	}
	return text
}

// unique refuses a second item with the same value.
func (c *compiler) unique(field, value string) {
	if other, taken := c.seen[value]; taken {
		c.fail(field, "the value is taken by %s", other)
	}
	c.seen[value] = c.item
}

func indexed(list string, i int, field string) string {
	text := list + "[" + strconv.Itoa(i) + "]"
	if field != "" {
		text += "." + field
	}
	return text
}

// nouns says in which order items are compiled: what is referred to comes first. Unknown nouns are left out: a newer control plane
// may send them.
const (
	passPlaces    = iota // organization, workspaces, agents
	passProviders        // providers, prices
	passRules            // routes, budgets, guardrails, rate limits
	passes
)

// compileBase compiles every item but the keys.
func (c *compiler) compileBase(items []*item) error {
	c.base, c.seen, c.zones = newBase(), map[string]string{}, map[string]*time.Location{}
	return c.run(func() {
		bodies := make([]*wire.ItemBody, len(items))
		for i, each := range items {
			if c.item = each.key; each.isKey() {
				continue
			}
			bodies[i] = c.decode(each)
		}
		for pass := range passes {
			if pass == passRules {
				c.arrange(c.base.prices)
			}
			for i, each := range items {
				if c.item = each.key; bodies[i] != nil {
					c.noun(pass, bodies[i])
				}
			}
		}
		c.item = ""
		if c.base.org == nil {
			c.fail("", "the fragment has no organization item")
		}
	})
}

func (c *compiler) decode(each *item) *wire.ItemBody {
	body := new(wire.ItemBody)
	if err := proto.Unmarshal(each.body, body); err != nil {
		c.fail("", "the item does not decode")
	}
	return body
}

func (c *compiler) noun(pass int, body *wire.ItemBody) {
	switch noun := body.GetBody().(type) {
	case *wire.ItemBody_Organization:
		c.on(pass == passPlaces, func() { c.organization(noun.Organization) })
	case *wire.ItemBody_Workspace:
		c.on(pass == passPlaces, func() { c.workspace(noun.Workspace) })
	case *wire.ItemBody_Agent:
		c.on(pass == passPlaces, func() { c.base.agents[c.id("id", noun.Agent.GetId())] = noun.Agent.GetName() })
	case *wire.ItemBody_Provider:
		c.on(pass == passProviders, func() { c.provider(noun.Provider) })
	case *wire.ItemBody_Route:
		c.on(pass == passRules, func() { c.route(noun.Route) })
	case *wire.ItemBody_Budget:
		c.on(pass == passRules, func() { c.budget(noun.Budget) })
	case *wire.ItemBody_Guardrail:
		c.on(pass == passRules, func() { c.guardrail(noun.Guardrail) })
	case *wire.ItemBody_RateLimit:
		c.on(pass == passRules, func() { c.rateLimit(noun.RateLimit) })
	case *wire.ItemBody_VirtualKey:
		c.fail("", "a virtual key's item must be named %s<id>", keyNoun)
	case *wire.ItemBody_Price:
		c.on(pass == passProviders, func() { c.ownPrice(noun.Price) })
	}
}

func (*compiler) on(turn bool, work func()) {
	if turn {
		work()
	}
}

func (c *compiler) organization(in *wire.Organization) {
	if c.id("id", in.GetId()) != c.orgID {
		c.fail("id", "this is another organization's fragment")
	}
	if c.base.org != nil {
		c.fail("id", "the fragment has a second organization item")
	}
	c.base.org = &Org{ID: c.orgID, Name: c.text("name", in.GetName()), Slug: c.text("slug", in.GetSlug()), Suspended: in.GetSuspended(), Generation: c.generation, ServesUnrecorded: in.GetServeWhenSpoolFull()}
}

func (c *compiler) workspace(in *wire.Workspace) {
	id := c.id("id", in.GetId())
	c.unique("id", "workspace "+string(id[:]))
	c.base.workspaces[id] = workspace{name: c.text("name", in.GetName()), cacheEpoch: in.GetCacheEpoch()}
}

// workspace is what keys take over of their workspace.
type workspace struct {
	name       string
	cacheEpoch uint32
}

// compileKey compiles one virtual key against the base.
func (c *compiler) compileKey(each *item) *Key {
	c.item = each.key
	in := c.decode(each).GetVirtualKey()
	if in == nil {
		c.fail("", "the item is not a virtual key")
	}
	key := &Key{
		ID: c.id("id", in.GetId()), Name: in.GetName(), Org: c.base.org, Revoked: in.GetRevoked(),
		WorkspaceID: c.id("workspace_id", in.GetWorkspaceId()), AgentID: c.optionalID("agent_id", in.GetAgentId()),
		Priority: in.GetPriority(), DropsFields: in.GetDropsFields(), AllowsProxy: in.GetAllowsProxy(),
	}
	if len(in.GetHash()) != len(key.hash) {
		c.fail("hash", "the hash has %d bytes, want %d", len(in.GetHash()), len(key.hash))
	}
	key.hash = [32]byte(in.GetHash())
	place, ok := c.base.workspaces[key.WorkspaceID]
	if !ok {
		c.fail("workspace_id", "there is no workspace %s", key.WorkspaceID)
	}
	key.Workspace, key.CacheEpoch, key.Agent = place.name, place.cacheEpoch, c.base.agents[key.AgentID]
	if at := in.GetExpiresUnixMs(); at < 0 {
		c.fail("expires_unix_ms", "the time is negative")
	} else if at > 0 {
		key.ExpiresAt = time.UnixMilli(at).UTC()
	}
	if models := in.GetAllowedModels(); len(models) > 0 {
		key.AllowedModels = make(map[string]struct{}, len(models))
		for _, model := range models {
			key.AllowedModels[model] = struct{}{}
		}
	}
	key.Routes, key.Budgets, key.Guardrails = c.base.routesFor(key.WorkspaceID), c.base.budgetsFor(key), c.base.guardrailsFor(key)
	key.RateLimits = c.base.rateLimitsFor(key, in.GetRequestsPerMinute())
	return key
}

// compileCatalog compiles the platform fragment.
func (c *compiler) compileCatalog(items []*item) error {
	c.catalog, c.seen = wire.NewTariffs(), map[string]string{}
	return c.run(func() {
		for _, each := range items {
			c.item = each.key
			if price := c.decode(each).GetPrice(); price != nil {
				c.listPrice(price)
			}
		}
		c.arrange(c.catalog)
	})
}
