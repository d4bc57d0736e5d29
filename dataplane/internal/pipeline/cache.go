package pipeline

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/cache"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/sse"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

const cacheField = "X-Tollgate-Cache"

// memo is what a call has to do with kept answers.
type memo struct {
	asked cache.Question
	spot  *cache.Spot   // where its question lies among others; nil: not known
	age   time.Duration // of the oldest answer that may serve
	keeps bool          // its own answer may be kept
	body  []byte        // of a stream, as far as it has left
}

// recall answers with what is kept, if the route keeps answers, the call may be served so and there is one from the target that would be
// asked first.
func (p *Pipeline) recall(c *call) *refusal.Error {
	rules := c.target.Cache
	if rules == nil || p.Cache == nil || len(c.targets) == 0 {
		return nil
	}
	asks, problem := c.cacheControl(rules.TTL)
	if problem != nil {
		return problem
	}
	if !asks || !c.keepable(rules) {
		c.set(cacheField, "bypass")
		return nil
	}
	c.memo.asked, c.memo.keeps = c.question(rules, nil), true
	if c.memo.age == 0 {
		c.set(cacheField, "miss")
		return nil
	}
	if kept, age, found := p.find(c, c.place(c.targets[0])); found {
		return p.serveKept(c, &kept, age, 0)
	}
	if rules.EmbeddingModel != "" {
		return p.recallSimilar(c, rules)
	}
	c.set(cacheField, "miss")
	return nil
}

// find returns what is kept at a place, and how old it is, unless it is older than the call wants.
func (p *Pipeline) find(c *call, place *cache.Place) (kept cache.Kept, age time.Duration, found bool) {
	if kept, found = p.Cache.Find(place); !found {
		return kept, 0, false
	}
	if age = elapsed(kept.At, p.Now()); age <= c.memo.age {
		kept.Body, found = c.shaped(&kept)
	}
	return kept, age, found && age <= c.memo.age
}

// shaped returns a kept answer as the call wants it: one that was given whole as events, and the events of a stream as one answer.
func (c *call) shaped(kept *cache.Kept) ([]byte, bool) {
	was, wanted := translate.Shape(kept.Form), c.ask.Shape()
	if was.Usage = was.Usage && was.Streamed; was == wanted || !wanted.Streamed && !was.Streamed {
		return kept.Body, true
	}
	events := [][]byte{kept.Body}
	if kept.Streamed {
		events = events[:0]
		c.eachEvent(kept.Body, kept.Array, func(event sse.Event) {
			if len(event.Data) > 0 && event.Data[0] == '{' {
				events = append(events, event.Data)
			}
		})
	}
	return c.ask.Recast(events, was, &kept.Used)
}

// eachEvent hands out the events of a kept stream.
func (c *call) eachEvent(body []byte, array bool, see func(sse.Event)) {
	if array {
		scan.Elements(body, func(element []byte) { see(sse.Event{Raw: element, Data: element}) })
		return
	}
	split := sse.Splitter{Most: cache.EntryBytesMax}
	split.Feed(body)
	for event, ok, err := split.Next(); ok && err == nil; event, ok, err = split.Next() {
		see(event)
	}
}

// cacheControl reads what the caller asks of caches: X-Tollgate-Cache, else Cache-Control as https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1
// defines it. It can only narrow what the route allows. Asks says whether a kept answer may serve or the answer be kept.
func (c *call) cacheControl(ttl time.Duration) (asks bool, problem *refusal.Error) {
	c.memo.age = ttl
	own := first(c.r.Header, cacheField)
	text := own
	if own == "" {
		text = strings.Join(c.r.Header["Cache-Control"], ",")
	}
	for directive := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store":
			return false, nil
		case "no-cache":
			c.memo.age = 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err == nil {
				c.memo.age = min(c.memo.age, time.Duration(seconds)*time.Second)
			} else if own != "" {
				return false, badHeader("x-tollgate-cache: max-age must be a whole number of seconds, as in max-age=60.")
			}
		case "":
		default:
			if own != "" {
				return false, badHeader("x-tollgate-cache takes no-store, no-cache and max-age=<seconds>, with commas between them.")
			}
		}
	}
	return true, nil
}

// keepable says whether the answer says everything: nothing of it stays at the provider, and it is no file.
func (c *call) keepable(rules *state.Cache) bool {
	if rules.PerEndUser && c.endUser == "" {
		return false
	}
	switch c.dialect {
	case dialect.OpenAIChat:
		return string(scan.Lookup(c.body.B, "store")) != "true"
	case dialect.OpenAIResponses:
		return string(scan.Lookup(c.body.B, "store")) == "false" && !c.scan.Has(c.body.B, scan.PreviousResponseID) && !c.scan.Has(c.body.B, scan.Conversation)
	case dialect.OpenAIEmbeddings, dialect.AnthropicMessages, dialect.GeminiGenerate, dialect.GeminiEmbed, dialect.GeminiBatchEmbed:
		return true
	default:
		return false
	}
}

// question hashes all that decides the answer but the target and some texts: whose call it is, the body without the caller's own labels, and the
// header fields that go on to the provider.
func (c *call) question(rules *state.Cache, but []scan.Value) cache.Question {
	flags := byte(0)
	for i, flag := range [...]bool{c.key.DropsFields, rules.PerEndUser} {
		if flag {
			flags |= 1 << i
		}
	}
	head := append(make([]byte, 0, 64), byte(c.dialect), flags)
	head = append(append(head, c.key.WorkspaceID[:]...), c.target.ID[:]...)
	head = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(head, c.key.CacheEpoch), rules.Epoch)
	user := ""
	if rules.PerEndUser {
		user = c.endUser
	}
	c.pieces = append(c.pieces[:0], c.key.Org.ID[:], head, []byte(user))
	for _, name := range [...]string{"Openai-Beta", "Anthropic-Beta", "Anthropic-Version"} {
		c.pieces = append(c.pieces, []byte(strings.Join(c.r.Header[name], ",")))
	}
	c.pieces = c.decisive(c.pieces, but)
	return cache.Ask(c.pieces...)
}

// decisive appends the body without some texts and what no answer depends on: the shape in which it comes, and the spaces that say nothing. A
// Responses answer repeats the caller's labels, so that they count there.
func (c *call) decisive(dst [][]byte, but []scan.Value) [][]byte {
	body := c.body.B
	cuts := append(make([]scan.Value, 0, 8), but...)
	var shapes [2]scan.Value
	if !c.dialect.IsGoogle() { // whose path says it
		for i, field := range [...]scan.Field{scan.Stream, scan.StreamOptions} {
			if v := c.scan.Fields[field]; v.End > 0 {
				shapes[i] = scan.WithComma(body, scan.Member(body, v))
				cuts = append(cuts, shapes[i])
			}
		}
	}
	if c.dialect == dialect.OpenAIResponses || c.dialect.IsGoogle() {
		dst = append(dst, c.ask.Model)
	} else {
		cuts = append(cuts, c.scan.Fields[scan.User], c.scan.Fields[scan.Metadata])
	}
	cuts = append(cuts, scan.Value{Start: len(body), End: len(body)})
	slices.SortFunc(cuts, func(a, b scan.Value) int { return a.Start - b.Start })
	c.scratch = slices.Grow(c.scratch[:0], len(body)) // it never moves: the pieces lie in it
	at := 0
	for _, cut := range cuts {
		if cut.End == 0 { // an absent field
			continue
		}
		if c.scratch = scan.Compact(c.scratch, body[at:max(cut.Start, at)]); cut != shapes[0] && cut != shapes[1] {
			c.scratch = append(c.scratch, 0)
		}
		at = max(cut.End, at)
	}
	return append(dst, bytes.TrimRight(c.scratch, "},\x00")) // a comma may be left before what was the last member
}

// place is where the answer of a target is kept.
func (c *call) place(t *state.Target) *cache.Place {
	parts := append(make([][]byte, 0, 3+2*len(t.Parameters)), t.Provider.ID[:], []byte(t.Provider.BaseURL.String()), []byte(t.Model))
	for i := range t.Parameters {
		kind := []byte("default")
		if t.Parameters[i].Override {
			kind = []byte("override")
		}
		parts = append(parts, kind, []byte(t.Parameters[i].Name), t.Parameters[i].Value)
	}
	return &cache.Place{Org: c.key.Org.ID, Question: c.memo.asked, Target: cache.Ask(parts...)}
}

// serveKept answers with a kept answer: checked as if it came now, recorded, and free. Of one to another question it says how like the two are.
func (p *Pipeline) serveKept(c *call, kept *cache.Kept, age time.Duration, likenessPPM int64) *refusal.Error {
	v := c.checkKept(kept.Body)
	if v.Flagged != nil {
		c.flag(v.Flagged)
	}
	if v.Blocked != nil {
		return guardrail.OutputRefusal(v)
	}
	c.identify()
	p.recordKept(c, kept, likenessPPM)
	p.describeLimits(c)
	target := c.targets[0]
	c.set(cacheField, "hit")
	if likenessPPM > 0 {
		c.set(similarityField, strconv.FormatFloat(float64(likenessPPM)/1e6, 'f', 3, 64))
	}
	c.set("Age", strconv.FormatInt(int64(age/time.Second), 10))
	c.set("X-Tollgate-Provider", target.Provider.Name)
	c.set("X-Tollgate-Model", target.Model)
	c.set("X-Tollgate-Attempts", "0")
	c.set("X-Tollgate-Cost-Usd", "0")
	c.set("X-Tollgate-Saved-Usd", refusal.USD(kept.CostPico))
	if c.ask.Stream {
		c.setStreamHead()
	} else {
		c.set("Content-Type", jsonType)
	}
	c.set("Content-Length", strconv.Itoa(len(kept.Body))) // of a stream too: it is here already
	c.status, c.committed = http.StatusOK, true
	c.w.WriteHeader(http.StatusOK)
	_ = p.write(c, kept.Body) // the caller may be gone
	return nil
}

// recordKept records the call: it cost nothing, and saved what the answer had cost.
func (p *Pipeline) recordKept(c *call, kept *cache.Kept, likenessPPM int64) {
	id := wire.NewID(c.started)
	c.fill(&c.event, &id)
	event := &c.event
	event.Outcome, event.Code, event.HttpStatus = wire.Outcome_OUTCOME_OK, wire.CodeCacheHit, http.StatusOK
	event.DurationUs, event.SavedPico = elapsed(c.started, p.Now()).Microseconds(), kept.CostPico
	event.FirstByteUs = max(1, event.GetDurationUs())
	if likenessPPM > 0 {
		event.Code, event.SimilarityPpm = wire.CodeCacheHitSimilar, uint32(likenessPPM)
	}
	c.recorded = true
	if err := p.keep(c, event); err != nil {
		p.unwritten(c, event, err)
	}
	p.metrics.settled(c, event)
}

// checkKept looks through a kept answer with the guardrails that hold now.
func (c *call) checkKept(body []byte) (v guardrail.Verdict) {
	if !c.checker.Active() {
		return v
	}
	if !c.ask.Stream {
		if c.answer.ScanAnswer(body) == nil {
			v = c.checker.Check(body, c.answer.Texts)
		}
		return v
	}
	window := guardrail.NewWindow(&c.checker, c.dialect, longest(c.key.Guardrails))
	c.eachEvent(body, c.ask.Array, func(event sse.Event) {
		c.answer.Texts = c.answer.Texts[:0]
		if v.Blocked == nil && len(event.Data) > 0 && event.Data[0] == '{' && c.answer.ScanAnswer(event.Data) == nil {
			v, _ = window.Add(event, &c.answer) // what is kept is shorter than a window holds
		}
	})
	if v.Blocked == nil {
		_, v = window.Release(nil, true)
	}
	return v
}

// recordStream takes note of what has left of a stream that may be kept.
func (c *call) recordStream(data []byte) {
	if !c.memo.keeps {
		return
	}
	if len(c.memo.body)+len(data) > cache.EntryBytesMax {
		c.memo.keeps, c.memo.body = false, nil
		return
	}
	c.memo.body = append(c.memo.body, data...)
}

// keepAnswer hands an answer that has reached its caller whole to the cache.
func (p *Pipeline) keepAnswer(c *call, a *attempt, body []byte, used meter.Usage, cost int64) {
	if !c.memo.keeps || len(body) > cache.EntryBytesMax {
		return
	}
	if !c.ask.Stream {
		body = append([]byte(nil), body...) // its memory is used again
	}
	spot := c.memo.spot
	c.memo = memo{asked: c.memo.asked}
	place := c.place(a.target)
	if spot != nil {
		spot.Around.Target = place.Target
	}
	p.Cache.Keep(*place, cache.Answer{Dialect: c.dialect, Form: cache.Form(c.ask.Shape()), Body: body, Used: wire.Tokens(used), CostPico: cost}, spot, c.target.Cache.TTL)
}
