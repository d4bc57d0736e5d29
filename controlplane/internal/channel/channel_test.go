package channel_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/work"
)

const canary = "canary-4711"

type bench struct {
	db       *pgtest.DB
	channels *channel.Service
	jobs     *work.Service
}

func newBench(t *testing.T) *bench {
	t.Helper()
	db := pgtest.New(t)
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := work.New(db.Pool, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	sender := channel.NewSender(loopback, channel.Mail{}, &url.URL{Scheme: "https", Host: "console.example"}, time.Now)
	return &bench{db: db, jobs: jobs, channels: channel.New(db.Tenant, box, jobs, sender, time.Now)}
}

// run makes deliveries be attempted until the test ends.
func (b *bench) run(t *testing.T) {
	t.Helper()
	work.Do(b.jobs, time.Minute, b.channels.Deliver)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.jobs.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func (b *bench) webhook(t *testing.T, actor authz.Actor, name, address string) channel.Channel {
	t.Helper()
	made, signing, err := b.channels.Create(t.Context(), actor, channel.Input{Name: name, Kind: channel.Webhook, URL: seal.NewSecret(address)})
	if err != nil || !strings.HasPrefix(signing.Reveal(), "whsec_") {
		t.Fatalf("%v, %v", made, err)
	}
	return made
}

func (b *bench) post(t *testing.T, actor authz.Actor, m channel.Message, quiet bool) {
	t.Helper()
	err := b.db.Tenant.Write(t.Context(), actor.Org, func(tx pgx.Tx) error { return b.channels.Post(t.Context(), tx, actor.Org, m, quiet) })
	if err != nil {
		t.Fatal(err)
	}
}

// await waits until the last delivery of a channel is in a state.
func (b *bench) await(t *testing.T, actor authz.Actor, id ident.Channel, state channel.State) channel.Delivery {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-look.C {
		all, err := b.channels.Deliveries(t.Context(), actor, id)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) > 0 && all[0].State == state {
			return all[0]
		}
		if time.Now().After(deadline) {
			t.Fatalf("deliveries are %+v, want %s", all, state)
		}
	}
}

func TestAnotherOrganizationsChannelIsNotFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	mine, other := b.db.Org(t, "a"), b.db.Org(t, "b")
	made := b.webhook(t, mine, "hook", "https://127.0.0.1:1/")
	name := "x"
	for what, try := range map[string]func() error{
		"get": func() error { _, err := b.channels.Get(t.Context(), other, made.ID); return err },
		"update": func() error {
			_, err := b.channels.Update(t.Context(), other, made.ID, channel.Change{Name: &name})
			return err
		},
		"archive":    func() error { return b.channels.Archive(t.Context(), other, made.ID) },
		"deliveries": func() error { _, err := b.channels.Deliveries(t.Context(), other, made.ID); return err },
		"test":       func() error { _, err := b.channels.Test(t.Context(), other, made.ID); return err },
	} {
		if err := try(); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", what, err)
		}
	}
	if all, err := b.channels.List(t.Context(), other); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	b.post(t, mine, channel.Message{Event: channel.Fired, Topic: channel.Edges, Severity: channel.Info, Title: "t"}, false)
	sent, err := b.channels.Deliveries(t.Context(), mine, made.ID)
	if err != nil || len(sent) != 1 {
		t.Fatal(sent, err)
	}
	if _, err := b.channels.Resend(t.Context(), other, sent[0].ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("resend: %v", err)
	}
}

func TestCreateNamesEveryWrongFieldOfAChannel(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.db.Org(t, "a")
	long := seal.NewSecret("https://example.com/" + strings.Repeat("x", 3000))
	for name, test := range map[string]struct {
		in     channel.Input
		fields string
	}{
		"nothing":               {channel.Input{}, "name kind"},
		"no mail server":        {channel.Input{Name: "n", Kind: channel.Email, Addresses: []string{"a@example.com"}}, "kind"},
		"no address":            {channel.Input{Name: "n", Kind: channel.Slack}, "url"},
		"a user in the address": {channel.Input{Name: "n", Kind: channel.Slack, URL: seal.NewSecret("https://u:" + canary + "@example.com/")}, "url"},
		"another scheme":        {channel.Input{Name: "n", Kind: channel.Teams, URL: seal.NewSecret("gopher://example.com/")}, "url"},
		"a file":                {channel.Input{Name: "n", Kind: channel.Webhook, URL: seal.NewSecret("file:///etc/passwd")}, "url"},
		"too long":              {channel.Input{Name: "n", Kind: channel.Webhook, URL: long}, "url"},
		"no key":                {channel.Input{Name: "n", Kind: channel.PagerDuty}, "routing_key"},
		"a severity":            {channel.Input{Name: "n", Kind: channel.Webhook, URL: seal.NewSecret("https://e.example/"), SeverityMin: "loud"}, "severity_min"},
		"a topic":               {channel.Input{Name: "n", Kind: channel.Webhook, URL: seal.NewSecret("https://e.example/"), Topics: []channel.Topic{"cats"}}, "topics"},
	} {
		_, _, err := b.channels.Create(t.Context(), actor, test.in)
		var fields []string
		for _, f := range fault.Of(err).Fields {
			fields = append(fields, f.Name)
			if strings.Contains(f.Message, canary) {
				t.Errorf("%s shows %s", name, f.Message)
			}
		}
		if fault.KindOf(err) != fault.Invalid || strings.Join(fields, " ") != test.fields {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsOfAChannelAreSealedAndNotAudited(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.db.Org(t, "a")
	made := b.webhook(t, actor, "hook", "https://hooks.example/"+canary)
	if made.Host != "hooks.example" {
		t.Errorf("%+v", made)
	}
	if _, err := b.channels.Update(t.Context(), actor, made.ID, channel.Change{URL: seal.NewSecret("https://other.example/" + canary)}); err != nil {
		t.Fatal(err)
	}
	b.post(t, actor, channel.Message{Event: channel.Fired, Topic: channel.Edges, Severity: channel.Info, Title: "t"}, false)
	owner := b.db.Owner(t)
	if _, err := owner.Exec(t.Context(), "SELECT set_config('app.org', $1, false)", actor.Org.String()); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"channel", "delivery", "audit_entry", "river_job"} {
		rows, err := owner.Query(t.Context(), "SELECT row_to_json(t)::text FROM "+table+" t")
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(lines) == 0 {
			t.Fatalf("%s: %v, %v", table, lines, err)
		}
		for _, line := range lines {
			if strings.Contains(line, canary) || strings.Contains(line, "whsec_") || strings.Contains(line, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s holds the secret: %s", table, line)
			}
		}
	}
}

func TestAChannelTakesWhatItAskedFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.db.Org(t, "a")
	for _, in := range []channel.Input{
		{Name: "all", Kind: channel.Webhook},
		{Name: "critical", Kind: channel.Webhook, SeverityMin: channel.Critical},
		{Name: "edges", Kind: channel.Webhook, Topics: []channel.Topic{channel.Edges}},
		{Name: "chat", Kind: channel.Slack},
	} {
		in.URL = seal.NewSecret("https://127.0.0.1:1/")
		if _, _, err := b.channels.Create(t.Context(), actor, in); err != nil {
			t.Fatal(err)
		}
	}
	b.post(t, actor, channel.Message{Event: channel.Fired, Topic: channel.Budgets, Severity: channel.Warning, Title: "t"}, false)
	b.post(t, actor, channel.Message{Event: channel.Resolved, Topic: channel.Budgets, Severity: channel.Critical, Title: "t"}, true)
	all, err := b.channels.List(t.Context(), actor)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		sent, err := b.channels.Deliveries(t.Context(), actor, one.ID)
		if want := map[string]int{"all": 2, "critical": 1, "edges": 0, "chat": 1}[one.Name]; err != nil || len(sent) != want {
			t.Errorf("%s got %d, want %d, %v", one.Name, len(sent), want, err)
		}
	}
}

func TestADeliveryIsTriedAgainUntilItIsTakenUnderOneID(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.db.Org(t, "a")
	var times atomic.Int32
	ids := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids <- r.Header.Get("webhook-id")
		if times.Add(1) == 1 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	made := b.webhook(t, actor, "hook", server.URL)
	b.run(t)
	b.post(t, actor, channel.Message{Event: channel.Fired, Topic: channel.Edges, Severity: channel.Info, Title: "t"}, false)
	failed := b.await(t, actor, made.ID, channel.Failed)
	if failed.Attempts != 1 || failed.Status != http.StatusInternalServerError || failed.NextAt == nil || failed.FinishedAt != nil {
		t.Errorf("%+v", failed)
	}
	sent := b.await(t, actor, made.ID, channel.Delivered)
	if first, second := <-ids, <-ids; first != second || first != "msg_"+sent.ID.String() || sent.Attempts != 2 || sent.FinishedAt == nil || sent.NextAt != nil {
		t.Errorf("%s, %s, %+v", first, second, sent)
	}
	again, err := b.channels.Resend(t.Context(), actor, sent.ID)
	if err != nil || again.State != channel.Delivered || <-ids != "msg_"+sent.ID.String() {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestATestGoesTheRoadOfEveryMessageAndShowsTheAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	actor := b.db.Org(t, "a")
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	made := b.webhook(t, actor, "hook", server.URL)
	b.run(t)
	sent, err := b.channels.Test(t.Context(), actor, made.ID)
	if err != nil || sent.State != channel.GivenUp || sent.Status != http.StatusNotFound || sent.Event != channel.Tested {
		t.Errorf("%+v, %v", sent, err)
	}
	if err := b.channels.Archive(t.Context(), actor, made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.channels.Test(t.Context(), actor, made.ID); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an archived channel: %v", err)
	}
	if again, err := b.channels.Resend(t.Context(), actor, sent.ID); err != nil || again.State != channel.GivenUp || again.Answer != "the channel is archived" {
		t.Errorf("%+v, %v", again, err)
	}
	kept, err := audit.New(b.db.Tenant).Of(t.Context(), actor, made.ID.UUID, 10)
	var actions []string
	for _, each := range kept {
		actions = append(actions, each.Action)
	}
	if want := []string{"channel.resend", "channel.archive", "channel.test", "channel.create"}; err != nil || !slices.Equal(actions, want) {
		t.Errorf("the audit: %v, %v, want %v", actions, err, want)
	}
}
