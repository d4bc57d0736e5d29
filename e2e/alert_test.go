package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"tollgate.dev/e2e/internal/rig"
)

// toldWithin is how long a crossed threshold may take to arrive: usage on its way, a look at the budgets, a delivery, and a slow machine.
const toldWithin = 90 * time.Second

// receivers are where the alerts of a house arrive, by path; mail arrives at "mail".
type receivers struct {
	url, smtp string

	mu      sync.Mutex
	got     map[string][]arrived
	answers map[string]func(http.ResponseWriter, *http.Request) // instead of 200
}

type arrived struct {
	header http.Header
	body   string
}

func newReceivers(t *testing.T) *receivers {
	t.Helper()
	r := &receivers{got: map[string][]arrived{}, answers: map[string]func(http.ResponseWriter, *http.Request){}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		if answer := r.keep(request.URL.Path, arrived{request.Header, string(body)}); answer != nil {
			answer(w, request)
		}
	}))
	t.Cleanup(server.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mail := smtp.NewServer(r)
	go func() { _ = mail.Serve(listener) }()
	t.Cleanup(func() { _ = mail.Close() })
	r.url, r.smtp = server.URL, "smtp://"+listener.Addr().String()+"?tls=none"
	return r
}

func (r *receivers) keep(at string, one arrived) func(http.ResponseWriter, *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[at] = append(r.got[at], one)
	return r.answers[at]
}

func (r *receivers) at(path string) []arrived { return r.about(path, "") }

// about returns what arrived at a place and speaks of something.
func (r *receivers) about(path, what string) (found []arrived) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.got[path] {
		if strings.Contains(one.body, what) {
			found = append(found, one)
		}
	}
	return found
}

func (r *receivers) answer(path string, do func(http.ResponseWriter, *http.Request)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[path] = do
}

// NewSession, and what follows, make it a mail server.
func (r *receivers) NewSession(*smtp.Conn) (smtp.Session, error) { return mailSession{r}, nil }

type mailSession struct{ to *receivers }

func (mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (mailSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (mailSession) Reset()                               {}
func (mailSession) Logout() error                        { return nil }

func (s mailSession) Data(body io.Reader) error {
	raw, err := io.ReadAll(body)
	s.to.keep("mail", arrived{nil, string(raw)})
	return err
}

// shownAlert is an alert as the API shows it.
type shownAlert struct {
	ID         string `json:"id"`
	Rule       string `json:"rule"`
	Threshold  int    `json:"threshold"`
	Title      string `json:"title"`
	Deliveries []struct {
		ChannelName string `json:"channel_name"`
		State       string `json:"state"`
		Attempts    int    `json:"attempts"`
		Status      int    `json:"status"`
	} `json:"deliveries"`
}

// alertOf waits for the alert of a budget until it is as wanted.
func alertOf(t *testing.T, house *rig.Rig, budget string, wanted func(shownAlert) bool) shownAlert {
	t.Helper()
	var found shownAlert
	within(t, toldWithin, func() error {
		var list struct{ Items []shownAlert }
		if err := house.Admin.Do(t.Context(), http.MethodGet, "/alerts", nil, &list); err != nil {
			return err
		}
		for _, found = range list.Items {
			if strings.Contains(found.Title, budget) && wanted(found) {
				return nil
			}
		}
		return fmt.Errorf("no such alert of %s: %+v", budget, list.Items)
	})
	return found
}

// within asks again until the answer is nil, and fails with the last one when the time is over.
func within(t *testing.T, patience time.Duration, ask func() error) {
	t.Helper()
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	if err := rig.Until(ctx, ask); err != nil {
		t.Fatal(err)
	}
}

// softBudget makes a budget of which one more call of that cost takes so many percent.
func (p *project) softBudget(t *testing.T, name string, costPico *big.Int, percent int64) {
	t.Helper()
	limit := new(big.Int).Div(new(big.Int).Mul(costPico, big.NewInt(100)), big.NewInt(percent))
	p.create(t, "/budgets", rig.Object{
		"name": name, "scope": "workspace", "scope_id": p.workspace, "period": "month", "mode": "soft",
		"limit_usd": new(big.Rat).SetFrac(limit, big.NewInt(1e12)).FloatString(12),
	})
	p.acknowledged(t)
}

func (p *project) callOnce(t *testing.T) {
	t.Helper()
	d := dialects[0]
	answer := ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+d.path, p.key, bodyOf(d.body, d.model, "sim:tokens=400 Say something.", false))
	if answer.Status != http.StatusOK {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
}

// costOfOne returns what the project's first call cost.
func (p *project) costOfOne(t *testing.T) *big.Int {
	t.Helper()
	p.callOnce(t)
	cost := new(big.Int)
	within(t, patience, func() error {
		var list struct {
			Items []struct {
				Cost string `json:"cost_pico"`
			}
		}
		if err := p.house.Admin.Do(t.Context(), http.MethodGet, "/usage/events?virtual_key_id="+p.keyID, nil, &list); err != nil {
			return err
		}
		if len(list.Items) > 0 {
			if _, ok := cost.SetString(list.Items[0].Cost, 10); ok && cost.Sign() > 0 {
				return nil
			}
		}
		return fmt.Errorf("the call has no cost: %+v", list)
	})
	return cost
}

func alertingHouse(t *testing.T, to *receivers) *rig.Rig {
	t.Helper()
	dir, err := filepath.Abs(houseDir(t.Name()))
	if err != nil {
		t.Fatal(err)
	}
	options := rigOptions(dir, 1)
	options.Env = []string{"TOLLGATE_EGRESS_ALLOW=127.0.0.0/8", "TOLLGATE_SMTP_URL=" + to.smtp, "TOLLGATE_SMTP_FROM=Tollgate <alerts@tollgate.example>"}
	house, err := rig.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	closing(t, house)
	return house
}

// verified checks a message with the library that receivers use.
func verified(t *testing.T, secret string, one arrived) (kind string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: apt-get install nodejs npm")
	}
	headers := map[string]string{}
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		headers[name] = one.header.Get(name)
	}
	in, err := json.Marshal(map[string]any{"secret": secret, "headers": headers, "body": one.body})
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), node, filepath.Join("sdk", "webhook.mjs"))
	command.Stdin = bytes.NewReader(in)
	out, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("the library refuses the message: %s", failed.Stderr)
	}
	var said struct {
		Payload struct{ Type string }
		Forged  string
	}
	if err := json.Unmarshal(out, &said); err != nil || said.Forged != "refused" {
		t.Fatalf("%s, %v", out, err)
	}
	return said.Payload.Type
}

func TestACrossedThresholdArrivesOnceEverywhereWhateverDiesMeanwhile(t *testing.T) {
	to := newReceivers(t)
	house := alertingHouse(t, to)
	var made struct {
		SigningSecret string `json:"signing_secret"`
	}
	for _, in := range []rig.Object{
		{"name": "mail", "kind": "email", "addresses": []string{"finance@acme.example"}},
		{"name": "slack", "kind": "slack", "url": to.url + "/slack"},
		{"name": "teams", "kind": "teams", "url": to.url + "/teams"},
		{"name": "pager", "kind": "pagerduty", "url": to.url + "/pager", "routing_key": "r-key"},
		{"name": "hook", "kind": "webhook", "url": to.url + "/hook"},
	} {
		if err := house.Admin.Do(t.Context(), http.MethodPost, "/channels", in, &made); err != nil {
			t.Fatal(err)
		}
	}
	p := newProject(t, house)
	cost := p.costOfOne(t)

	p.softBudget(t, "first", cost, 85)
	p.callOnce(t)
	all := alertOf(t, house, "first", func(a shownAlert) bool { return len(a.Deliveries) == 5 && delivered(a) })
	if all.Threshold != 80 || all.Rule != "budget_threshold" {
		t.Errorf("%+v", all)
	}
	for _, place := range []string{"mail", "/slack", "/teams", "/pager", "/hook"} {
		got := to.at(place)
		if len(got) != 1 || !strings.Contains(got[0].body, "first") {
			t.Errorf("%s got %d messages: %+v", place, len(got), got)
		}
	}
	if hook := to.at("/hook"); len(hook) > 0 && verified(t, made.SigningSecret, hook[0]) != "alert.fired" {
		t.Errorf("%+v", hook)
	}

	// The receiver takes the message and says nothing; the control plane is killed meanwhile, and comes back to a receiver that fails first.
	hung := make(chan struct{})
	to.answer("/hook", func(http.ResponseWriter, *http.Request) { <-hung })
	p.softBudget(t, "second", cost, 60)
	p.callOnce(t)
	within(t, toldWithin, func() error {
		if len(to.about("/hook", "second")) == 0 {
			return errors.New("no second message")
		}
		return nil
	})
	house.ControlPlane.Kill()
	close(hung)
	to.answer("/hook", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	if err := house.StartControlPlane(t.Context()); err != nil {
		t.Fatal(err)
	}
	alertOf(t, house, "second", func(a shownAlert) bool { return stateOf(a, "hook") == "failed" })
	to.answer("/hook", nil)
	alertOf(t, house, "second", func(a shownAlert) bool { return stateOf(a, "hook") == "delivered" })
	ids := map[string]int{}
	for _, one := range to.about("/hook", "second") {
		ids[one.header.Get("webhook-id")]++
	}
	for _, attempts := range ids {
		if len(ids) != 1 || attempts < 3 {
			t.Errorf("attempts %v, want at least the hung one, the refused one and the taken one under one id", ids)
		}
	}
	for _, place := range []string{"mail", "/slack", "/teams", "/pager"} {
		if told := len(to.about(place, "second")); told == 0 || told > 2 { // the kill may have fallen between the answer and its note
			t.Errorf("%s was told %d times of the second", place, told)
		}
	}
}

func delivered(a shownAlert) bool {
	for _, d := range a.Deliveries {
		if d.State != "delivered" {
			return false
		}
	}
	return true
}

func stateOf(a shownAlert, channel string) string {
	for _, d := range a.Deliveries {
		if d.ChannelName == channel {
			return d.State
		}
	}
	return fmt.Sprintf("not told, of %d", len(a.Deliveries))
}
