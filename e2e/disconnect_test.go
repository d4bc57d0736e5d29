package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

const (
	hangUps     = 12  // of each dialect
	words       = 120 // of an answer; each is four bytes and one token
	inFlightMax = 6   // tokens that a provider may have produced beyond what the edge has read when it hangs up
)

// TestAStreamThatTheCallerLeavesIsSettledAtWhatWasProduced hangs up at random points of streams, in every dialect.
func TestAStreamThatTheCallerLeavesIsSettledAtWhatWasProduced(t *testing.T) {
	dir, err := filepath.Abs(houseDir(t.Name()))
	must(t, err)
	must(t, os.RemoveAll(dir))
	options := rigOptions(dir, 2)
	options.Simulator = []string{"--latency", "5ms,5ms"}
	house, err := rig.New(t.Context(), options)
	must(t, err)
	closing(t, house)
	p := newProject(t, house)
	budget := p.create(t, "/budgets", rig.Object{"name": "hang-ups", "scope": "virtual_key", "scope_id": p.keyID, "limit_usd": "100", "period": "total", "time_zone": "UTC", "mode": "hard"})
	p.known(t)
	random := rand.New(rand.NewPCG(1, 2))
	for _, d := range dialects {
		for i := range hangUps {
			body := bodyOf(strings.Replace(d.body, ":64,", ":500,", 1), d.model, "sim:say="+strings.Repeat("abc ", words), true)
			hangUp(t, p, house.Edges[i%2], d.path, body, 1+random.IntN(9000))
		}
	}
	p.leftBehind(t, budget)
}

// hangUp reads so many bytes of a stream and closes the connection.
func hangUp(t *testing.T, p *project, edge *rig.Edge, path, body string, after int) {
	t.Helper()
	ctx, hang := context.WithCancel(t.Context())
	defer hang()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, edge.URL+path, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+p.key)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	if _, err := io.CopyN(io.Discard, answer.Body, int64(after)); err != nil {
		t.Logf("the stream ended before %d bytes", after)
	}
}

// leftBehind holds every event against the provider's bill, and the budget against the events.
func (p *project) leftBehind(t *testing.T, budget string) {
	t.Helper()
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	var rows [][]string
	must(t, rig.Until(ctx, func() (err error) {
		rows, err = p.house.Texts(ctx, "SELECT event_id, dialect, outcome, estimated, output_tokens, cost_pico, bound_pico FROM usage_event WHERE virtual_key_id = $1 AND outcome <> 'refused'", p.keyID)
		if err == nil && len(rows) < hangUps*len(dialects) {
			return fmt.Errorf("%d calls have arrived", len(rows))
		}
		return err
	}))
	bills := map[string]rig.Bill{}
	for _, bill := range p.bills(t) {
		bills[bill.ClientRequestID] = bill
	}
	closed, sum := 0, int64(0)
	for _, row := range rows {
		var output, cost, bound int64
		if _, err := fmt.Sscan(strings.Join(row[4:], " "), &output, &cost, &bound); err != nil {
			t.Fatal(err)
		}
		sum += cost
		bill := bills[row[0]]
		if row[1] == "anthropic_messages" {
			bill.OutputTokens = max(bill.OutputTokens, 1) // its streams begin by reporting one
		}
		switch {
		case row[2] == "ok":
			if row[3] != "f" || output != bill.OutputTokens {
				t.Errorf("a whole %s is settled at %d tokens of %d, estimated %s", row[1], output, bill.OutputTokens, row[3])
			}
			continue
		case row[2] != "client_closed":
			t.Errorf("a %s that the caller left ends as %s", row[1], row[2])
		}
		closed++
		if cost <= 0 || cost > bound || output > bill.OutputTokens || bill.OutputTokens-output > inFlightMax {
			t.Errorf("a %s that the caller left is settled at %d tokens and %d of at most %d; the provider produced %d tokens", row[1], output, cost, bound, bill.OutputTokens)
		}
		if row[3] != "t" && output != bill.OutputTokens {
			t.Errorf("a %s of %d tokens that the provider did not count is not marked as estimated", row[1], output)
		}
	}
	if closed < hangUps {
		t.Errorf("only %d of %d streams were left", closed, len(rows))
	}
	var spent, doubt int64
	must(t, p.house.Row(t.Context(), "SELECT coalesce(sum(spent), 0)::bigint, coalesce(sum(in_doubt), 0)::bigint FROM budget_period WHERE budget_id = $1", []any{budget}, &spent, &doubt))
	if spent != sum || doubt != 0 {
		t.Errorf("the events cost %d, the budget says %d and %d in doubt", sum, spent, doubt)
	}
}
