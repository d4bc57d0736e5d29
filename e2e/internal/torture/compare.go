package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

const showMost = 5 // of what is wrong; the counts say the rest

// settle waits until every billed attempt has arrived as a usage event and nothing more comes.
func (t *torture) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	t.say("waiting until all usage has arrived")
	last, since := "", time.Now()
	err := rig.Until(ctx, func() error {
		rows, err := t.rig.Texts(ctx, "SELECT count(*), coalesce(sum(spent), 0), coalesce(sum(leased), 0), coalesce((SELECT sum(spool_pending) FROM edge), 0) FROM usage_event, (SELECT sum(spent) AS spent, sum(leased) AS leased FROM budget_period) AS p")
		if err != nil {
			return err
		}
		if now := fmt.Sprint(rows); now != last {
			last, since = now, time.Now()
		}
		if quiet := time.Since(since); quiet < 3*time.Second {
			return fmt.Errorf("usage arrived %s ago", quiet.Round(time.Millisecond))
		}
		missing, err := t.missing(ctx)
		if err != nil {
			return err
		}
		if missing > 0 && time.Since(since) < 20*time.Second {
			return fmt.Errorf("%d billed attempts have not arrived", missing)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("usage does not come to rest (seed %d): %w", t.options.Seed, err)
	}
	return nil
}

func (t *torture) missing(ctx context.Context) (int, error) {
	bills, err := t.rig.Ledger(ctx)
	if err != nil {
		return 0, err
	}
	events, err := t.events(ctx)
	if err != nil {
		return 0, err
	}
	missing := 0
	for _, bill := range bills {
		if events[bill.ClientRequestID] == nil {
			missing++
		}
	}
	return missing, nil
}

// event is what the comparison needs of a usage event.
type event struct {
	outcome               string
	estimated             bool
	input, cached, output int64
	costPico, boundPico   int64
	priceIn, priceCached  int64 // pico-USD a token
	priceOut              int64
	copies                int
}

// events reads every event that reached a provider, with its price, by event id.
func (t *torture) events(ctx context.Context) (map[string]*event, error) {
	rows, err := t.rig.Texts(ctx, `
		SELECT e.event_id, e.outcome, e.estimated, e.input_tokens, e.cached_input_tokens, e.output_tokens, e.cost_pico, e.bound_pico,
		  coalesce(p.input_pico, 0), coalesce(p.cached_input_pico, 0), coalesce(p.output_pico, 0)
		FROM usage_event e LEFT JOIN model_price p ON p.price_id = e.price_id
		WHERE e.outcome <> 'refused'`)
	if err != nil {
		return nil, err
	}
	events := make(map[string]*event, len(rows))
	for _, row := range rows {
		if twin := events[row[0]]; twin != nil {
			twin.copies++
			continue
		}
		e := &event{outcome: row[1], estimated: row[2] == "t", copies: 1}
		for i, into := range []*int64{&e.input, &e.cached, &e.output, &e.costPico, &e.boundPico, &e.priceIn, &e.priceCached, &e.priceOut} {
			if *into, err = strconv.ParseInt(row[i+3], 10, 64); err != nil {
				return nil, err
			}
		}
		events[row[0]] = e
	}
	return events, nil
}

// compare holds the provider's ledger, the events, the rollups, the budgets and the console against each other.
func (t *torture) compare(ctx context.Context) error {
	bills, err := t.rig.Ledger(ctx)
	if err != nil {
		return err
	}
	events, err := t.events(ctx)
	if err != nil {
		return err
	}
	if odd := t.load.odd.Load(); odd != nil {
		t.say("a call that failed at a living edge: %s", *odd)
	}
	if len(bills) == 0 {
		return fmt.Errorf("the provider billed nothing: no load ran (%s)", t.load)
	}
	billed := make(map[string]rig.Bill, len(bills))
	for _, bill := range bills {
		if _, twice := billed[bill.ClientRequestID]; twice {
			t.inconsistent("the provider was sent attempt %s twice", bill.ClientRequestID)
		}
		billed[bill.ClientRequestID] = bill
		if events[bill.ClientRequestID] == nil {
			t.report.Lost++
			if t.report.Lost <= showMost {
				t.say("lost: %+v", bill)
			}
		}
	}
	for id, e := range events {
		t.report.Duplicated += e.copies - 1
		bill, known := billed[id]
		t.judge(id, e, bill, known)
	}
	if t.report.Estimated > int(t.report.Aborted+t.report.Struck) {
		t.inconsistent("%d events are estimated, but only %d calls were given up and %d met a death", t.report.Estimated, t.report.Aborted, t.report.Struck)
	}
	if t.report.Indeterminate > int(t.report.Struck) {
		t.inconsistent("%d events are indeterminate, but only %d calls met a death", t.report.Indeterminate, t.report.Struck)
	}
	return t.compareSums(ctx)
}

// judge compares one event with the provider's bill for it.
func (t *torture) judge(id string, e *event, bill rig.Bill, billed bool) {
	truth := int64(0)
	if billed {
		truth = bill.InputTokens*e.priceIn + bill.CachedInputTokens*e.priceCached + bill.OutputTokens*e.priceOut
	}
	if e.priceIn == 0 {
		t.inconsistent("event %s has no price", id)
	}
	switch {
	case e.outcome == "indeterminate":
		t.report.Indeterminate++
		if e.costPico > truth && billed || truth > e.boundPico {
			t.inconsistent("indeterminate event %s: seen %d, true %d, bound %d", id, e.costPico, truth, e.boundPico)
		}
	case e.outcome == "client_closed" && e.estimated: // what the provider counted never came
		t.report.Estimated++
		if e.costPico <= 0 || e.costPico > e.boundPico || truth > e.boundPico {
			t.inconsistent("event %s of a stream that was given up: estimated %d, true %d, bound %d", id, e.costPico, truth, e.boundPico)
		}
	default:
		difference := e.costPico - truth
		if difference != 0 && t.report.DifferencePico == 0 {
			t.say("difference of %d pico in %s: %+v, billed %v %+v", difference, id, *e, billed, bill)
		}
		t.report.DifferencePico += max(difference, -difference)
	}
}

// compareSums holds rollups, budgets and the console against the events.
func (t *torture) compareSums(ctx context.Context) error {
	const (
		taken = "CASE WHEN e.outcome = 'indeterminate' THEN e.bound_pico ELSE e.cost_pico END"
		book  = "SELECT coalesce(sum(p.spent + p.in_doubt), 0) FROM budget_period p JOIN budget b USING (org_id, budget_id) WHERE b.name = "
	)
	checks := []struct{ what, left, right string }{
		{"events and rollups, in number", "SELECT coalesce(sum(count), 0) FROM usage_event", "SELECT coalesce(sum(events), 0) FROM usage_sum WHERE source = 'hour'"},
		{"events and rollups, in cost", "SELECT coalesce(sum(cost_pico), 0) FROM usage_event", "SELECT coalesce(sum(cost_pico), 0) FROM usage_sum WHERE source = 'hour'"},
		{
			"events and rollups, in tokens", "SELECT coalesce(sum(input_tokens + output_tokens), 0) FROM usage_event",
			"SELECT coalesce(sum(input_tokens + output_tokens), 0) FROM usage_sum WHERE source = 'hour'",
		},
		{"events and the organization's budget", "SELECT coalesce(sum(" + taken + "), 0) FROM usage_event e", book + "'torture-org'"},
		{
			"rollups by hour and by day", "SELECT coalesce(sum(events + cost_pico + waste_pico + saved_pico + doubt_pico + estimated_pico), 0) FROM usage_sum WHERE source = 'hour'",
			"SELECT coalesce(sum(events + cost_pico + waste_pico + saved_pico + doubt_pico + estimated_pico), 0) FROM usage_sum WHERE source = 'day'",
		},
		{
			"events and rollups, in doubt", "SELECT coalesce(sum(CASE WHEN outcome = 'indeterminate' THEN greatest(bound_pico - cost_pico, 0) ELSE 0 END), 0) FROM usage_event",
			"SELECT coalesce(sum(doubt_pico), 0) FROM usage_sum WHERE source = 'day'",
		},
		{
			"events of end users and their rollup", "SELECT coalesce(sum(count + cost_pico), 0) FROM usage_event WHERE end_user <> ''",
			"SELECT coalesce(sum(events + cost_pico), 0) FROM usage_sum WHERE source = 'tag_hour' AND name = ''",
		},
		{
			"labels of events and their rollup", "SELECT coalesce(sum(count + cost_pico), 0) FROM usage_event, LATERAL jsonb_object_keys(labels) AS name",
			"SELECT coalesce(sum(events + cost_pico), 0) FROM usage_sum WHERE source = 'tag_day' AND name <> ''",
		},
		{
			"events of runs and their rollup", "SELECT coalesce(sum(count + cost_pico), 0) FROM usage_event WHERE run_id NOT IN ('', request_id::text)",
			"SELECT coalesce(sum(events + cost_pico), 0) FROM usage_run_sum",
		},
		{
			"events and the workspace's budget",
			"SELECT coalesce(sum(" + taken + "), 0) FROM usage_event e JOIN workspace w USING (org_id, workspace_id) WHERE w.slug = 'torture'", book + "'torture-workspace'",
		},
		{
			"events of the tight key and its budget",
			"SELECT coalesce(sum(" + taken + "), 0) FROM usage_event e JOIN virtual_key k USING (org_id, virtual_key_id) WHERE k.name = 'torture-tight'", book + "'torture-tight'",
		},
		{
			"leased and what the leases hold", "SELECT coalesce(sum(leased), 0) FROM budget_period",
			"SELECT coalesce(sum(greatest(granted_total - returned_total - settled_total, 0)), 0) FROM budget_lease",
		},
	}
	for _, check := range checks {
		rows, err := t.rig.Texts(ctx, "SELECT ("+check.left+"), ("+check.right+")") // of one moment: leases go back and forth all the time
		if err != nil {
			return fmt.Errorf("%s: %w", check.what, err)
		}
		if left, right := rows[0][0], rows[0][1]; left != right {
			t.inconsistent("%s differ: %s and %s", check.what, left, right)
		}
	}
	over, err := t.number(ctx, "SELECT coalesce(max(greatest(p.spent + p.leased + p.in_doubt - b.limit_pico, 0)), 0) FROM budget_period p JOIN budget b USING (org_id, budget_id)")
	if err != nil {
		return err
	}
	if t.report.OvershootPico = over.Int64(); t.report.OvershootPico > 0 {
		if err := t.sayOvershoot(ctx); err != nil {
			return err
		}
	}
	if err := t.deadlocks(ctx); err != nil {
		return err
	}
	return t.compareShown(ctx)
}

// sayOvershoot says which budgets are overspent, and what their leases are.
func (t *torture) sayOvershoot(ctx context.Context) error {
	rows, err := t.rig.Texts(ctx, `
		SELECT b.name, p.spent, p.leased, p.in_doubt, b.limit_pico,
		  (SELECT string_agg(format('edge %s granted %s returned %s settled %s, last heard of at %s', l.edge_id, l.granted_total, l.returned_total, l.settled_total, l.updated_at), '; ')
		   FROM budget_lease l WHERE l.org_id = p.org_id AND l.budget_id = p.budget_id AND l.period_start = p.period_start)
		FROM budget_period p JOIN budget b USING (org_id, budget_id) WHERE p.spent + p.leased + p.in_doubt > b.limit_pico`)
	for _, row := range rows {
		t.say("overspent: %s spent %s leased %s in doubt %s of %s: %s", row[0], row[1], row[2], row[3], row[4], row[5])
	}
	return err
}

// deadlocks counts them where Postgres does, and in its log, because a killed Postgres forgets its counts.
func (t *torture) deadlocks(ctx context.Context) error {
	counted, err := t.number(ctx, "SELECT coalesce(sum(deadlocks), 0) FROM pg_stat_database")
	if err != nil {
		return err
	}
	log, err := os.ReadFile(t.rig.PostgresLog())
	if err != nil {
		return err
	}
	t.report.Deadlocks = max(counted.Int64(), int64(bytes.Count(log, []byte("deadlock detected"))))
	return nil
}

func (t *torture) number(ctx context.Context, query string, args ...any) (*big.Int, error) {
	rows, err := t.rig.Texts(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	n, ok := new(big.Int).SetString(rows[0][0], 10)
	if !ok {
		return nil, fmt.Errorf("%q is no number", rows[0][0])
	}
	return n, nil
}

func (t *torture) inconsistent(format string, args ...any) {
	t.report.Inconsistencies = append(t.report.Inconsistencies, fmt.Sprintf(format, args...))
}
