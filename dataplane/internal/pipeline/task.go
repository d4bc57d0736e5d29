package pipeline

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/guardrail"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

// askTask reads what is asked for that is no conversation.
func (p *Pipeline) askTask(c *call) (problem *refusal.Error) {
	if c.ask, problem = translate.ReadTask(c.dialect, c.r.Header.Get("Content-Type"), c.body.B, &c.scan); problem != nil {
		return problem
	}
	return c.readBodyLabels()
}

// worst is the most that an attempt can cost.
func (c *call) worst(a *attempt) int64 {
	if c.free() {
		return 0
	}
	worst := a.price.Worst(a.input, a.output)
	if c.ask.Task != nil {
		units := a.price.WorstUnits(&c.ask.Task.Most)
		worst += min(units, math.MaxInt64-worst)
	}
	return worst
}

// usage returns what a whole answer says that it used, as far as it is believed.
func (p *Pipeline) usage(c *call, a *attempt, body []byte) meter.Usage {
	if c.ask.Task != nil {
		u := c.taskUsage(a, body)
		tokens := p.believed(a, u)
		tokens.Images, tokens.Characters, tokens.AudioMs, tokens.Searches, tokens.Service = u.Images, u.Characters, u.AudioMs, u.Searches, u.Service
		return tokens
	}
	return p.believed(a, c.answered(a, body))
}

// taskUsage returns what a task has used, from what its answer says, and else what is known beforehand or usual.
func (c *call) taskUsage(a *attempt, body []byte) meter.Usage {
	t := c.ask.Task
	usage := scan.Lookup(body, "usage")
	u, reported := meter.Read(dialect.OpenAIResponses, usage)
	if !reported {
		u = meter.Usage{}
	}
	if !reported && !c.byUnit(a) { // the tokens that it is billed by are not told
		u = meter.Usage{Input: t.Usual.Input, Output: t.Usual.Output}
	}
	switch c.dialect {
	case dialect.OpenAIModeration:
		return meter.Usage{}
	case dialect.OpenAIImages, dialect.OpenAIImageEdits:
		u.Service = t.Most.Service
		scan.Elements(scan.Lookup(body, "data"), func([]byte) { u.Images++ })
		u.Images = min(u.Images, t.Most.Images)
		u.Reported = reported || a.price.ImagePico > 0
	case dialect.OpenAISpeech:
		u.Characters, u.Reported = t.Most.Characters, reported || a.price.CharacterPico > 0
	case dialect.OpenAITranscription, dialect.OpenAITranslation:
		ms, said := seconds(scan.Lookup(usage, "seconds"))
		if !said {
			ms, said = seconds(scan.Lookup(body, "duration"))
		}
		if said {
			u.AudioMs = min(ms, disbelief*t.Most.AudioMs)
		} else if !reported {
			u.AudioMs = t.Usual.AudioMs
		}
		u.Reported = reported || said
		if said && !reported { // billed by its length alone
			u.Input, u.Output = 0, 0
		}
	case dialect.Rerank:
		u = c.rerankUsage(a, body)
	}
	return u
}

// byUnit says whether the model has a price for the unit that its answers come in.
func (c *call) byUnit(a *attempt) bool {
	one := wire.Tokens{Images: min(c.ask.Task.Most.Images, 1), Characters: min(c.ask.Task.Most.Characters, 1), AudioMs: min(c.ask.Task.Most.AudioMs, 1), Searches: min(c.ask.Task.Most.Searches, 1)}
	return a.price.WorstUnits(&one) > 0
}

// rerankUsage reads Cohere's figures (https://docs.cohere.com/reference/rerank) or Jina's (https://api.jina.ai/redoc).
func (c *call) rerankUsage(a *attempt, body []byte) meter.Usage {
	t := c.ask.Task
	u := meter.Usage{Searches: t.Usual.Searches}
	if !c.byUnit(a) {
		u.Input = t.Usual.Input
	}
	billed := scan.Lookup(scan.Lookup(body, "meta"), "billed_units")
	if n, ok := scan.Int(scan.Lookup(billed, "search_units")); ok && n > 0 {
		u.Searches, u.Input, u.Reported = min(n, disbelief*t.Most.Searches), 0, true
	}
	for _, raw := range [][]byte{scan.Lookup(scan.Lookup(body, "usage"), "total_tokens"), scan.Lookup(scan.Lookup(scan.Lookup(body, "meta"), "tokens"), "input_tokens")} {
		if n, ok := scan.Int(raw); ok && n > 0 {
			u.Input, u.Reported = min(n, disbelief*t.Most.Input), true
			break
		}
	}
	return u
}

// seconds reads a number of seconds with decimals, as milliseconds rounded up.
func seconds(raw []byte) (ms int64, ok bool) {
	whole, fraction, _ := strings.Cut(strings.Trim(string(raw), `"`), ".")
	n, err := strconv.ParseInt(whole, 10, 32)
	if err != nil || n < 0 || len(fraction) > 18 {
		return 0, false
	}
	part := int64(0)
	for i, digit := range []byte(fraction + "000") {
		switch {
		case digit < '0' || digit > '9':
			return 0, false
		case i < 3:
			part = part*10 + int64(digit-'0')
		case digit > '0':
			return n*1000 + part + 1, true
		}
	}
	return n*1000 + part, true
}

// taskBytes carries an answer that is no JSON: sound as it comes, text when it is checked.
func (p *Pipeline) taskBytes(c *call, a *attempt, watch *watch, answer *Answer) (bool, *refusal.Error) {
	c.w.Header()["Content-Type"] = []string{answer.ContentType}
	if !strings.HasPrefix(answer.ContentType, "text/") && c.dialect == dialect.OpenAISpeech {
		p.relayBytes(c, a, watch, answer, -1, c.taskUsage(a, nil))
		return false, nil
	}
	body, err := p.buffers.ReadBody(answer.Body, -1, answerBytesMax)
	if err != nil {
		code, reason := cutShort(err)
		return p.broken(c, a, code, reason, c.taskUsage(a, nil))
	}
	defer body.Free()
	usage := c.taskUsage(a, nil)
	if ms, ok := lastCue(body.B); ok && !usage.Reported && usage.AudioMs > 0 {
		usage = meter.Usage{AudioMs: min(ms, c.ask.Task.Most.AudioMs)}
	}
	e := ending{outcome: wire.Outcome_OUTCOME_OK, status: answer.Status, usage: usage}
	v := c.checker.Check(body.B, []scan.Value{{Start: 0, End: len(body.B)}})
	if v.Flagged != nil {
		c.flag(v.Flagged)
	}
	var problem *refusal.Error
	if v.Blocked != nil {
		problem = guardrail.OutputRefusal(v)
		e.outcome, e.code, e.rule, e.status, e.waste = wire.Outcome_OUTCOME_REFUSED, problem.Code, problem.Rule, problem.Status, true
	}
	left, hard := a.hold.LeftPico()
	cost := p.settle(c, a, e)
	if problem != nil {
		return false, problem
	}
	c.set("X-Tollgate-Cost-Usd", refusal.USD(cost))
	p.sayWhole(c, a, answer.Status, body.B, left+a.worst-cost, hard)
	return false, nil
}

// lastCue returns when the last cue of subtitles ends (SubRip: "00:00:01,500 --> 00:00:04,000"; WebVTT with a point), in milliseconds.
func lastCue(text []byte) (ms int64, ok bool) {
	at := bytes.LastIndex(text, []byte(" --> "))
	if at < 0 {
		return 0, false
	}
	stamp, _, _ := strings.Cut(string(text[at+len(" --> "):min(len(text), at+32)]), "\n")
	parts := strings.Split(strings.TrimSpace(strings.Replace(stamp, ",", ".", 1)), ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, false
	}
	for i, part := range parts {
		n, sound := seconds([]byte(part))
		if !sound {
			return 0, false
		}
		if ms = ms*60 + n; i < len(parts)-1 && n%1000 != 0 {
			return 0, false
		}
	}
	return ms, true
}
