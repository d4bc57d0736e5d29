package e2e

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
	"tollgate.dev/e2e/internal/rig"
)

// dear is a model of which one call of purse.body costs ten cents at most: 600 USD for a million tokens of output, 150 for input.
const dear = "o1-pro"

// purse is a key under a hard budget of its own, to be called dry from many edges at once.
type purse struct {
	project *project
	keyID   string
	key     string
	budget  string // id
	limit   *big.Int
	path    string
	body    string
	client  *http.Client
	made    atomic.Int64 // calls of which an edge must have kept an event
}

// newPurse makes a key with a budget; besides are further fields of the budget.
func newPurse(t *testing.T, p *project, name, limitUSD string, besides rig.Object) *purse {
	t.Helper()
	u := &purse{
		project: p, path: "/v1/chat/completions",
		body:   `{"model":"` + dear + `","max_tokens":116,"messages":[{"role":"user","content":"sim:tokens=116 for ` + name + `"}]}`,
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 200}},
	}
	u.keyID, u.key = p.keyOnly(t, name)
	u.limit = picoOf(t, limitUSD)
	in := rig.Object{"name": name, "scope": "virtual_key", "scope_id": u.keyID, "limit_usd": limitUSD, "period": "total", "time_zone": "UTC", "mode": "hard"}
	for field, value := range besides {
		in[field] = value
	}
	u.budget = p.create(t, "/budgets", in)
	p.known(t)
	return u
}

// keyOnly makes a key without waiting for the edges.
func (p *project) keyOnly(t *testing.T, name string) (id, key string) {
	t.Helper()
	id, key, err := p.house.Admin.NewKey(t.Context(), rig.Object{"name": name, "workspace_id": p.workspace, "agent_id": p.agent})
	must(t, err)
	return id, key
}

// known waits until every edge has the organization's newest generation.
func (p *project) known(t *testing.T) {
	t.Helper()
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	must(t, rig.Until(ctx, func() error { _, err := p.house.Acked(ctx); return err }))
}

func picoOf(t *testing.T, usd string) *big.Int {
	t.Helper()
	rat, ok := new(big.Rat).SetString(usd)
	if !ok {
		t.Fatalf("%q is no amount", usd)
	}
	rat.Mul(rat, new(big.Rat).SetInt64(1_000_000_000_000))
	return new(big.Int).Set(rat.Num())
}

// tally is what came of many calls.
type tally struct {
	answered, refused, failed atomic.Int64
	odd                       atomic.Pointer[said]
}

func (s *tally) String() string {
	text := fmt.Sprintf("%d answered, %d refused, %d failed", s.answered.Load(), s.refused.Load(), s.failed.Load())
	if odd := s.odd.Load(); odd != nil {
		text += fmt.Sprintf(" (%d %s)", odd.Status, odd.Body)
	}
	return text
}

// call makes one call at an edge.
func (u *purse) call(ctx context.Context, edge *rig.Edge) said {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, edge.URL+u.path, strings.NewReader(u.body))
	if err != nil {
		return said{Body: err.Error()}
	}
	request.Header.Set("Authorization", "Bearer "+u.key)
	request.Header.Set("Content-Type", "application/json")
	answer := sayOf(u.client.Do(request))
	if answer.Status != 0 {
		u.made.Add(1)
	}
	return answer
}

// unleased says whether a call was refused because the edge had no answer from the control plane, not for want of money.
func unleased(answer said) bool {
	return answer.Status == http.StatusServiceUnavailable && strings.Contains(answer.Body, wire.CodeBudgetUnavailable)
}

func (s *tally) note(answer said) {
	switch {
	case answer.Status == http.StatusOK:
		s.answered.Add(1)
	case answer.Status == http.StatusPaymentRequired, unleased(answer):
		s.refused.Add(1)
	default:
		s.failed.Add(1)
		s.odd.CompareAndSwap(nil, &answer)
	}
}

// salvo makes n calls at once, spread over the edges.
func (u *purse) salvo(ctx context.Context, n int) *tally {
	sum := new(tally)
	var running sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		running.Go(func() {
			<-start
			sum.note(u.call(ctx, u.project.house.Edges[i%len(u.project.house.Edges)]))
		})
	}
	close(start)
	running.Wait()
	return sum
}

const retryWithin = 50 * time.Millisecond

// drain calls edge after edge until none answers, also asked again a moment later; nothing else calls meanwhile, so that a refusal is false when
// another edge answers after it. It returns the most that a refused call could have cost.
func (u *purse) drain(t *testing.T) (worst *big.Int) {
	t.Helper()
	var refusedBy, atFirst []string // since the last answer; the latter were answered when asked again
	for range 500 {
		answered := 0
		worst = nil
		for _, edge := range u.project.house.Edges {
			answer := u.call(t.Context(), edge)
			if answer.Status == http.StatusPaymentRequired {
				pause(t.Context(), retryWithin)
				if answer = u.call(t.Context(), edge); answer.Status == http.StatusOK {
					atFirst = append(atFirst, edge.Name)
				}
			}
			switch {
			case unleased(answer): // there is more
				answered++
			case answer.Status == http.StatusOK:
				answered++
				if len(refusedBy) > 0 {
					t.Errorf("%s answers what was refused twice by %v", edge.Name, refusedBy)
				}
				refusedBy = nil
			case answer.Status == http.StatusPaymentRequired:
				refusedBy = append(refusedBy, edge.Name)
				if asked := worstOf(t, answer); worst == nil || asked.Cmp(worst) > 0 {
					worst = asked
				}
			default:
				t.Fatalf("%s answers %d %s", edge.Name, answer.Status, answer.Body)
			}
		}
		if answered == 0 {
			t.Logf("refused at first, answered %s later: %v", retryWithin, atFirst)
			return worst
		}
	}
	t.Fatal("the budget does not come to its end")
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

var worstText = regexp.MustCompile(`can cost up to \$?([0-9.]+[0-9])`)

func worstOf(t *testing.T, answer said) *big.Int {
	t.Helper()
	found := worstText.FindStringSubmatch(answer.Body)
	if found == nil {
		t.Fatalf("the refusal does not say what the call can cost: %s", answer.Body)
	}
	return picoOf(t, found[1])
}

// overrun is by how much an account passes its limit, in SQL.
const overrun = "greatest(0, spent + leased + in_doubt - limit_pico - budget_raised(org_id, budget_id, now()))"

// books are the accounts of a budget, added up.
type books struct{ spent, leased, doubt, overrun *big.Int }

func (b books) taken() *big.Int { return new(big.Int).Add(b.spent, b.doubt) }

func (b books) String() string {
	return fmt.Sprintf("spent %s leased %s in doubt %s overrun %s", b.spent, b.leased, b.doubt, b.overrun)
}

func (u *purse) books(t *testing.T, budget string) books {
	t.Helper()
	rows, err := u.project.house.Texts(t.Context(),
		"SELECT coalesce(sum(spent), 0), coalesce(sum(leased), 0), coalesce(sum(in_doubt), 0), coalesce(sum("+overrun+"), 0) FROM budget_period JOIN budget USING (org_id, budget_id) WHERE budget_id = $1", budget)
	must(t, err)
	return booksOf(rows[0])
}

// booksOf reads spent, leased, in doubt and overrun.
func booksOf(row []string) books {
	all := [4]*big.Int{}
	for i := range all {
		all[i], _ = new(big.Int).SetString(row[i], 10)
	}
	return books{all[0], all[1], all[2], all[3]}
}

// settled waits until every call that was made has arrived and returns the budget's books. lost is how many calls an edge took with it.
func (u *purse) settled(t *testing.T, lost int64) books {
	t.Helper()
	ctx, cancel := contextOf(t, 2*patience)
	defer cancel()
	must(t, rig.Until(ctx, func() error {
		rows, err := u.project.house.Texts(ctx, "SELECT count(DISTINCT request_id) + coalesce(sum(count - 1), 0) FROM usage_event WHERE virtual_key_id = $1", u.keyID)
		if err != nil {
			return err
		}
		var found int64
		if _, err := fmt.Sscan(rows[0][0], &found); err != nil {
			return err
		}
		if found < u.made.Load()-lost {
			pause(ctx, 100*time.Millisecond)
			return fmt.Errorf("%d of %d calls have arrived", found, u.made.Load())
		}
		return nil
	}))
	return u.books(t, u.budget)
}

// billed is what the provider bills for the key's calls, and what of it the events of the key say, in pico-USD.
func (u *purse) billed(t *testing.T) (truth, told *big.Int) {
	t.Helper()
	bills, err := u.project.house.Ledger(t.Context())
	must(t, err)
	byID := map[string]rig.Bill{}
	for _, bill := range bills {
		byID[bill.ClientRequestID] = bill
	}
	rows, err := u.project.house.Texts(t.Context(), `SELECT e.event_id, e.cost_pico, p.input_pico, coalesce(p.cached_input_pico, 0), p.output_pico
		FROM usage_event e JOIN model_price p ON p.price_id = e.price_id WHERE e.virtual_key_id = $1 AND e.outcome <> 'refused'`, u.keyID)
	must(t, err)
	truth, told = new(big.Int), new(big.Int)
	for _, row := range rows {
		bill := byID[row[0]]
		var cost, input, cached, output int64
		for i, into := range []*int64{&cost, &input, &cached, &output} {
			if _, err := fmt.Sscan(row[i+1], into); err != nil {
				t.Fatal(err)
			}
		}
		truth.Add(truth, big.NewInt(bill.InputTokens*input+bill.CachedInputTokens*cached+bill.OutputTokens*output))
		told.Add(told, big.NewInt(cost))
	}
	return truth, told
}

// held fails when the books or the provider pass the limit by one pico-dollar, or the books differ from the provider.
func (u *purse) held(t *testing.T, lost int64) books {
	t.Helper()
	b := u.settled(t, lost)
	if total := new(big.Int).Add(b.taken(), b.leased); total.Cmp(u.limit) > 0 || b.overrun.Sign() != 0 {
		t.Errorf("the budget of %s is overshot: %s", u.limit, b)
	}
	truth, told := u.billed(t)
	if truth.Cmp(u.limit) > 0 {
		t.Errorf("the provider bills %s, which passes the limit %s", truth, u.limit)
	}
	if lost == 0 && (truth.Cmp(told) != 0 || told.Cmp(b.spent) != 0) {
		t.Errorf("the provider bills %s, the events say %s, the budget says %s", truth, told, b)
	}
	return b
}

// usable fails unless less than one more call is left, which is at least 98 % used.
func (u *purse) usable(t *testing.T, b books, worst *big.Int) {
	t.Helper()
	left := new(big.Int).Sub(u.limit, b.taken())
	if left.Cmp(worst) >= 0 {
		t.Errorf("every edge refuses a call of %s while %s is left: %s", worst, left, b)
	}
	t.Logf("limit %s, left %s, one call %s", u.limit, left, worst)
}

// lower changes the limit.
func (u *purse) lower(t *testing.T, limitUSD string) {
	t.Helper()
	must(t, u.project.house.Admin.Do(t.Context(), http.MethodPatch, "/budgets/"+url.PathEscape(u.budget), rig.Object{"limit_usd": limitUSD}, nil))
	u.limit = picoOf(t, limitUSD)
}
