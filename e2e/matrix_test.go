package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

var updateMatrix = flag.Bool("update-matrix", false, "write the matrix of what each pair carries into the README")

// thinker is a model of OpenAI's that takes tools at its Responses alone.
const thinker = "gpt-5.6"

// corner is a provider of the matrix: the format in which each dialect is put to it.
type corner struct {
	cloud
	name, catalog, wire string
}

// corners are the columns of the matrix.
func corners(t *testing.T, house *rig.Rig) []corner {
	t.Helper()
	account := serviceAccount(t, house)
	global := rig.Object{"region": "global"}
	return []corner{
		{cloud{"openai", "gpt-5-mini", "sk-sim", nil}, "openai", "openai", toChat},
		{cloud{"openai", thinker, "sk-sim", nil}, "openai-responses", "openai", toResponses},
		{cloud{"azure", "gpt-5-mini", "azure-key-simulated", nil}, "azure", "azure", toChat},
		{cloud{"anthropic", claude, "sk-sim", nil}, "anthropic", "anthropic", toMessages},
		{cloud{"bedrock", claudeThere, awsKey(awsSecret, ""), rig.Object{"region": "eu-central-1"}}, "bedrock", "amazon-bedrock", toConverse},
		{cloud{"gemini", gemini, "google-key-simulated", nil}, "gemini", "google", toGemini},
		{cloud{"vertex", geminiOld, account, global}, "vertex-gemini", "google-vertex", toGemini},
		{cloud{"vertex", "claude-haiku-4-5@20251001", account, global}, "vertex-claude", "google-vertex", toMessages},
		{cloud{"mistral", "mistral-small-latest", "mistral-key-simulated", nil}, "mistral", "mistral", toMistral},
		{cloud{"cohere", "command-a-03-2025", "cohere-key-simulated", nil}, "cohere", "cohere", toCohere},
	}
}

// spoken is the format in which a dialect is put to a provider.
func (c corner) spoken(dialect string) string {
	if c.wire == toChat && dialect == byResponses {
		return toResponses
	}
	return c.wire
}

// failing is the model of a provider that the simulator lets refuse every request.
func (c corner) failing() string {
	if strings.HasPrefix(c.model, "claude") {
		return "claude-failing"
	}
	return "failing-" + c.name
}

// cell is one call of the matrix.
type cell struct {
	feature  *feature
	dialect  string
	corner   *corner
	streamed bool
	marker   string
	got      said
	verdict  string // carried, dropped, refused, untold, or what is wrong
}

// TestEachDialectCarriesEachFeatureToEachProvider makes every call of the matrix and finds each feature in what the provider received, in its own
// format, and in what came back, in the caller's; or it was refused or left out by its name. Tokens are those that the provider billed.
func TestEachDialectCarriesEachFeatureToEachProvider(t *testing.T) {
	p := newProject(t, stand(t))
	columns, rows := corners(t, p.house), everyFeature()
	keys := p.withCorners(t, columns)
	cells := everyCell(rows, columns)
	each(cells, func(c *cell) {
		c.got = c.ask(t, p.house.Edges[0].URL, keys[c.corner.name])
	})
	received := p.received(t)
	bills, err := p.house.Ledger(t.Context())
	must(t, err)
	billed := map[string]rig.Bill{}
	for _, bill := range bills {
		billed[bill.ClientRequestID] = bill
	}
	events := map[string]rig.Event{}
	for _, column := range columns {
		settled := 0
		for _, c := range cells {
			if c.corner.name == column.name && c.got.Status == http.StatusOK {
				settled++
			}
		}
		maps.Copy(events, p.answered(t, keys[column.name+" id"], settled))
	}
	for _, c := range cells {
		c.verdict = c.judge(received[c.marker], billed, events)
		if t.Logf("%-10s %-14s %-26s streamed %-5v %s", c.dialect, c.corner.name, c.feature.name, c.streamed, c.verdict); !slices.Contains(verdicts, c.verdict) {
			t.Errorf("%s to %s, %s, streamed %v: %s\nasked  %s\nsent   %.1500s\nanswer %d %.1500s", c.dialect, c.corner.name, c.feature.name, c.streamed, c.verdict, c.body(), string(received[c.marker].Body), c.got.Status, c.got.Body)
		}
	}
	compareTable(t, "matrix", matrix(rows, columns, cells))
}

var verdicts = []string{"carried", "dropped", "refused", untold}

// untold says that the provider does not say it.
const untold = "untold"

// withCorners makes providers, routes and a key for each.
func (p *project) withCorners(t *testing.T, columns []corner) map[string]string {
	t.Helper()
	all, keys := map[string]cloud{}, map[string]string{}
	p.price(t, thinker, "", rig.Object{"catalog": "openai", "input_usd": "1", "output_usd": "1"})
	for _, column := range columns {
		all[column.name] = column.cloud
		broken := column.cloud
		broken.model = column.failing()
		all[column.name+"-failing"] = broken
		p.price(t, broken.model, "", rig.Object{"catalog": column.catalog, "input_usd": "1", "output_usd": "1"})
		must(t, p.house.Fault(t.Context(), rig.Object{"model": broken.model, "kind": "status", "status": http.StatusBadRequest}))
	}
	t.Cleanup(func() { must(t, p.house.ClearFaults(context.WithoutCancel(t.Context()))) })
	p.withClouds(t, all)
	for _, column := range columns {
		keys[column.name+" id"], keys[column.name] = p.newKey(t, rig.Object{"name": p.name[:20] + column.name})
	}
	return keys
}

// everyCell makes the cells of every row and column.
func everyCell(rows []feature, columns []corner) (cells []*cell) {
	for i := range rows {
		for _, dialect := range []string{byChat, byResponses, byMessages, byGemini} {
			if _, can := rows[i].asks[dialect]; !can {
				continue
			}
			for j := range columns {
				if columns[j].wire == toResponses && dialect == byChat {
					continue // as it came; the model takes no tools there
				}
				for _, streamed := range []bool{false, true} {
					cells = append(cells, &cell{feature: &rows[i], dialect: dialect, corner: &columns[j], streamed: streamed, marker: fmt.Sprintf("cell-%dx", len(cells))})
				}
			}
		}
	}
	return cells
}

// each does something with every cell, several at a time.
func each(cells []*cell, do func(*cell)) {
	const atATime = 12
	var all sync.WaitGroup
	places := make(chan struct{}, atATime)
	for _, one := range cells {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			do(one)
		})
	}
	all.Wait()
}

// body is the request: what the feature asks for, and what every request has where it does not say otherwise.
func (c *cell) body() string {
	body := "{" + c.feature.asks[c.dialect]
	for _, usual := range map[string][]string{
		byChat:      {`"messages":[{"role":"user","content":"TEXT"}]`, `"max_completion_tokens":4000`},
		byResponses: {`"input":"TEXT"`, `"max_output_tokens":4000`, `"store":false`},
		byMessages:  {`"messages":[{"role":"user","content":"TEXT"}]`, `"max_tokens":4000`},
		byGemini:    {`"contents":[{"role":"user","parts":[{"text":"TEXT"}]}]`, `"generationConfig":{"maxOutputTokens":4000}`},
	}[c.dialect] {
		if name, _, _ := strings.Cut(usual, ":"); !strings.Contains(body, name+":") {
			body += "," + usual
		}
	}
	if c.dialect != byGemini {
		body += `,"model":"` + c.route() + `"`
	}
	if c.streamed && c.dialect != byGemini {
		body += `,"stream":true`
	}
	if c.streamed && c.dialect == byChat {
		body += `,"stream_options":{"include_usage":true}`
	}
	text := c.marker + " " + c.feature.steer
	if c.feature.steer == "" {
		text += `\nsim:say=Well said, is it not?`
	}
	return strings.Replace(strings.Replace(body, "{,", "{", 1), "TEXT", text, 1) + "}"
}

func (c *cell) route() string {
	if c.feature.failing {
		return c.corner.name + "-failing"
	}
	return c.corner.name
}

func (c *cell) ask(t *testing.T, edge, key string) said {
	t.Helper()
	path := map[string]string{byChat: "/v1/chat/completions", byResponses: "/v1/responses", byMessages: "/v1/messages", byGemini: "/v1beta/models/" + c.route() + ":generateContent"}[c.dialect]
	if c.dialect == byGemini && c.streamed {
		path = "/v1beta/models/" + c.route() + ":streamGenerateContent?alt=sse"
	}
	return ask(t.Context(), http.MethodPost, edge+path, key, c.body())
}

// receipt is a request as a provider received it.
type receipt struct {
	ClientRequestID string          `json:"client_request_id"`
	Body            json.RawMessage `json:"body"`
}

var markerForm = regexp.MustCompile(`cell-\d+x`)

// received returns what reached the simulator, by the marker in it.
func (p *project) received(t *testing.T) map[string]receipt {
	t.Helper()
	answer := ask(t.Context(), http.MethodGet, p.house.SimulatorURL+"/requests", "", "")
	var all struct {
		Requests []receipt `json:"requests"`
	}
	must(t, json.Unmarshal([]byte(answer.Body), &all))
	byMarker := map[string]receipt{}
	for _, one := range all.Requests {
		if marker := markerForm.Find(one.Body); marker != nil {
			byMarker[string(marker)] = one
		}
	}
	return byMarker
}

// answered returns the usage events of a key that are of calls that were answered, by their ids, when there are so many.
func (p *project) answered(t *testing.T, keyID string, count int) map[string]rig.Event {
	t.Helper()
	mine := map[string]rig.Event{}
	err := rig.Until(t.Context(), func() error {
		all, err := p.house.Admin.Events(t.Context(), "?limit=500&outcome=ok&virtual_key_id="+keyID)
		if err != nil {
			return err
		}
		for _, event := range all {
			mine[event.ID] = event
		}
		if len(mine) < count {
			return fmt.Errorf("%d usage events, want %d", len(mine), count)
		}
		return nil
	})
	must(t, err)
	return mine
}

// judge says what became of the feature.
func (c *cell) judge(sent receipt, billed map[string]rig.Bill, events map[string]rig.Event) string {
	if c.feature.failing {
		return c.judgeFailure()
	}
	pattern, can := c.feature.sent[c.corner.spoken(c.dialect)]
	if elsewhere, differs := c.feature.sent[c.corner.spoken(c.dialect)+" at "+c.corner.kind]; differs {
		pattern, can = elsewhere, true
	}
	var failure struct {
		Error struct {
			Code, Param, Message string
			Details              []struct {
				Reason   string
				Metadata struct{ Field, Param string }
			}
		}
	}
	if c.got.Status == http.StatusBadRequest {
		_ = json.Unmarshal([]byte(c.got.Body), &failure)
		wanted := c.feature.field[c.dialect]
		named := regexp.MustCompile(strings.ReplaceAll(strings.TrimSuffix(wanted, "$"), "^", `The field `)).MatchString(c.got.Body)
		if strings.Contains(c.got.Body, "field_not_carried") && wanted != "" && named {
			return "refused"
		}
		return "refused without the name of what is not carried"
	}
	if c.got.Status != http.StatusOK {
		return "not answered"
	}
	dropped := false
	for name := range strings.SplitSeq(c.got.Header.Get("X-Tollgate-Dropped"), ", ") {
		dropped = dropped || c.feature.field[c.dialect] != "" && regexp.MustCompile(c.feature.field[c.dialect]).MatchString(name)
	}
	var body any
	if json.Unmarshal(sent.Body, &body) != nil {
		return "nothing reached the provider"
	}
	lacks := lacking(body, pattern, c.marker)
	if (!can || lacks != "") && !dropped {
		return "left out in silence: " + lacks
	}
	h := hear(c.dialect, c.got.Body, c.streamed)
	if problem := c.misheard(&h); problem != "" {
		return problem
	}
	if problem := miscounted(&h, billed[sent.ClientRequestID], events[sent.ClientRequestID], c); problem != "" {
		return problem
	}
	switch {
	case !can || lacks != "":
		return "dropped"
	case c.feature.came.stopped && c.dialect == byMessages && h.stopped == "":
		return untold
	}
	return "carried"
}

// misheard says what the answer lacks.
func (c *cell) misheard(h *heard) string {
	want := c.feature.came
	wire := c.corner.spoken(c.dialect)
	switch {
	case h.broken != "":
		return h.broken
	case want.answers > 0 && h.answers != want.answers:
		return fmt.Sprintf("it has %d answers", h.answers)
	case want.odds > 0 && wire != toMessages && (strings.Join(h.odds, "") != h.text || want.odds > 1 && h.tops != want.odds):
		return fmt.Sprintf("it tells of %q, beside %d others", h.odds, h.tops)
	case want.tier != "" && !strings.Contains(strings.ToLower(h.tier), want.tier):
		return fmt.Sprintf("the tier is %q", h.tier)
	case want.calls == 0 && h.text == "", c.feature.steer == "" && want.calls == 0 && h.text != "Well said, is it not?":
		return fmt.Sprintf("the text is %q", h.text)
	case len(h.calls) != want.calls:
		return fmt.Sprintf("the calls are %q", h.calls)
	case want.finish != "" && h.finish != want.finish:
		return fmt.Sprintf("it ended by %q", h.finish)
	case want.thought && wire != toChat && h.thought != "Let me think.":
		return fmt.Sprintf("the thoughts are %q", h.thought)
	case want.stopped && (strings.Contains(h.text, "END") || c.dialect == byMessages && h.stopped != "END" && (wire == toMessages || wire == toConverse || wire == toCohere)):
		return fmt.Sprintf("the text is %q, stopped by %q", h.text, h.stopped)
	case want.sealed && (wire == toMessages || wire == toConverse) && !strings.HasSuffix(h.sealed, sealedThoughts):
		return fmt.Sprintf("the sealed thoughts are %q", h.sealed)
	case want.thought && (wire == toMessages || wire == toConverse) && !strings.Contains(h.signature, "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I="):
		return fmt.Sprintf("the signature is %q", h.signature)
	}
	for _, call := range h.calls {
		if call != `lookup{"city":"sample"}` && call != "lookup"+want.text {
			return fmt.Sprintf("the calls are %q", h.calls)
		}
	}
	return ""
}

// miscounted says where the answer and the usage event differ from what was billed.
func miscounted(h *heard, bill rig.Bill, event rig.Event, c *cell) string {
	billedInput := bill.InputTokens + bill.CachedInputTokens + bill.CacheWriteTokens
	tellsWritten := c.corner.wire == toMessages || c.corner.wire == toConverse
	switch {
	case bill.OutputTokens == 0 || h.input != billedInput || h.cached != bill.CachedInputTokens || h.output != bill.OutputTokens:
		return fmt.Sprintf("the answer counts %d, %d, %d; billed are %+v", h.input, h.cached, h.output, bill)
	case tellsWritten && (c.dialect == byMessages || c.dialect == byChat) && h.written != bill.CacheWriteTokens:
		return fmt.Sprintf("the answer counts %d written; billed are %+v", h.written, bill)
	case event.InputTokens+event.CachedTokens+event.WrittenTokens != billedInput || event.CachedTokens != bill.CachedInputTokens || event.OutputTokens != bill.OutputTokens || tellsWritten && event.WrittenTokens != bill.CacheWriteTokens:
		return fmt.Sprintf("the event is %+v; billed are %+v", event, bill)
	}
	return ""
}

// judgeFailure wants the provider's status, in the caller's own shape.
func (c *cell) judgeFailure() string {
	shapes := map[string]string{byChat: `^{"error":{.*"message":"`, byResponses: `^{"error":{.*"message":"`, byMessages: `^{"type":"error","error":{.*"type":"`, byGemini: `^{"error":{"code":400,.*"status":"INVALID_ARGUMENT"`}
	shape := regexp.MustCompile(`(?s)` + shapes[c.dialect])
	if c.got.Status != http.StatusBadRequest || !shape.MatchString(c.got.Body) && !regexp.MustCompile(`^{"error":{"code":400,"message":".*","status":"INVALID_ARGUMENT"`).MatchString(c.got.Body) {
		return "the provider's refusal is not told"
	}
	return "carried"
}
