package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"tollgate.dev/e2e/internal/rig"
)

// batchLine is one request of a batch.
const batchLine = `{"custom_id":"1","method":"POST","url":"/v1/chat/completions","body":{"model":"` + openAIModel + `","max_tokens":16,"messages":[{"role":"user","content":"Say something."}]}}`

// TestTheOfficialSDKHasFilesKeptAndBatchesWorkedThrough compares what the provider billed for the lines of a batch with the books, which have
// what they can cost in doubt until the batch has ended.
func TestTheOfficialSDKHasFilesKeptAndBatchesWorkedThrough(t *testing.T) {
	p := newProject(t, stand(t))
	var other *project
	t.Run("another", func(t *testing.T) { other = newProject(t, p.house) })
	budget := p.create(t, "/budgets", rig.Object{"name": p.name, "scope": "virtual_key", "scope_id": p.keyID, "limit_usd": "5", "period": "month", "time_zone": "UTC", "mode": "hard"})
	p.acknowledged(t)
	before := len(p.bills(t))
	var found struct {
		Name         string
		Same, Listed bool
		Strangers    int
		Metadata     map[string]string
		Counts       struct{ Total, Completed, Failed int }
		Results      []bool
		Batches      []bool
		Refusals     map[string]string
	}
	runSDK(t, "files.mjs", p.house.Edges[0], p.key, openAIModel+" "+other.key+" "+p.house.Edges[1].URL, &found)
	if found.Name != "lines.jsonl" || !found.Same || !found.Listed || found.Strangers != 0 || fmt.Sprint(found.Metadata) != "map[team:blue]" || found.Counts.Completed != 2 ||
		fmt.Sprint(found.Results, found.Batches) != "[true true] [true]" {
		t.Errorf("%+v", found)
	}
	for what, want := range map[string]string{
		"file": "404 not_found", "content": "404 not_found", "begins": "404 not_found", "batch": "404 not_found", "cancels": "404 not_found", "line": "404 model_not_found", "gone": "404 null",
	} {
		if found.Refusals[what] != want {
			t.Errorf("%s: %s, want %s", what, found.Refusals[what], want)
		}
	}
	ctx, cancel := contextOf(t, patience)
	defer cancel()
	p.balanced(ctx, t, budget, before, "openai_batches")
}

// batchFile has the provider keep a file for a batch and returns its id.
func (p *project) batchFile(t *testing.T) string {
	t.Helper()
	return p.made(t, "/v1/files", formOf("purpose", "batch", "file", "@"+batchLine))
}

// begunBatch has the provider begin a batch and returns its id.
func (p *project) begunBatch(t *testing.T) string {
	t.Helper()
	return p.made(t, "/v1/batches", `{"input_file_id":"`+p.batchFile(t)+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
}

// made calls with the project's key and returns the id of what was made.
func (p *project) made(t *testing.T, path, body string) string {
	t.Helper()
	return p.madeBy(t, way{}, path, body)
}

func (p *project) madeBy(t *testing.T, way way, path, body string) string {
	t.Helper()
	answer := p.asks(t, way, http.MethodPost, path, p.key, body)
	var made struct{ ID string }
	must(t, json.Unmarshal([]byte(answer.Body), &made))
	return made.ID
}

// TestABatchThatNobodyAsksForIsSettledByItself has one edge begin it, which then is lost with its disk. Nobody asks for it again.
func TestABatchThatNobodyAsksForIsSettledByItself(t *testing.T) {
	p := newProject(t, stand(t))
	budget := p.create(t, "/budgets", rig.Object{"name": p.name, "scope": "virtual_key", "scope_id": p.keyID, "limit_usd": "5", "period": "month", "time_zone": "UTC", "mode": "hard"})
	p.acknowledged(t)
	lost, err := p.house.NewEdge(p.name)
	must(t, err)
	must(t, p.house.StartEdge(t.Context(), lost))
	t.Cleanup(lost.Kill)
	file := p.batchFile(t)
	before := len(p.bills(t))
	ctx, cancel := contextOf(t, 2*time.Minute)
	defer cancel()
	must(t, rig.Until(ctx, func() error {
		answer := ask(ctx, http.MethodPost, lost.URL+"/v1/batches", p.key, `{"input_file_id":"`+file+`","endpoint":"/v1/chat/completions","completion_window":"24h"}`)
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%d %s", answer.Status, answer.Body)
		}
		return nil
	}))
	var inDoubt int64
	must(t, rig.Until(ctx, func() error {
		if err := p.house.Row(ctx, "SELECT sum(in_doubt)::bigint FROM budget_period WHERE budget_id = $1", []any{budget}, &inDoubt); err != nil {
			return err
		}
		if inDoubt == 0 {
			return errors.New("nothing is in doubt yet")
		}
		return nil
	}))
	lost.Kill()
	must(t, os.RemoveAll(lost.Data))
	p.balanced(ctx, t, budget, before, "openai_batches")
}

// balanced waits until what the provider billed behind so many bills is what a budget has spent, and until nothing is in doubt.
func (p *project) balanced(ctx context.Context, t *testing.T, budget string, behind int, dialect string) {
	t.Helper()
	must(t, rig.Until(ctx, func() error {
		var input, output, booked, read, cost, spent, inDoubt int64
		for _, bill := range p.bills(t)[behind:] {
			input, output = input+bill.InputTokens, output+bill.OutputTokens
		}
		err := p.house.Row(ctx, "SELECT coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint, coalesce(sum(cost_pico), 0)::bigint FROM usage_event WHERE virtual_key_id = $1 AND dialect = $2 AND outcome = 'ok'", []any{p.keyID, dialect}, &booked, &read, &cost)
		if err == nil {
			err = p.house.Row(ctx, "SELECT sum(spent)::bigint, sum(in_doubt)::bigint FROM budget_period WHERE budget_id = $1", []any{budget}, &spent, &inDoubt)
		}
		if err == nil && (cost == 0 || booked != input || read != output || spent != cost || inDoubt != 0) {
			err = fmt.Errorf("the books have %d and %d tokens for %d pico-USD, spent %d, in doubt %d; the provider billed %d and %d", booked, read, cost, spent, inDoubt, input, output)
		}
		return err
	}))
}

// TestTheOfficialSDKHasBatchesOfMessagesWorkedThrough compares what the provider billed with the books in the end, for a batch of two models with a request
// that came too late, one that was cancelled and one that nobody asked for again. A budget of the second model has what that alone costs.
func TestTheOfficialSDKHasBatchesOfMessagesWorkedThrough(t *testing.T) {
	p := newProject(t, stand(t))
	var other *project
	t.Run("another", func(t *testing.T) { other = newProject(t, p.house) })
	budget := p.create(t, "/budgets", rig.Object{"name": p.name, "scope": "virtual_key", "scope_id": p.keyID, "limit_usd": "5", "period": "month", "time_zone": "UTC", "mode": "hard"})
	const deeper = "deeper"
	p.create(t, "/routes", rig.Object{"name": deeper, "workspace_id": p.workspace, "strategy": "fallback", "targets": []rig.Object{{"provider_id": p.anthropic, "model": "claude-sonnet-4-5", "weight": 1}}})
	ofDeeper := p.create(t, "/budgets", rig.Object{"name": p.name + "-deeper", "scope": "model", "scope_value": deeper, "limit_usd": "5", "period": "month", "time_zone": "UTC", "mode": "hard"})
	p.acknowledged(t)
	before := len(p.bills(t))
	var found struct {
		Begun, Early      string
		Same              bool
		Counts, Cancelled struct{ Succeeded, Canceled, Expired int }
		Results           []string
		Listed, Strangers []string
		Refusals          map[string]string
	}
	runSDK(t, "batches.mjs", p.house.Edges[0], p.key, claude+" "+other.key+" "+p.house.Edges[1].URL+" "+deeper, &found)
	if found.Begun != "in_progress" || !found.Same || found.Counts.Succeeded != 2 || found.Counts.Expired != 1 || found.Cancelled.Succeeded != 1 || found.Cancelled.Canceled != 1 ||
		fmt.Sprint(found.Results) != "[a succeeded true b succeeded true c-expired expired true]" || fmt.Sprint(found.Listed, found.Strangers) != "[second first] []" || found.Early != "409 invalid_request" {
		t.Errorf("%+v", found)
	}
	for what, want := range map[string]string{
		"reads": "404 not_found", "results": "404 not_found", "cancels": "404 not_found", "removes": "404 not_found", "lists": "404 not_found after_id", "model": "404 model_not_found requests.1.params.model", "gone": "404 undefined",
	} {
		if found.Refusals[what] != want {
			t.Errorf("%s: %s, want %s", what, found.Refusals[what], want)
		}
	}
	ctx, cancel := contextOf(t, 2*time.Minute)
	defer cancel()
	p.balanced(ctx, t, budget, before, "anthropic_batches")
	must(t, rig.Until(ctx, func() error {
		var cost, spent, inDoubt int64
		err := p.house.Row(ctx, "SELECT coalesce(sum(cost_pico), 0)::bigint FROM usage_event WHERE virtual_key_id = $1 AND model = $2 AND provider_model = 'claude-sonnet-4-5' AND outcome = 'ok'", []any{p.keyID, deeper}, &cost)
		if err == nil {
			err = p.house.Row(ctx, "SELECT coalesce(sum(spent), 0)::bigint, coalesce(sum(in_doubt), 0)::bigint FROM budget_period WHERE budget_id = $1", []any{ofDeeper}, &spent, &inDoubt)
		}
		if err == nil && (cost == 0 || spent != cost || inDoubt != 0) {
			err = fmt.Errorf("the second model costs %d pico-USD, its budget has spent %d, and %d are in doubt", cost, spent, inDoubt)
		}
		return err
	}))
}

// messageBatch is one request of a batch of messages.
const messageBatch = `{"requests":[{"custom_id":"a","params":{"model":"` + claude + `","max_tokens":16,"messages":[{"role":"user","content":"Say something."}]}}]}`

// begunMessages has the provider begin a batch of messages and returns its path, with what is done with it.
func begunMessages(action string, ended bool) func(t *testing.T, p *project) string {
	return func(t *testing.T, p *project) string {
		t.Helper()
		path := "/v1/messages/batches/" + p.made(t, "/v1/messages/batches", messageBatch)
		for range 2 {
			if ended {
				p.asks(t, way{}, http.MethodGet, path, p.key, "")
			}
		}
		return path + action
	}
}
