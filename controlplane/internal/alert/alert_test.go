package alert_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/controlplane/internal/alert"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/work"
)

// world is what the rules look at, by organization.
type world struct {
	accounts map[ident.Org][]alert.Account
	targets  map[ident.Org][]alert.Target
	signals  map[ident.Org]alert.Signals
}

func (w *world) Accounts(_ context.Context, org ident.Org) ([]alert.Account, error) {
	return w.accounts[org], nil
}

func (w *world) Targets(_ context.Context, org ident.Org) ([]alert.Target, error) {
	return w.targets[org], nil
}

func (w *world) Signals(_ context.Context, org ident.Org) (alert.Signals, error) {
	return w.signals[org], nil
}

type bench struct {
	db       *pgtest.DB
	world    *world
	alerts   *alert.Service
	channels *channel.Service
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db := pgtest.New(t)
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	jobs, err := work.New(db.Pool, logger)
	if err != nil {
		t.Fatal(err)
	}
	sender := channel.NewSender(nil, channel.Mail{}, &url.URL{Scheme: "https", Host: "console.example"}, time.Now)
	b := &bench{db: db, world: &world{map[ident.Org][]alert.Account{}, map[ident.Org][]alert.Target{}, map[ident.Org]alert.Signals{}}, channels: channel.New(db.Tenant, box, jobs, sender, time.Now)}
	b.alerts = alert.New(db.Tenant, db.Pool, b.world, b.channels, time.Now, logger)
	return b
}

// org makes an organization with a webhook and a chat channel; making them gives it its generation.
func (b *bench) org(t *testing.T, slug string) authz.Actor {
	t.Helper()
	actor := b.db.Org(t, slug)
	for name, kind := range map[string]channel.Kind{"hook": channel.Webhook, "chat": channel.Slack} {
		if _, _, err := b.channels.Create(t.Context(), actor, channel.Input{Name: name, Kind: kind, URL: seal.NewSecret("https://127.0.0.1:1/")}); err != nil {
			t.Fatal(err)
		}
	}
	return actor
}

func (b *bench) look(t *testing.T) {
	t.Helper()
	if err := b.alerts.EvaluateQuick(t.Context(), alert.Quick{}); err != nil {
		t.Fatal(err)
	}
	if err := b.alerts.EvaluateSlow(t.Context(), alert.Slow{}); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) open(t *testing.T, actor authz.Actor) []alert.Alert {
	t.Helper()
	open, err := b.alerts.Open(t.Context(), actor)
	if err != nil {
		t.Fatal(err)
	}
	count, err := b.alerts.CountOpen(t.Context(), actor)
	if err != nil || count != len(open) {
		t.Errorf("%d are counted, %d are open, %v", count, len(open), err)
	}
	return open
}

// told counts the messages of an organization by channel and event.
func (b *bench) told(t *testing.T, actor authz.Actor) map[string]int {
	t.Helper()
	all, err := b.channels.List(t.Context(), actor)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]int{}
	for _, one := range all {
		sent, err := b.channels.Deliveries(t.Context(), actor, one.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range sent {
			told[one.Name+" "+string(d.Event)]++
		}
	}
	return told
}

func account(used int64) alert.Account {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	return alert.Account{
		Budget: ident.Budget{UUID: [16]byte{1}}, Name: "monthly", Accounts: 1, PeriodStart: start, PeriodEnd: start.AddDate(0, 1, 0),
		Limit: money.FromPico(100), Used: money.FromPico(used), Percents: []int{50, 80, 100},
	}
}

func TestABudgetsThresholdFiresOnceHoweverOftenItIsSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.org(t, "a")
	b.world.accounts[actor.Org] = []alert.Account{account(85)}
	b.look(t)
	b.look(t)
	open := b.open(t, actor)
	if len(open) != 1 || open[0].Threshold != 80 || open[0].Severity != channel.Warning || !strings.Contains(open[0].Title, "monthly") || len(open[0].Deliveries) != 2 {
		t.Fatalf("%+v", open)
	}
	if told := b.told(t, actor); told["hook fired"] != 1 || told["chat fired"] != 1 {
		t.Errorf("told %v", told)
	}
	b.world.accounts[actor.Org] = []alert.Account{account(100)}
	b.look(t)
	b.look(t)
	if open := b.open(t, actor); len(open) != 1 || open[0].Threshold != 100 || open[0].Severity != channel.Critical {
		t.Errorf("%+v", open)
	}
	if told := b.told(t, actor); told["hook fired"] != 2 || told["hook resolved"] != 0 {
		t.Errorf("told %v", told)
	}
	next := account(0)
	next.PeriodStart, next.PeriodEnd = next.PeriodEnd, next.PeriodEnd.AddDate(0, 1, 0)
	b.world.accounts[actor.Org] = []alert.Account{next}
	b.look(t)
	if open := b.open(t, actor); len(open) != 0 {
		t.Errorf("a period that is over leaves %+v", open)
	}
	if told := b.told(t, actor); told["hook resolved"] != 1 || told["chat resolved"] != 0 {
		t.Errorf("told %v", told)
	}
	over, err := b.alerts.History(t.Context(), actor, alert.Filter{Limit: 1})
	if err != nil || len(over) != 1 || over[0].Threshold != 100 || over[0].ResolvedAt == nil {
		t.Fatalf("%+v, %v", over, err)
	}
	if over, err = b.alerts.History(t.Context(), actor, alert.Filter{Before: over[0].ID}); err != nil || len(over) != 1 || over[0].Threshold != 80 {
		t.Errorf("%+v, %v", over, err)
	}
}

func TestCrossingSeveralThresholdsAtOnceIsOneMessage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.org(t, "a")
	b.world.accounts[actor.Org] = []alert.Account{account(120)}
	b.look(t)
	if told := b.told(t, actor); told["hook fired"] != 1 || told["chat fired"] != 1 {
		t.Errorf("told %v", told)
	}
}

func TestAnOpenBreakerIsToldOnceAndItsEndToo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.org(t, "a")
	held := alert.Target{Provider: ident.New[ident.Provider](), ProviderName: "openai", Model: "gpt-4o", Edges: []string{"fra"}, Since: time.Now().Add(-2 * time.Minute), Reason: "status 503"}
	other := held
	other.Route, other.RouteName = ident.New[ident.Route](), "fast"
	for _, seen := range [][]alert.Target{{held, other}, {held, other}, {held}} {
		held.Edges = append(held.Edges, "nyc") // another edge is no other alert
		b.world.targets[actor.Org] = seen
		b.look(t)
	}
	open := b.open(t, actor)
	if len(open) != 1 || open[0].Rule != alert.TargetHeld || open[0].Path != "/providers/"+held.Provider.String() || !strings.Contains(open[0].Title, "openai / gpt-4o") || !strings.Contains(open[0].Text, "fra") || !strings.Contains(open[0].Text, "status 503") {
		t.Fatalf("%+v", open)
	}
	b.world.targets[actor.Org] = nil
	b.look(t)
	if told := b.told(t, actor); len(b.open(t, actor)) != 0 || told["chat fired"] != 2 || told["chat resolved"] != 2 {
		t.Errorf("told %v", told)
	}
}

func TestAStandingAlertEndsAndMayComeAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.org(t, "a")
	edge := alert.Edge{ID: ident.New[ident.Edge](), Name: "fra", LastSeenAt: time.Now().Add(-time.Hour)}
	for round := 1; round <= 2; round++ {
		edge.Connected, edge.Accepting = false, false
		b.world.signals[actor.Org] = alert.Signals{Edges: []alert.Edge{edge}}
		b.look(t)
		b.look(t)
		if open := b.open(t, actor); len(open) != 1 || open[0].Rule != alert.EdgeHealth {
			t.Fatalf("%+v", open)
		}
		edge.Connected, edge.Accepting = true, true
		b.world.signals[actor.Org] = alert.Signals{Edges: []alert.Edge{edge}}
		b.look(t)
		if told := b.told(t, actor); len(b.open(t, actor)) != 0 || told["chat fired"] != round || told["chat resolved"] != round {
			t.Errorf("round %d: told %v", round, told)
		}
	}
}

func TestTwoEvaluationsAtOnceFireOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.org(t, "a")
	b.world.accounts[actor.Org] = []alert.Account{account(60)}
	b.world.signals[actor.Org] = alert.Signals{Problem: "no", ProblemPath: "route/1"}
	var both sync.WaitGroup
	for range 4 {
		both.Go(func() {
			if err := b.alerts.EvaluateQuick(t.Context(), alert.Quick{}); err != nil {
				t.Error(err)
			}
			if err := b.alerts.EvaluateSlow(t.Context(), alert.Slow{}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if told := b.told(t, actor); len(b.open(t, actor)) != 2 || told["hook fired"] != 2 {
		t.Errorf("told %v", told)
	}
}

func TestARuleThatIsTurnedOffIsSilent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.org(t, "a")
	off, loud, many := false, channel.Critical, 5
	if _, err := b.alerts.SetRule(t.Context(), actor, alert.BudgetThreshold, alert.Change{Enabled: &off}); err != nil {
		t.Fatal(err)
	}
	after, err := b.alerts.SetRule(t.Context(), actor, alert.GuardrailSpike, alert.Change{Severity: &loud, Number: &many})
	if err != nil || after.Number != 5 || after.Severity != loud || !after.Enabled {
		t.Errorf("%+v, %v", after, err)
	}
	b.world.accounts[actor.Org] = []alert.Account{account(100)}
	b.world.signals[actor.Org] = alert.Signals{GuardrailBlocks: 5}
	b.look(t)
	if open := b.open(t, actor); len(open) != 1 || open[0].Rule != alert.GuardrailSpike || open[0].Severity != loud {
		t.Errorf("%+v", open)
	}
	zero, none := 0, channel.Severity("loud")
	for field, change := range map[string]alert.Change{"number": {Number: &zero}, "severity": {Severity: &none}} {
		_, err := b.alerts.SetRule(t.Context(), actor, alert.EdgeHealth, change)
		if found := fault.Of(err); found.Kind != fault.Invalid || len(found.Fields) != 1 || found.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := b.alerts.SetRule(t.Context(), actor, "weather", alert.Change{}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown rule: %v", err)
	}
}

func TestAnotherOrganizationsAlertIsNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	mine, other := b.org(t, "a"), b.org(t, "b")
	b.world.accounts[mine.Org] = []alert.Account{account(100)}
	b.look(t)
	open := b.open(t, mine)
	if len(open) != 1 {
		t.Fatal(open)
	}
	if _, err := b.alerts.Get(t.Context(), other, open[0].ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if all := b.open(t, other); len(all) != 0 {
		t.Errorf("open: %v", all)
	}
	if over, err := b.alerts.History(t.Context(), other, alert.Filter{}); err != nil || len(over) != 0 {
		t.Errorf("history: %v, %v", over, err)
	}
	if told := b.told(t, other); len(told) != 0 {
		t.Errorf("b was told %v", told)
	}
	rules, err := b.alerts.Rules(t.Context(), other)
	if err != nil || len(rules) != 12 || slices.ContainsFunc(rules, func(s alert.Setting) bool { return !s.Enabled }) {
		t.Errorf("a new organization's rules: %+v, %v", rules, err)
	}
}
