package pipeline

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire"
)

// longNote is what the edge writes for itself about a call that its provider works at for long, sealed: the event that left its cost in doubt, and
// whose it is.
type longNote struct {
	IDs    []byte   `json:"i"`           // of event, request, key and agent, one behind the other; then of each further model its route and what its requests can cost
	Bound  int64    `json:"b"`           // pico-USD
	Model  string   `json:"m"`           // the route's name
	Target string   `json:"t"`           // at the provider
	More   []string `json:"o,omitempty"` // of each further model the route's name, and its own at the provider

	Of whose `json:"-"`
}

const (
	eventID = iota
	requestID
	keyID
	agentID
	idsOfNote
)

const (
	idBytes    = len(wire.ID{})
	shareBytes = idBytes + 8 // of a further model in a note's ids
	runRoom    = 64          // bytes of the note of an id that stay for its run
)

func (n *longNote) id(which int) (id wire.ID) {
	copy(id[:], n.IDs[which*len(id):])
	return id
}

// of makes the note that of a call's attempt.
func (n *longNote) of(c *call, a *attempt) {
	n.IDs, n.Bound = slices.Concat(a.id[:], c.requestID[:], c.key.ID[:], c.key.AgentID[:]), a.worst
	n.Model, n.Target = c.target.Name, a.target.Model
	for i := range a.shares {
		one := &a.shares[i]
		n.IDs = binary.BigEndian.AppendUint64(append(n.IDs, one.route.ID[:]...), uint64(one.worst))
		n.More = append(n.More, one.route.Name, one.target.Model)
	}
}

// share returns the route of a further model, and what its requests can cost in pico-USD.
func (n *longNote) share(i int) (route wire.ID, bound int64) {
	of := n.IDs[idsOfNote*idBytes+i*shareBytes:]
	return wire.ID(of[:idBytes]), int64(binary.BigEndian.Uint64(of[idBytes:]))
}

// sound says whether a note has what it must have.
func (n *longNote) sound() bool {
	return len(n.More)%2 == 0 && len(n.IDs) == idsOfNote*idBytes+len(n.More)/2*shareBytes
}

// read reads a note as it was sealed.
func (n *longNote) read(text string) bool {
	return json.Unmarshal([]byte(text), n) == nil && n.sound()
}

// noteFits says whether the note about a batch of these models has room where it is kept, whatever it will cost.
func noteFits(asks []*asked, room int) bool {
	longest := longNote{}
	longest.IDs, longest.Bound = make([]byte, idsOfNote*idBytes+(len(asks)-1)*shareBytes), math.MaxInt64
	longest.Model, longest.Target = asks[0].route.Name, asks[0].target.Model
	for _, s := range asks[1:] {
		longest.More = append(longest.More, s.route.Name, s.target.Model)
	}
	raw, err := json.Marshal(longest)
	return err == nil && len(raw) <= room
}

// whose is the rest of what the books go by, as far as it fits.
type whose struct {
	Run     string            `json:"r,omitempty"`
	EndUser string            `json:"u,omitempty"`
	Labels  map[string]string `json:"l,omitempty"`
}

// recently are the calls that were settled lately. Whoever asks for one that has ended would else write its cost down again, which counts once
// but takes room.
type recently struct {
	mu  sync.Mutex
	ids map[wire.ID]struct{}
}

const recentlyMost = 10_000

func (r *recently) add(id wire.ID) (fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.ids[id]; known {
		return false
	}
	if r.ids == nil || len(r.ids) >= recentlyMost {
		r.ids = map[wire.ID]struct{}{}
	}
	r.ids[id] = struct{}{}
	return true
}

func (r *recently) has(id wire.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.ids[id]
	return known
}

func (r *recently) forget(id wire.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, id)
}

// longEnd is the end of a call that its provider worked at for long.
type longEnd struct {
	note    longNote
	service string        // of the provider, that it was served by; empty: as the usage says
	took    time.Duration // 0: not known
}

// tally is what the parts of a call have used and cost together.
type tally struct {
	service string
	used    meter.Usage
	cost    int64 // pico-USD
	saved   int64
	guessed bool // some of it was not told
}

// add adds one part, at its own price: what a token costs may depend on how many there are.
func (t *tally) add(price *state.Price, u meter.Usage) {
	if t.service != "" {
		u.Service = t.service
	}
	t.cost, t.saved = saturated(t.cost, meter.Cost(price, u)), saturated(t.saved, meter.Saved(price, u))
	sum := &t.used
	t.guessed = t.guessed || meter.Estimated(price, u)
	sum.Reported, sum.Service = !t.guessed, u.Service
	for _, each := range [...]struct {
		into *int64
		more int64
	}{
		{&sum.Input, u.Input},
		{&sum.CachedInput, u.CachedInput},
		{&sum.CacheWrite, u.CacheWrite},
		{&sum.CacheWriteHour, u.CacheWriteHour},
		{&sum.Output, u.Output},
		{&sum.Reasoning, u.Reasoning},
		{&sum.AudioInput, u.AudioInput},
		{&sum.ImageInput, u.ImageInput},
		{&sum.AudioOutput, u.AudioOutput},
		{&sum.ImageOutput, u.ImageOutput},
	} {
		*each.into = saturated(*each.into, each.more)
	}
}

// requests adds what is billed for so many requests besides their tokens.
func (t *tally) requests(row *state.Price, n int64) {
	if n > 0 && row.RequestPico > 0 {
		t.cost = saturated(t.cost, min(n, math.MaxInt64/row.RequestPico)*row.RequestPico)
	}
}

func saturated(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

// settleLong writes down what a call has cost that has ended. Whichever edge sees its end writes the same event, so that it counts once. Add says
// what was used; false: that is not known.
func (p *Pipeline) settleLong(c *call, a *attempt, end *longEnd, add func(all []*bill) bool) {
	provider, note := a.target.Provider, &end.note
	begun := note.id(eventID)
	if !p.settled.add(begun) {
		return
	}
	all, priced := note.bills(), true
	for _, b := range all {
		b.price, b.sum = p.Prices(c.key.Org.ID, provider.Catalog, b.target).At(begun.Time()), tally{service: end.service, used: meter.Usage{Service: end.service}}
		priced = priced && b.price != nil
	}
	if !priced || !add(all) {
		p.settled.forget(begun)
		p.Logger.Warn("what a long call has cost is not known; it stays in doubt", "request_id", c.requestText, "provider", provider.Name, "begun_event", begun.String())
		return
	}
	for _, b := range slices.Backward(all) { // the one that stands for all comes last
		event := &wire.UsageEvent{}
		p.fillLong(c, event, note, b)
		event.ProviderId, event.Attempt, event.DurationUs = provider.ID[:], 1, end.took.Microseconds()
		if err := p.keep(c, event); err != nil {
			p.settled.forget(begun)
			p.unwritten(c, event, err)
			return
		}
		p.metrics.settled(c, event)
	}
}

// fill writes what a model has used and costs.
func (b *bill) fill(event *wire.UsageEvent) {
	id, sum, row := wire.SettlingID(b.event), &b.sum, meter.Row(b.price, meter.Usage{Service: b.sum.used.Service})
	event.EventId, event.SettlesEventId, event.DoubtEndedPico = id[:], b.event[:], b.bound
	event.ProviderModel, event.PriceId, event.DiscountId = b.target, row.ID[:], row.DiscountID.Bytes()
	event.StartedUnixUs, event.Outcome, event.HttpStatus = b.event.Time().UnixMicro(), wire.Outcome_OUTCOME_OK, http.StatusOK
	meter.Fill(event, sum.used)
	event.Estimated = sum.cost > 0 && sum.guessed
	event.CostPico, event.BoundPico, event.SavedPico = sum.cost, max(sum.cost, b.bound), sum.saved
}

// fillLong writes whose a call was, and one of its bills.
func (p *Pipeline) fillLong(c *call, event *wire.UsageEvent, note *longNote, b *bill) {
	b.fill(event)
	request := note.id(requestID)
	event.OrgId, event.WorkspaceId, event.RequestId = c.key.Org.ID[:], c.key.WorkspaceID[:], request[:]
	event.VirtualKeyId, event.AgentId, event.Generation = note.id(keyID).Bytes(), note.id(agentID).Bytes(), c.key.Org.Generation
	event.Model, event.Dialect, event.RunId, event.RouteId = b.model, longDialect(c.dialect).String(), request.String(), b.route.Bytes()
	if route := c.key.Routes[b.model]; route != nil && b.route.IsZero() {
		event.RouteId = route.ID.Bytes()
	}
	if of := &note.Of; of.Run != "" {
		event.RunId, event.EndUser, event.Labels = of.Run, of.EndUser, of.Labels
	}
}

// longDialect is the dialect in which a call was begun that another one asks for.
func longDialect(d dialect.Dialect) dialect.Dialect {
	if d == dialect.OpenAIStored {
		return dialect.OpenAIResponses
	}
	return d
}

// eachResult shows the results of a batch line by line, and says whether it has seen all.
func (p *Pipeline) eachResult(c *call, a *attempt, path string, see func(line []byte)) bool {
	ctx, cancel := within(c.ctx, resultWithin)
	defer cancel()
	answer, err := p.get(ctx, c, a.target.Provider, c.credential(a), path, "")
	if err != nil {
		return false
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if !scan.Valid(lines.Bytes()) {
			return false
		}
		see(lines.Bytes())
	}
	return lines.Err() == nil
}

// idOf returns the id that the caller gets for what an answer describes.
func (p *Pipeline) idOf(c *call, a *attempt, kind handle.Kind, object []byte) string {
	name := unquoted(scan.Lookup(object, "id"))
	if name == "" {
		return ""
	}
	return p.Handles.Seal(c.owner(), c.known(handle.Kept{Kind: kind, Provider: a.target.Provider.ID, Credential: a.account, Name: name}, "id"))
}

// Learn asks a provider about a call whose cost is awaited, and writes it down if the call has ended. Nobody waits for it. An error says that the
// provider gave no answer.
func (p *Pipeline) Learn(ctx context.Context, in *wire.Awaited) error {
	c, a, path, err := p.reopen(ctx, in)
	if err != nil {
		return err
	}
	object, err := p.fetch(c, a.target.Provider, c.credential(a), path, "")
	if err != nil {
		return fmt.Errorf("ask %s: %w", a.target.Provider.Name, err)
	}
	p.learned(c, a, object)
	return nil
}

// learned settles a call by what its provider says of it.
func (p *Pipeline) learned(c *call, a *attempt, object []byte) {
	switch c.dialect {
	case dialect.OpenAIBatches:
		p.settleBatch(c, a, object)
	case dialect.AnthropicBatches:
		p.settleMessages(c, a, object)
	case dialect.OpenAIStored, dialect.OpenAIResponses:
		p.settleBackground(c, a, object)
	}
}

// reopen returns a call about what another one began, in the name of its workspace, and where the provider has it.
func (p *Pipeline) reopen(ctx context.Context, in *wire.Awaited) (*call, *attempt, string, error) {
	org, orgErr := wire.IDFromBytes(in.GetOrgId())
	workspace, workspaceErr := wire.IDFromBytes(in.GetWorkspaceId())
	if err := errors.Join(orgErr, workspaceErr); err != nil {
		return nil, nil, "", err
	}
	kinds := map[dialect.Dialect]handle.Kind{dialect.OpenAIBatches: handle.Batch, dialect.OpenAIResponses: handle.Response, dialect.AnthropicBatches: handle.MessageBatch}
	place := ""
	c := newCall()
	for d := range dialect.Dialect(dialect.Count) {
		if d.String() == in.GetDialect() {
			c.dialect, place = d, d.Path()
		}
	}
	kept, ok := p.Handles.Open(handle.Owner{Org: org, Workspace: workspace}, kinds[c.dialect], in.GetKept())
	if !ok || place == "" {
		return nil, nil, "", errors.New("nothing is known of what it names")
	}
	provider, owner := p.Provider(org, kept.Provider)
	if provider == nil || len(provider.Credentials) == 0 {
		return nil, nil, "", errors.New("its provider is gone")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place, http.NoBody)
	if err != nil {
		return nil, nil, "", err
	}
	c.begin(nil, request, c.dialect, p.Now())
	c.mark = kept.Note
	route := &state.Route{Name: in.GetModel(), Targets: []state.Target{{Provider: provider}}}
	route.ID, _ = wire.IDFromBytes(in.GetRouteId()) // none: no route led there
	c.key = &state.Key{WorkspaceID: workspace, Org: owner, Routes: map[string]*state.Route{in.GetModel(): route}}
	c.kept, c.targets = kept, []*state.Target{&route.Targets[0]}
	c.pool = c.firstCredential()
	return c, &attempt{target: c.targets[0]}, place + "/" + url.PathEscape(kept.Name), nil
}
