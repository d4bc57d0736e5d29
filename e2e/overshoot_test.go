package e2e

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

const (
	manyEdges = 8
	manyCalls = 1000
)

// manyStand is a house of eight edges that can be cut off from the control plane, with a project whose routes lead to a dear model.
func manyStand(t *testing.T, env ...string) *project {
	t.Helper()
	dir, err := filepath.Abs(houseDir(strings.ReplaceAll(t.Name(), "/", "-")))
	must(t, err)
	must(t, os.RemoveAll(dir))
	options := rigOptions(dir, manyEdges)
	options.Cuttable, options.LogLevel, options.Env = true, "warn", env
	house, err := rig.New(t.Context(), options)
	must(t, err)
	closing(t, house)
	p := newProject(t, house)
	provider := p.create(t, "/providers", rig.Object{
		"name": "dear", "kind": "openai", "base_url": house.SimulatorURL + "/openai", "catalog": "openai", "private_network": true, "credential": "sk-sim-dear",
	})
	good, bad := rig.Object{"provider_id": provider, "model": dear, "weight": 1}, rig.Object{"provider_id": provider, "model": "o1", "weight": 1}
	for name, targets := range map[string][]rig.Object{dear: {good}, "second-try": {bad, good}} {
		p.create(t, "/routes", rig.Object{"name": name, "workspace_id": p.workspace, "strategy": "fallback", "targets": targets})
	}
	must(t, house.Fault(t.Context(), rig.Object{"model": "o1", "kind": "status", "status": 503}))
	p.known(t)
	return p
}

// TestHardBudgetsNeverOvershoot calls eight edges at once, 1,000 calls at a time, and holds the provider's ledger against the limit.
func TestHardBudgetsNeverOvershoot(t *testing.T) {
	p := manyStand(t)
	cases := []struct {
		name string
		run  func(*testing.T, *project)
	}{
		{"five dollars", fiveDollars},
		{"enough for all", enoughForAll},
		{"nested", nested},
		{"lowered", lowered},
		{"edge killed", edgeKilled},
		{"cut off", cutOff},
		{"long answers", longAnswers},
		{"no usage", noUsage},
		{"no limit set", noLimitSet},
		{"second target", secondTarget},
		{"embeddings", embeddings},
		{"unknown end users", unknownEndUsers},
		{"raised", raised},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, p) })
	}
}

func fiveDollars(t *testing.T, p *project) {
	u := newPurse(t, p, "five-dollars", "5", nil)
	t.Log(u.salvo(t.Context(), manyCalls))
	worst := u.drain(t)
	u.usable(t, u.held(t, 0), worst)
}

func enoughForAll(t *testing.T, p *project) {
	u := newPurse(t, p, "enough", "250", nil)
	sum := u.salvo(t.Context(), manyCalls)
	if sum.answered.Load() != manyCalls {
		t.Errorf("a budget of 250 USD refuses some of 1,000 calls of 10 cents: %s", sum)
	}
	u.held(t, 0)
}

func nested(t *testing.T, p *project) {
	u := newPurse(t, p, "nested-key", "5", nil)
	workspace := p.create(t, "/budgets", rig.Object{"name": "nested-workspace", "scope": "workspace", "scope_id": p.workspace, "limit_usd": "4", "period": "total", "time_zone": "UTC", "mode": "hard"})
	org := p.create(t, "/budgets", rig.Object{"name": "nested-org", "scope": "org", "limit_usd": "3", "period": "month", "time_zone": "UTC", "mode": "hard"})
	defer func() {
		for _, id := range []string{workspace, org} {
			must(t, p.house.Admin.Do(t.Context(), http.MethodDelete, "/budgets/"+id, nil, nil))
		}
		p.known(t)
	}()
	p.known(t)
	t.Log(u.salvo(t.Context(), manyCalls))
	worst := u.drain(t)
	b := u.held(t, 0)
	for id, limit := range map[string]string{workspace: "4", org: "3"} {
		other := u.books(t, id)
		if other.taken().Cmp(b.taken()) != 0 || new(big.Int).Add(other.taken(), other.leased).Cmp(picoOf(t, limit)) > 0 || other.overrun.Sign() != 0 {
			t.Errorf("the key's budget says %s, one of %s USD around it %s", b, limit, other)
		}
	}
	u.limit = picoOf(t, "3") // the tightest
	u.usable(t, b, worst)
}

// lowered halves the limit while calls are under way: what was spent and lent until then may stay, nothing more.
func lowered(t *testing.T, p *project) {
	u := newPurse(t, p, "lowered", "20", nil)
	var running sync.WaitGroup
	running.Go(func() { t.Log(u.salvo(t.Context(), 60)) })
	running.Go(func() {
		pause(t.Context(), 20*time.Millisecond)
		u.lower(t, "2")
	})
	running.Wait()
	at := u.books(t, u.budget)
	most := new(big.Int).Add(at.taken(), at.leased)
	if most.Cmp(u.limit) < 0 {
		most = u.limit
	}
	p.known(t)
	t.Log(u.salvo(t.Context(), manyCalls))
	u.drain(t)
	b := u.settled(t, 0)
	if total := new(big.Int).Add(b.taken(), b.leased); total.Cmp(most) > 0 {
		t.Errorf("after the limit was lowered to %s, with %s spent and lent, the books say %s", u.limit, most, b)
	}
	if truth, told := u.billed(t); truth.Cmp(told) != 0 || told.Cmp(b.spent) != 0 {
		t.Errorf("the provider bills %s, the events say %s, the budget says %s", truth, told, b)
	}
}

func edgeKilled(t *testing.T, p *project) {
	u := newPurse(t, p, "edge-killed", "5", nil)
	must(t, p.house.Fault(t.Context(), rig.Object{"model": dear, "kind": "latency", "latency_ms": 150, "count": 40}))
	var running sync.WaitGroup
	var sum *tally
	running.Go(func() { sum = u.salvo(t.Context(), manyCalls) })
	running.Go(func() {
		pause(t.Context(), 200*time.Millisecond)
		p.house.Edges[0].Kill()
	})
	running.Wait()
	must(t, p.house.ClearFaults(t.Context()))
	must(t, p.house.Fault(t.Context(), rig.Object{"model": "o1", "kind": "status", "status": 503}))
	must(t, p.house.StartEdge(t.Context(), p.house.Edges[0]))
	p.known(t)
	t.Log(sum)
	worst := u.drain(t)
	b := u.held(t, sum.failed.Load())
	u.usable(t, b, worst)
}

func cutOff(t *testing.T, p *project) {
	u := newPurse(t, p, "cut-off", "20", nil)
	t.Log(u.salvo(t.Context(), 40))
	p.house.Line.Cut()
	alone := u.salvo(t.Context(), manyCalls)
	t.Log("cut off: ", alone)
	if alone.failed.Load() > 0 {
		t.Errorf("calls fail while the control plane is away: %s", alone)
	}
	p.house.Line.Mend()
	p.reconnected(t)
	worst := u.drain(t)
	u.usable(t, u.held(t, 0), worst)
}

// reconnected waits until every edge holds a stream to the control plane again.
func (p *project) reconnected(t *testing.T) {
	t.Helper()
	ctx, cancel := contextOf(t, 2*patience)
	defer cancel()
	must(t, rig.Until(ctx, func() error {
		var edges struct {
			Items []struct {
				Connected bool `json:"connected"`
			} `json:"items"`
		}
		if err := p.house.Admin.Do(ctx, http.MethodGet, "/edges", nil, &edges); err != nil {
			return err
		}
		for _, edge := range edges.Items {
			if !edge.Connected {
				return fmt.Errorf("not every edge is connected: %+v", edges.Items)
			}
		}
		return nil
	}))
}

// extensionTokens is by how many tokens a stream that passes its reservation may be ahead of the budget.
const extensionTokens = 64

// longAnswers has a provider that answers beyond max_tokens. What it bills is settled all the same; streams are cut one extension later at
// most.
func longAnswers(t *testing.T, p *project) {
	u := newPurse(t, p, "long-answers", "1", nil)
	u.body = strings.Replace(u.body, `"max_tokens":116`, `"max_tokens":20,"stream":true`, 1)
	must(t, p.house.Fault(t.Context(), rig.Object{"model": dear, "kind": "long"}))
	defer func() {
		must(t, p.house.ClearFaults(t.Context()))
		must(t, p.house.Fault(t.Context(), rig.Object{"model": "o1", "kind": "status", "status": 503}))
	}()
	const streams = 40
	t.Log(u.salvo(t.Context(), streams))
	b := u.settled(t, 0)
	truth, _ := u.billed(t)
	over := new(big.Int).Sub(truth, u.limit)
	if booked := new(big.Int).Sub(b.taken(), u.limit); booked.Cmp(over) > 0 {
		over = booked
	}
	if most := big.NewInt(streams * extensionTokens * 600_000_000); over.Cmp(most) > 0 {
		t.Errorf("the budget is overshot by %s, want at most %s: %s", over, most, b)
	}
	t.Logf("over by %s pico-USD", over)
}

func noUsage(t *testing.T, p *project) {
	u := newPurse(t, p, "no-usage", "5", nil)
	u.body = strings.Replace(u.body, `"max_tokens":116`, `"max_tokens":116,"stream":true`, 1)
	must(t, p.house.Fault(t.Context(), rig.Object{"model": dear, "kind": "no_usage"}))
	defer func() {
		must(t, p.house.ClearFaults(t.Context()))
		must(t, p.house.Fault(t.Context(), rig.Object{"model": "o1", "kind": "status", "status": 503}))
	}()
	t.Log(u.salvo(t.Context(), manyCalls))
	worst := u.drain(t)
	b := u.settled(t, 0)
	if b.overrun.Sign() != 0 || b.taken().Cmp(u.limit) > 0 {
		t.Errorf("the budget is overshot: %s", b)
	}
	u.usable(t, b, worst)
	rows, err := p.house.Texts(t.Context(), "SELECT count(*) FROM usage_event WHERE virtual_key_id = $1 AND outcome = 'ok' AND NOT estimated", u.keyID)
	must(t, err)
	if rows[0][0] != "0" {
		t.Errorf("%s calls without usage are not marked as estimated", rows[0][0])
	}
}

func noLimitSet(t *testing.T, p *project) {
	u := newPurse(t, p, "no-limit-set", "15", nil)
	u.body = strings.Replace(u.body, `"max_tokens":116,`, "", 1)
	t.Log(u.salvo(t.Context(), manyCalls))
	worst := u.drain(t)
	u.usable(t, u.held(t, 0), worst)
}

func secondTarget(t *testing.T, p *project) {
	u := newPurse(t, p, "second-target", "3", nil)
	u.body = strings.Replace(u.body, `"`+dear+`"`, `"second-try"`, 1)
	t.Log(u.salvo(t.Context(), manyCalls))
	worst := u.drain(t)
	u.usable(t, u.held(t, 0), worst)
}

func embeddings(t *testing.T, p *project) {
	u := newPurse(t, p, "embeddings", "0.0001", nil)
	u.path, u.body = "/v1/embeddings", `{"model":"`+embedder+`","input":"`+strings.Repeat("a word after the other ", 20)+`"}`
	t.Log(u.salvo(t.Context(), manyCalls))
	worst := u.drain(t)
	u.usable(t, u.held(t, 0), worst)
}

// unknownEndUsers has each of eight edges hear of an end user for the first time at the same moment.
func unknownEndUsers(t *testing.T, p *project) {
	const fits = 4
	u := newPurse(t, p, "end-users", "0.45", rig.Object{"scope": "end_user", "scope_id": nil, "scope_value": "*"})
	plain := u.body
	for i := range 5 {
		user := fmt.Sprintf("user-%d", i)
		u.body = strings.Replace(plain, `{`, `{"user":"`+user+`",`, 1)
		sum := u.salvo(t.Context(), manyEdges)
		t.Logf("%s: %s", user, sum)
		if sum.answered.Load() < fits || sum.failed.Load() > 0 {
			t.Errorf("8 first calls of %s at once, %d of which fit whatever they cost: %s", user, fits, sum)
		}
		worst := u.drain(t)
		u.settled(t, 0)
		rows, err := p.house.Texts(t.Context(), "SELECT spent, leased, in_doubt, "+overrun+" FROM budget_period JOIN budget USING (org_id, budget_id) WHERE budget_id = $1 AND subject = $2", u.budget, user)
		must(t, err)
		if len(rows) != 1 {
			t.Fatalf("%s has %d accounts", user, len(rows))
		}
		b := booksOf(rows[0])
		if total := new(big.Int).Add(b.taken(), b.leased); total.Cmp(u.limit) > 0 || b.overrun.Sign() != 0 {
			t.Errorf("the budget of %s is overshot: %s", user, b)
		}
		u.usable(t, b, worst)
	}
	if truth, told := u.billed(t); truth.Cmp(told) != 0 || told.Cmp(u.books(t, u.budget).spent) != 0 {
		t.Errorf("the provider bills %s, the events say %s, the budget says %s", truth, told, u.books(t, u.budget))
	}
}

// raised ends a raise while edges hold money beyond the limit that is left: they hand it back, and nothing more is answered.
func raised(t *testing.T, p *project) {
	u := newPurse(t, p, "raised", "1", nil)
	var made struct {
		ID string `json:"id"`
	}
	path := "/budgets/" + u.budget + "/raises"
	must(t, p.house.Admin.Do(t.Context(), http.MethodPost, path, rig.Object{"amount_usd": "9", "reason": "a test", "ends_at": time.Now().Add(time.Hour)}, &made))
	sum := u.salvo(t.Context(), 40)
	t.Log(sum)
	if sum.answered.Load() != 40 {
		t.Errorf("a budget of 10 USD with its raise refuses some of 40 calls of 10 cents: %s", sum)
	}
	if b := u.settled(t, 0); b.leased.Sign() == 0 {
		t.Errorf("the edges hold nothing: %s", b)
	}
	must(t, p.house.Admin.Do(t.Context(), http.MethodDelete, path+"/"+made.ID, nil, nil))
	ended := time.Now()
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	must(t, rig.Until(ctx, func() error {
		if b := u.books(t, u.budget); b.leased.Sign() != 0 {
			return fmt.Errorf("edges still hold money beyond the limit: %s", b)
		}
		return nil
	}))
	t.Logf("everything is back after %s", time.Since(ended).Round(time.Millisecond))
	if after := u.salvo(t.Context(), manyCalls); after.refused.Load() != manyCalls {
		t.Errorf("after the raise: %s", after)
	}
	b := u.settled(t, 0)
	if truth, told := u.billed(t); truth.Cmp(told) != 0 || told.Cmp(b.spent) != 0 || b.leased.Sign() != 0 {
		t.Errorf("the provider bills %s, the events say %s, the budget says %s", truth, told, b)
	}
}

// TestHardBudgetsHoldAcrossThePeriodsEnd has a day end in the middle of the load: by a time zone whose midnight is some seconds away.
func TestHardBudgetsHoldAcrossThePeriodsEnd(t *testing.T) {
	places, err := filepath.Abs(filepath.Join(houseDir(t.Name()), "zones"))
	must(t, err)
	const zone = "Test/Soon"
	p := manyStand(t, "ZONEINFO="+places)
	midnight := time.Now().Add(20 * time.Second).Truncate(time.Second)
	must(t, os.MkdirAll(filepath.Join(places, "Test"), 0o755))
	must(t, os.WriteFile(filepath.Join(places, zone), zoneWithMidnight(midnight), 0o600))
	u := newPurse(t, p, "rollover", "3", rig.Object{"period": "day", "time_zone": zone})
	before, after := new(tally), new(tally)
	for now := time.Now(); now.Before(midnight.Add(3 * time.Second)); now = time.Now() {
		sum := u.salvo(t.Context(), 100)
		into := before
		if now.After(midnight) {
			into = after
		}
		into.answered.Add(sum.answered.Load())
		into.refused.Add(sum.refused.Load())
		if sum.failed.Load() > 0 {
			t.Errorf("calls fail: %s", sum)
		}
	}
	t.Logf("before: %s; after: %s", before, after)
	u.drain(t)
	u.settled(t, 0)
	rows, err := p.house.Texts(t.Context(), "SELECT count(*), coalesce(max(spent + leased + in_doubt), 0), coalesce(sum("+overrun+"), 0), coalesce(sum(spent), 0) FROM budget_period JOIN budget USING (org_id, budget_id) WHERE budget_id = $1", u.budget)
	must(t, err)
	most, _ := new(big.Int).SetString(rows[0][1], 10)
	if rows[0][0] != "2" || most.Cmp(u.limit) > 0 || rows[0][2] != "0" {
		t.Errorf("%s periods, the dearest has %s of %s, overrun %s", rows[0][0], rows[0][1], u.limit, rows[0][2])
	}
	if truth, _ := u.billed(t); truth.String() != rows[0][3] {
		t.Errorf("the provider bills %s, the two days say %s", truth, rows[0][3])
	}
	if after.answered.Load() == 0 {
		t.Error("nothing was answered on the new day")
	}
}

// zoneWithMidnight is a time zone file (RFC 8536, version 1) whose one offset from UTC makes a day begin at the time.
func zoneWithMidnight(at time.Time) []byte {
	offset := 86400 - int32(at.Unix()%86400)
	if offset > 12*3600 {
		offset -= 86400
	}
	file := make([]byte, 44, 64)
	copy(file, "TZif")
	binary.BigEndian.PutUint32(file[36:], 1) // one type
	binary.BigEndian.PutUint32(file[40:], 5) // characters of its name
	file = binary.BigEndian.AppendUint32(file, uint32(offset))
	return append(file, 0, 0, 'S', 'O', 'O', 'N', 0)
}
