package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/rig"
)

// The calls for embeddings, and the formats in which providers are asked.
const (
	byEmbeddings, byEmbedOne, byEmbedMany                                                                   = "E", "1", "B"
	toEmbeddings, toMistralEmbed, toCohereEmbed, toTitan, toBedrockCohere, toGeminiEmbed, toPredict, toNext = "embeddings", "mistral-embed", "cohere-embed", "titan", "bedrock-cohere", "gemini-embed", "predict", "embed-content"
)

// embedCorners are the columns of the matrix of embeddings.
func embedCorners(t *testing.T, house *rig.Rig) []corner {
	t.Helper()
	account, aws := serviceAccount(t, house), awsKey(awsSecret, "")
	global, region := rig.Object{"region": "global"}, rig.Object{"region": "eu-central-1"}
	return []corner{
		{cloud{"openai", embedder, "sk-sim", nil}, "openai", "openai", toEmbeddings},
		{cloud{"azure", embedder, "azure-key-simulated", nil}, "azure", "azure", toEmbeddings},
		{cloud{"mistral", "codestral-embed", "mistral-key-simulated", nil}, "mistral", "mistral", toMistralEmbed},
		{cloud{"cohere", "embed-v4.0", "cohere-key-simulated", nil}, "cohere", "cohere", toCohereEmbed},
		{cloud{"bedrock", "amazon.titan-embed-text-v2:0", aws, region}, "bedrock-titan", "amazon-bedrock", toTitan},
		{cloud{"bedrock", "eu.cohere.embed-v4:0", aws, region}, "bedrock-cohere", "amazon-bedrock", toBedrockCohere},
		{cloud{"gemini", "gemini-embedding-001", "google-key-simulated", nil}, "gemini", "google", toGeminiEmbed},
		{cloud{"vertex", "text-embedding-005", account, global}, "vertex", "google-vertex", toPredict},
		{cloud{"vertex", "gemini-embedding-2", account, global}, "vertex-gemini", "google-vertex", toNext},
	}
}

// withEmbedders makes providers, routes and prices of those that embed.
func (p *project) withEmbedders(t *testing.T, columns []corner) (names []string) {
	t.Helper()
	all := map[string]cloud{}
	for _, each := range columns {
		all[each.name], names = each.cloud, append(names, each.name)
		p.price(t, each.model, "", rig.Object{"catalog": each.catalog, "input_usd": "0.1"})
	}
	p.withClouds(t, all)
	return names
}

// embedRows are the rows: TEXT is what is embedded, and wanted how many vectors of which length come back (0: as the model likes).
func embedRows() []embedRow {
	one := map[string]string{byEmbeddings: `"input":"TEXT"`, byEmbedOne: `"content":{"parts":[{"text":"TEXT"}]}`, byEmbedMany: `"requests":[{"model":"models/ROUTE","content":{"parts":[{"text":"TEXT"}]}}]`}
	with := func(openai, google string) map[string]string {
		asks := map[string]string{}
		if openai != "" {
			asks[byEmbeddings] = one[byEmbeddings] + "," + openai
		}
		if google != "" {
			asks[byEmbedOne] = one[byEmbedOne] + "," + google
			asks[byEmbedMany] = `"requests":[{"model":"models/ROUTE","content":{"parts":[{"text":"TEXT"}]},` + google + `}]`
		}
		return asks
	}
	every := []string{toEmbeddings, toMistralEmbed, toCohereEmbed, toTitan, toBedrockCohere, toGeminiEmbed, toPredict, toNext}
	query := map[string]string{
		toEmbeddings:  `input_type~^search_query$`, // as the caller wrote it, to whoever speaks so
		toCohereEmbed: `input_type~^search_query$`, toBedrockCohere: `input_type~^search_query$`, toPredict: `instances.0.task_type~^RETRIEVAL_QUERY$`, toNext: `taskType~^RETRIEVAL_QUERY$`,
	}
	return []embedRow{
		{feature: feature{name: "a text", asks: one, sent: alike(`~TEXT`, every...)}, vectors: 1},
		{feature: feature{name: "several texts", asks: map[string]string{
			byEmbeddings: `"input":["TEXT one","TEXT two","TEXT three"]`,
			byEmbedMany:  `"requests":[{"model":"models/ROUTE","content":{"parts":[{"text":"TEXT one"}]}},{"model":"models/ROUTE","content":{"parts":[{"text":"TEXT two"}]}},{"model":"models/ROUTE","content":{"parts":[{"text":"TEXT three"}]}}]`,
		}, sent: alike(`~TEXT.one ~TEXT.two ~TEXT.three`, every...)}, vectors: 3},
		{feature: feature{name: "length of vectors", asks: with(`"dimensions":256`, `"outputDimensionality":256`), sent: joined(alike(`output_dimension~^256$`, toMistralEmbed, toCohereEmbed, toBedrockCohere), map[string]string{
			toEmbeddings: `dimensions~^256$`, toTitan: `dimensions~^256$`, toGeminiEmbed: `~outputDimensionality.:256`, toPredict: `parameters.outputDimensionality~^256$`, toNext: `outputDimensionality~^256$`,
		})}, vectors: 1, length: 256},
		{feature: feature{name: "numbers as base64", asks: with(`"encoding_format":"base64"`, ""), sent: alike(`~TEXT`, every...)}, vectors: 1, packed: true},
		{feature: feature{
			name: "what it is for", asks: with(`"input_type":"search_query"`, `"taskType":"RETRIEVAL_QUERY"`), sent: joined(query, map[string]string{toGeminiEmbed: `~taskType.:.RETRIEVAL_QUERY`}),
			field: map[string]string{byEmbeddings: `^input_type`, byEmbedOne: `^taskType`, byEmbedMany: `^requests\[0\]\.taskType`},
		}, vectors: 1},
		{feature: feature{
			name: "title", asks: with("", `"title":"Gates"`), sent: map[string]string{toGeminiEmbed: `~title.:.Gates`, toPredict: `instances.0.title~^Gates$`, toNext: `title~^Gates$`},
			field: map[string]string{byEmbedOne: `^title`, byEmbedMany: `^requests\[0\]\.title`},
		}, vectors: 1},
		{feature: feature{name: "numbers of tokens", asks: map[string]string{byEmbeddings: `"input":[101,102],"user":"TEXT"`}, sent: map[string]string{toEmbeddings: `input.1~^102$`}, field: map[string]string{byEmbeddings: `^input\[0\]`}}, vectors: 1},
		{feature: feature{name: "end user", asks: with(`"user":"somebody"`, ""), sent: map[string]string{toEmbeddings: `user~^somebody$`}, field: map[string]string{byEmbeddings: `^user$`}}, vectors: 1},
		{feature: feature{name: "an image", asks: map[string]string{byEmbedOne: `"content":{"parts":[{"text":"TEXT"},{"inlineData":{"mimeType":"image/png","data":"` + png + `"}}]}`}, sent: alike(`content.parts.1.inlineData.data~`+png, toGeminiEmbed, toNext), field: map[string]string{byEmbedOne: `^content\.parts\[1\]`}}, vectors: 1},
	}
}

type embedRow struct {
	feature
	vectors, length int
	packed          bool
}

// embedCell is one call.
type embedCell struct {
	row             *embedRow
	dialect, marker string
	corner          *corner
	got             said
	verdict         string
}

func (c *embedCell) body() string {
	body := strings.NewReplacer("TEXT", c.marker, "ROUTE", c.corner.name).Replace(c.row.asks[c.dialect])
	if c.dialect == byEmbeddings {
		body += `,"model":"` + c.corner.name + `"`
	}
	return "{" + body + "}"
}

// TestEachDialectGetsEmbeddingsOfEachProvider makes every call of the matrix of embeddings, finds what was asked for in what the provider received, and
// as many vectors as texts in the answer, or a refusal by name. Tokens are those that the provider billed.
func TestEachDialectGetsEmbeddingsOfEachProvider(t *testing.T) {
	p := newProject(t, stand(t))
	columns, rows := embedCorners(t, p.house), embedRows()
	p.withEmbedders(t, columns)
	var cells []*embedCell
	for i := range rows {
		for _, dialect := range []string{byEmbeddings, byEmbedOne, byEmbedMany} {
			for j := range columns {
				if _, can := rows[i].asks[dialect]; can {
					cells = append(cells, &embedCell{row: &rows[i], dialect: dialect, corner: &columns[j], marker: fmt.Sprintf("embed-cell-%dx", len(cells))})
				}
			}
		}
	}
	settled := 0
	for _, c := range cells {
		path := map[string]string{byEmbeddings: "/v1/embeddings", byEmbedOne: "/v1beta/models/" + c.corner.name + ":embedContent", byEmbedMany: "/v1beta/models/" + c.corner.name + ":batchEmbedContents"}[c.dialect]
		if c.got = ask(t.Context(), http.MethodPost, p.house.Edges[0].URL+path, p.key, c.body()); c.got.Status == http.StatusOK {
			settled++
		}
	}
	sent, billed := p.embedded(t)
	events := p.answered(t, p.keyID, settled)
	for _, c := range cells {
		c.verdict = c.judge(sent[c.marker], billed, events)
		if t.Logf("%s %-14s %-20s %s", c.dialect, c.corner.name, c.row.name, c.verdict); !slices.Contains(verdicts, c.verdict) {
			t.Errorf("%s to %s, %s: %s\nasked  %s\nsent   %.900s\nanswer %d %.300s %v", c.dialect, c.corner.name, c.row.name, c.verdict, c.body(), sent[c.marker], c.got.Status, c.got.Body, c.got.Header)
		}
	}
	compareTable(t, "embeddings", embedMatrix(rows, columns, cells))
}

// embedded returns what reached the simulator, by the marker in it, and the tokens that it billed, by the caller's id.
func (p *project) embedded(t *testing.T) (sent map[string][]receipt, billed map[string]int64) {
	t.Helper()
	answer := ask(t.Context(), http.MethodGet, p.house.SimulatorURL+"/requests", "", "")
	var all struct {
		Requests []receipt `json:"requests"`
	}
	must(t, json.Unmarshal([]byte(answer.Body), &all))
	sent, billed = map[string][]receipt{}, map[string]int64{}
	marker := regexp.MustCompile(`embed-cell-\d+x`)
	for _, one := range all.Requests {
		if found := marker.Find(one.Body); found != nil {
			sent[string(found)] = append(sent[string(found)], one)
		}
	}
	bills, err := p.house.Ledger(t.Context())
	must(t, err)
	for _, bill := range bills {
		billed[bill.ClientRequestID] += bill.InputTokens
	}
	return sent, billed
}

// judge says what became of the row.
func (c *embedCell) judge(sent []receipt, billed map[string]int64, events map[string]rig.Event) string {
	wanted := regexp.MustCompile(c.row.field[c.dialect])
	if c.got.Status == http.StatusBadRequest {
		named := regexp.MustCompile(strings.ReplaceAll(c.row.field[c.dialect], "^", `The field `))
		if c.row.field[c.dialect] != "" && strings.Contains(c.got.Body, "field_not_carried") && named.MatchString(c.got.Body) {
			return "refused"
		}
		return "refused without the name of what is not carried"
	}
	if c.got.Status != http.StatusOK || len(sent) == 0 {
		return "not answered"
	}
	pattern, can := c.row.sent[c.corner.wire]
	dropped := slices.ContainsFunc(strings.Split(c.got.Header.Get("X-Tollgate-Dropped"), ", "), func(name string) bool { return name != "" && c.row.field[c.dialect] != "" && wanted.MatchString(name) })
	for each := range strings.FieldsSeq(pattern) {
		kept := slices.ContainsFunc(sent, func(one receipt) bool {
			var body any
			return json.Unmarshal(one.Body, &body) == nil && lacking(body, each, c.marker) == ""
		})
		if can = can && kept; !can {
			break
		}
	}
	if !can && !dropped {
		return "left out in silence"
	}
	if problem := c.misread(); problem != "" {
		return problem
	}
	id := sent[0].ClientRequestID
	event, found := events[id]
	slack := int64(0)
	if c.corner.wire == toGeminiEmbed { // says nothing of tokens: an estimate
		slack = int64(c.row.vectors) + int64(strings.Count(c.body(), "inlineData"))*1000
	}
	if off := event.InputTokens - billed[id]; !found || event.InputTokens == 0 || off > slack || off < -slack {
		return fmt.Sprintf("the event counts %d, billed are %d", event.InputTokens, billed[id])
	}
	if !can {
		return "dropped"
	}
	return "carried"
}

// misread says what the answer lacks.
func (c *embedCell) misread() string {
	var answer struct {
		Data []struct {
			Index     int
			Embedding json.RawMessage
		}
		Embedding  *struct{ Values json.RawMessage }
		Embeddings []struct{ Values json.RawMessage }
	}
	if err := json.Unmarshal([]byte(c.got.Body), &answer); err != nil {
		return err.Error()
	}
	var vectors []json.RawMessage
	for i, each := range answer.Data {
		if each.Index != i {
			return "a vector has another's number"
		}
		vectors = append(vectors, each.Embedding)
	}
	for _, each := range answer.Embeddings {
		vectors = append(vectors, each.Values)
	}
	if answer.Embedding != nil {
		vectors = append(vectors, answer.Embedding.Values)
	}
	if len(vectors) != c.row.vectors {
		return fmt.Sprintf("%d vectors", len(vectors))
	}
	seen := map[string]bool{}
	for _, raw := range vectors {
		var numbers []float64
		var packed string
		if c.row.packed && json.Unmarshal(raw, &packed) == nil {
			bytes, _ := base64.StdEncoding.DecodeString(packed)
			numbers = make([]float64, len(bytes)/4)
		} else if json.Unmarshal(raw, &numbers) != nil {
			return "a vector is not made of numbers"
		}
		if len(numbers) < 2 || c.row.length > 0 && len(numbers) != c.row.length || seen[string(raw)] {
			return fmt.Sprintf("a vector of %d numbers, or another's", len(numbers))
		}
		seen[string(raw)] = true
	}
	return ""
}

// embedMatrix writes the table.
func embedMatrix(rows []embedRow, columns []corner, cells []*embedCell) string {
	var out strings.Builder
	out.WriteString("| |")
	for _, column := range columns {
		out.WriteString(" " + column.name + " |")
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for i := range rows {
		out.WriteString("| " + rows[i].name + " |")
		for j := range columns {
			all := map[string]string{}
			for _, c := range cells {
				if c.row == &rows[i] && c.corner == &columns[j] {
					all[c.verdict] += c.dialect
				}
			}
			out.WriteString(" " + summary(all) + " |")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// TestTheOfficialSDKsEmbedAtEachProvider has OpenAI's and Google's SDKs ask each provider, for one text and for several, and compares what was counted
// with what was billed.
func TestTheOfficialSDKsEmbedAtEachProvider(t *testing.T) {
	p := newProject(t, stand(t))
	names := p.withEmbedders(t, embedCorners(t, p.house))
	var found map[string]struct {
		Counts         []int
		Length, Tokens int
		Same           []bool
		Apart          bool
	}
	runSDK(t, "embed.mjs", p.house.Edges[0], p.key, strings.Join(names, ","), &found)
	for _, name := range names {
		if got := found[name]; !slices.Equal(got.Counts, []int{3, 1, 3, 1}) || got.Length != 256 || slices.Contains(got.Same, false) || len(got.Same) != 3 || !got.Apart || got.Tokens == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	_, billed := p.embedded(t)
	events := p.answered(t, p.keyID, 4*len(names))
	sum := map[string]int64{}
	for id := range maps.Keys(events) {
		sum[events[id].Model] += events[id].InputTokens - billed[id]
		if events[id].CostPico == "0" || billed[id] == 0 {
			t.Errorf("%+v, billed %d", events[id], billed[id])
		}
	}
	for name, off := range sum {
		if off != 0 && name != "gemini" || off > 4 || off < -4 { // where the provider says nothing it is an estimate
			t.Errorf("%s counts %d more than were billed", name, off)
		}
	}
}
