package ingest

import (
	"hash/maphash"
	"slices"
	"sync"

	"tollgate.dev/controlplane/internal/ident"
)

// How many different texts of callers get sums of their own, in one organization and day and as one control plane counts. What is beyond is
// summed up under other: the sums stay whole.
const (
	tagNamesMax  = 64
	tagValuesMax = 2_000 // of one label
	endUsersMax  = 20_000
	tagDaysMax   = 4_000 // organizations' days that are remembered
	other        = "(other)"
	endUserTag   = "" // no label is called so
)

// tag is a label of an event as it is summed up, or its end user.
type tag struct{ name, value string }

// tagDay is a day (UTC) of an organization.
type tagDay struct {
	org ident.Org
	day int64 // Unix seconds
}

// seen are the values by name that have sums of their own. Values are kept as hashes: two that fall together are both taken for known.
type seen map[string]map[uint64]struct{}

// tags knows which texts have sums of their own. Each control plane counts for itself: what it lets in beyond another's is bounded too.
type tags struct {
	mu   sync.Mutex
	seed maphash.Seed
	days map[tagDay]seen
}

func newTags() *tags { return &tags{seed: maphash.MakeSeed(), days: map[tagDay]seen{}} }

// knows says whether the day was learned.
func (t *tags) knows(day tagDay) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.days[day] != nil
}

// learn takes over what has sums already on a day.
func (t *tags) learn(day tagDay, had []tag) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.days) >= tagDaysMax {
		clear(t.days)
	}
	known := seen{}
	for _, one := range had {
		if known[one.name] == nil {
			known[one.name] = map[uint64]struct{}{}
		}
		known[one.name][maphash.String(t.seed, one.value)] = struct{}{}
	}
	t.days[day] = known
}

// assign gives each event of an organization its tags, one of each name.
func (t *tags) assign(org ident.Org, events []*event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range events {
		labels, user := e.in.GetLabels(), e.in.GetEndUser()
		if len(labels) == 0 && user == "" {
			continue
		}
		known := t.days[tagDay{org, e.started.Truncate(day).Unix()}]
		e.tags = make([]tag, 0, len(labels)+1)
		if user != "" {
			e.tags = append(e.tags, t.admit(known, endUserTag, user, endUsersMax))
		}
		for name, value := range labels {
			one := t.admit(known, name, value, tagValuesMax)
			if one.name != other || !slices.ContainsFunc(e.tags, func(had tag) bool { return had.name == other }) {
				e.tags = append(e.tags, one)
			}
		}
	}
}

// admit returns the tag that a name and value are summed up as. A day that is not known, because others drove it out meanwhile, has no bounds.
func (t *tags) admit(known seen, name, value string, most int) tag {
	if known == nil {
		return tag{name, value}
	}
	values := known[name]
	if values == nil {
		if len(known) >= tagNamesMax+1 { // and the end user
			return tag{other, other}
		}
		values = map[uint64]struct{}{}
		known[name] = values
	}
	hash := maphash.String(t.seed, value)
	if _, there := values[hash]; there {
		return tag{name, value}
	}
	if len(values) >= most {
		return tag{name, other}
	}
	values[hash] = struct{}{}
	return tag{name, value}
}
