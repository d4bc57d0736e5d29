package limit

import (
	"testing"
	"time"

	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

func TestUsesTellsOfTheFullestSubjectOfEachLimit(t *testing.T) {
	t.Parallel()
	now := time.Unix(startUnix, 0)
	clock := now
	l := New(func() time.Time { return clock })
	calls, users, slots, own := rule(requests, 100, perMinute), rule(requests, 10, perMinute), rule(concurrent, 5, 0), rule(requests, 10, perMinute)
	own.OfKey = true
	take := func(limit *state.RateLimit, subject string, times int) {
		m := l.meters.of(limit, subject, now)
		for range times {
			p := part{limit: limit, meter: m, need: 1, lack: 1}
			if _, _, ok := m.alone(&p, limit.Amount, false, now); !ok {
				t.Fatal("refused")
			}
		}
	}
	take(calls, "", 3)
	take(users, "ann", 1)
	take(users, "bob", 2)
	take(slots, "", 2)
	take(own, "", 3)
	found := map[wire.ID]*wire.RateUse{}
	for _, one := range l.Uses().GetAll() {
		id, _ := wire.IDFromBytes(one.GetLimitId())
		found[id] = one
	}
	if len(found) != 3 || found[calls.ID].GetTaken() != 3 || found[users.ID].GetTaken() != 2 || found[users.ID].GetSubject() != "bob" || found[slots.ID].GetTaken() != 2 {
		t.Errorf("%v", found)
	}
	clock = now.Add(2 * time.Minute)
	if left := l.Uses().GetAll(); len(left) != 1 { // two calls are still under way
		t.Errorf("after the window: %v", left)
	}
}

func TestUsesTellsWhatRedisSaidLately(t *testing.T) {
	t.Parallel()
	clock := time.Unix(startUnix, 0)
	l := New(func() time.Time { return clock })
	limit := rule(requests, 100, perMinute)
	m := l.meters.of(limit, "", clock)
	m.hear(ask{}, grant{free: 30}, 10, clock)
	if all := l.Uses().GetAll(); len(all) != 1 || all[0].GetKnown() != 70 || all[0].GetTaken() != 0 || all[0].GetKnownUnixMs() != clock.UnixMilli() {
		t.Errorf("%v", all)
	}
	clock = clock.Add(knownFor + time.Second)
	if all := l.Uses().GetAll(); len(all) != 0 {
		t.Errorf("what Redis said long ago is still told: %v", all)
	}
}
