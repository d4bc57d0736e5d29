package pipeline

import (
	"context"
	"maps"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate.dev/dataplane/internal/buffer"
	"tollgate.dev/dataplane/internal/cache"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/limit"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

const (
	// CacheLabel is the label of calls that embed a question for a route's cache; its value is the route's name.
	CacheLabel = wire.CacheLabel

	similarityField = "X-Tollgate-Cache-Similarity"
	embedWithin     = 2 * time.Second // no call waits longer to be compared: embedding takes a tenth of that, and most models answer in as long
	saidBytesMost   = 8 << 10         // of a question that is compared, as it lies
	vectorBytesMost = 1 << 20         // of an answer with one embedding
)

// compared says what became of a question that was to be compared.
type compared uint8

const (
	likeOne    compared = iota // the answer to one like it served
	likeNone                   // none is like it
	notSaid                    // the call goes on from something else than words of its user
	tooLong                    // the words are too many
	noModel                    // no route of the workspace has the name
	noBudget                   // a budget does not let it be embedded
	noRate                     // nor does a rate limit of the model that embeds
	tooSlow                    // the embedding did not come in time
	notWell                    // the embedding did not come
	storeAway                  // nor did what is kept
	comparedTo                 // how many there are
)

// String returns the result as header and metric have it.
func (r compared) String() string {
	return [comparedTo]string{"hit", "miss", "no_text", "too_long", "no_model", "no_budget", "limited", "too_slow", "failed", "away"}[r]
}

// comparisons counts them.
type comparisons [comparedTo]atomic.Int64

func newComparisons(registry prometheus.Registerer) *comparisons {
	all := &comparisons{}
	if registry == nil {
		return all
	}
	for r := range comparedTo {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "tollgate_semantic_cache_total", ConstLabels: prometheus.Labels{"result": r.String()},
			Help: "Questions that were not kept word for word, by what became of comparing them: no_text: the user said nothing last; no_budget, limited, too_slow (2 s), failed: of the embedding.",
		}, func() float64 { return float64(all[r].Load()) }))
	}
	return all
}

// recallSimilar answers with what is kept of a question like the call's. Whatever goes wrong with that is a miss.
func (p *Pipeline) recallSimilar(c *call, rules *state.Cache) *refusal.Error {
	result, problem := p.compare(c, rules)
	p.comparisons[result].Add(1)
	switch result {
	case likeOne:
	case likeNone:
		c.set(cacheField, "miss")
	default:
		c.set(cacheField, "miss; compared="+result.String())
	}
	return problem
}

// compare embeds what the user said last and looks among the questions that are the same in everything else.
func (p *Pipeline) compare(c *call, rules *state.Cache) (compared, *refusal.Error) {
	said := c.lastSaid()
	length := 0
	for _, each := range said {
		length += each.End - each.Start
	}
	switch {
	case len(said) == 0:
		return notSaid, nil
	case length > saidBytesMost:
		return tooLong, nil
	}
	began := time.Now()
	vector, result := p.embed(c, rules.EmbeddingModel, said)
	if c.timeout > 0 {
		c.timeout = max(c.timeout-time.Since(began), time.Millisecond)
	}
	if vector.Empty() {
		return result, nil
	}
	place := c.place(c.targets[0])
	around := cache.Place{Org: place.Org, Question: c.question(rules, said), Target: place.Target}
	c.memo.spot = &cache.Spot{Around: around, Vector: vector}
	near, ok := p.Cache.Near(c.memo.spot, rules.ThresholdPPM, p.Now().Add(-c.memo.age))
	if !ok {
		return storeAway, nil
	}
	for _, n := range near {
		place.Question = n.Question
		if kept, age, found := p.find(c, place); found {
			return likeOne, p.serveKept(c, &kept, age, n.LikenessPPM)
		}
	}
	return likeNone, nil
}

// lastSaid returns where in the body the texts of the user stand, with their quotes, if they are what comes last.
func (c *call) lastSaid() (said []scan.Value) {
	field, content := scan.Messages, "content"
	switch c.dialect {
	case dialect.OpenAIChat, dialect.AnthropicMessages:
	case dialect.OpenAIResponses:
		field = scan.Input
	case dialect.GeminiGenerate:
		field, content = scan.Contents, "parts"
	default:
		return nil
	}
	body := c.body.B
	add := func(text []byte) {
		if len(text) > 2 && text[0] == '"' {
			at := cap(body) - cap(text)
			said = append(said, scan.Value{Start: at, End: at + len(text)})
		}
	}
	list := c.scan.Bytes(body, field)
	if c.dialect == dialect.OpenAIResponses && len(list) > 0 && list[0] == '"' {
		add(list)
		return said
	}
	var last []byte
	scan.Elements(list, func(each []byte) { last = each })
	role, kind := string(scan.Lookup(last, "role")), string(scan.Lookup(last, "type"))
	if role != `"user"` && (role != "" || c.dialect != dialect.GeminiGenerate) || kind != "" && kind != `"message"` {
		return nil
	}
	whole := scan.Lookup(last, content)
	add(whole)
	scan.Elements(whole, func(part []byte) {
		switch string(scan.Lookup(part, "type")) {
		case `"text"`, `"input_text"`, "": // Google's parts have no type
			add(scan.Lookup(part, "text"))
		}
	})
	return said
}

// embed asks the workspace's own model for the direction of a question. It is an attempt like any other, reserved, recorded and settled, with the
// caller's run and labels and one more that says what it was for. Of rate limits it is held by those that do not hold the call itself, which
// were asked already.
func (p *Pipeline) embed(c *call, model string, said []scan.Value) (vector cache.Vector, result compared) {
	route := c.key.Routes[model]
	if route == nil {
		return vector, noModel
	}
	body := append(refusal.AppendString([]byte(`{"model":`), model), `,"input":"`...)
	for i, each := range said {
		if i > 0 {
			body = append(body, `\n`...)
		}
		body = append(body, c.body.B[each.Start+1:each.End-1]...)
	}
	ctx, cancel := context.WithTimeout(c.ctx, embedWithin)
	defer cancel()
	r := (&http.Request{Method: http.MethodPost, URL: c.r.URL, Header: http.Header{}}).WithContext(ctx)
	w := &catcher{unread: unread{http.Header{}}, caller: c.w}
	s, ok := p.calls.Get().(*call)
	if !ok {
		panic("pipeline: the pool holds something else")
	}
	s.begin(w, r, dialect.OpenAIEmbeddings, p.Now())
	defer p.vanish(s)
	s.requestID, s.requestText = c.requestID, c.requestText
	s.key, s.sum, s.target, s.body = c.key, c.sum, route, &buffer.Buffer{B: append(body, `"}`...)}
	s.runID, s.runSource, s.endUser, s.labels = c.runID, c.runSource, c.endUser, maps.Clone(c.labels)
	if s.labels == nil {
		s.labels = map[string]string{}
	}
	s.labels[CacheLabel] = c.target.Name
	s.timeout = embedWithin
	if c.timeout > 0 {
		s.timeout = min(s.timeout, c.timeout)
	}
	defer func() { s.grant.Settle(s.usedInput, s.usedOutput, p.Now()) }()
	for _, stage := range []func(*call) *refusal.Error{p.ask, p.route, func(s *call) *refusal.Error { return p.limitComparison(s, c) }, p.attempt} {
		if problem := stage(s); problem != nil {
			return vector, unembedded(problem)
		}
	}
	if s.status != http.StatusOK {
		return vector, notWell
	}
	if vector, ok = cache.NewVector(s.place(s.attempt.target).Target, numbersOf(w.body)); !ok {
		return vector, notWell
	}
	return vector, likeNone
}

// limitComparison takes what embedding is expected to use from the rate limits that hold it and have not counted the call that it is for.
func (p *Pipeline) limitComparison(s, c *call) *refusal.Error {
	facts := s.facts()
	return p.Limiter.Admit(&s.grant, c.limitedAlso(&facts), &facts, limit.Estimate{InputTokens: meter.Tokens(int64(len(s.body.B))), NoOutput: true}, s.started)
}

func unembedded(problem *refusal.Error) compared {
	switch problem.Code {
	case wire.CodeBudgetExhausted, wire.CodeBudgetUnavailable:
		return noBudget
	case wire.CodeRateLimited:
		return noRate
	case wire.CodeDeadlineExceeded, wire.CodeUpstreamTimeout, wire.CodeClientClosed:
		return tooSlow
	default:
		return notWell
	}
}

// numbersOf returns the numbers of the first embedding of an answer; nil: it has none.
func numbersOf(body []byte) (numbers []float32) {
	if !scan.Valid(body) {
		return nil
	}
	var first []byte
	scan.Elements(scan.Lookup(body, "data"), func(each []byte) {
		if first == nil {
			first = scan.Lookup(each, "embedding")
		}
	})
	sound := true
	scan.Elements(first, func(number []byte) {
		f, err := strconv.ParseFloat(string(number), 32)
		sound = sound && err == nil
		numbers = append(numbers, float32(f))
	})
	if !sound {
		return nil
	}
	return numbers
}

// catcher keeps an answer for the call that needs it.
type catcher struct {
	unread
	body   []byte
	caller http.ResponseWriter
}

// Write implements http.ResponseWriter.
func (w *catcher) Write(data []byte) (int, error) {
	if len(w.body)+len(data) <= vectorBytesMost {
		w.body = append(w.body, data...)
	}
	return len(data), nil
}

// Gone says whether the one who waits has hung up.
func (w *catcher) Gone() bool { return hungUp(w.caller) }
