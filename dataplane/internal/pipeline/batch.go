package pipeline

import (
	"bufio"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"tollgate.dev/dataplane/internal/access"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/handle"
	"tollgate.dev/dataplane/internal/meter"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/translate"
	"tollgate.dev/dataplane/wire"
)

const (
	fetchWithin  = 30 * time.Second
	resultWithin = 10 * time.Minute // for a file of results to be read through
	lineBytesMax = 16 << 20         // of one of its lines
	metadataMost = 14               // pairs of a caller's, of the 16 that a provider keeps
	metadataMax  = 512              // bytes of a value there
	noteName     = "tollgate"       // of the metadata that the edge adds to a batch
	callerName   = "tollgate_of"
)

// batchNote is what the edge writes for itself into the metadata of a batch, sealed: the event that left its cost in doubt, and whose it is.
type batchNote struct {
	IDs    []byte `json:"i"` // of event, request, key and agent, one behind the other
	Bound  int64  `json:"b"` // pico-USD
	Model  string `json:"m"` // as the caller called it
	Target string `json:"t"` // at the provider

	Input  int64 `json:"-"`
	Output int64 `json:"-"`
}

const (
	eventID = iota
	requestID
	keyID
	agentID
	idsOfNote
)

func (n *batchNote) id(which int) (id wire.ID) {
	copy(id[:], n.IDs[which*len(id):])
	return id
}

// whose is the rest of what the books go by, as far as it fits.
type whose struct {
	Run     string            `json:"r,omitempty"`
	EndUser string            `json:"u,omitempty"`
	Labels  map[string]string `json:"l,omitempty"`
}

// beginBatch reserves what the lines of a file can cost, and then has the provider begin with them.
func (p *Pipeline) beginBatch(c *call, e *errand) *refusal.Error {
	if err := c.scan.Scan(c.body.B); err != nil {
		return translate.Malformed(err)
	}
	if problem := c.readBodyLabels(); problem != nil {
		return problem
	}
	file, endpoint, problem := readBatch(c.body.B)
	if problem != nil {
		return problem
	}
	kept, ok := p.Handles.Open(c.owner(), handle.File, file)
	provider := providerByID(c.key, kept.Provider)
	if !ok || provider == nil || !keeps(provider) || len(provider.Credentials) == 0 {
		return notKept("input_file_id")
	}
	c.kept = kept
	note, problem := p.inputNote(c, provider, endpoint)
	if problem != nil {
		return problem
	}
	route, problem := access.Find(c.key, []byte(note.Model))
	if problem != nil {
		return problem
	}
	i := slices.IndexFunc(route.Targets, func(t state.Target) bool { return t.Provider.ID == provider.ID && t.Model == note.Target })
	if i < 0 {
		return invalidField("input_file_id", "names a file whose model does not lead to that provider any more; upload it again")
	}
	price := batchRow(route.Targets[i].Prices.At(c.started))
	if price == nil {
		return priceUnknown()
	}
	e.batch = &batchNote{Model: note.Model, Target: note.Target, Input: note.Input, Output: note.Output}
	if !e.batch.fits() {
		return invalidField("input_file_id", "names a file whose model has a name that is too long for a batch")
	}
	e.contentType = jsonType
	c.passage = c.goTo(provider, dialect.OpenAIBatches.Path(), "", e)
	c.passage.works = true
	whole := *price
	whole.RequestPico *= note.Lines
	target := state.Target{Provider: provider, Model: note.Target, Prices: wire.Schedule{{Tariff: &whole}}}
	c.passage.route = state.Route{ID: route.ID, Name: route.Name, Version: route.Version, Targets: []state.Target{target}} // tried once: a batch must not be begun twice
	c.target, c.targets = &c.passage.route, append(c.targets[:0], &c.passage.route.Targets[0])
	return nil
}

// fits says whether the note has room where it is kept, whatever the batch will cost.
func (n *batchNote) fits() bool {
	const room = 320 // of what is sealed
	longest := *n
	longest.IDs, longest.Bound = make([]byte, idsOfNote*len(wire.ID{})), math.MaxInt64
	raw, err := json.Marshal(longest)
	return err == nil && len(raw) <= room
}

// readBatch reads the fields that decide, and refuses what is not known.
func readBatch(body []byte) (file, endpoint string, problem *refusal.Error) {
	seen := map[string]bool{}
	refuse := func(field, reason string) {
		if problem == nil {
			problem = invalidField(field, reason)
		}
	}
	scan.Each(body, func(key, value []byte) {
		name := string(scan.Unescape(nil, key))
		if seen[name] {
			refuse(name, "stands twice")
		}
		seen[name] = true
		switch name {
		case "input_file_id":
			file = unquoted(value)
		case "endpoint":
			endpoint = unquoted(value)
		case "completion_window", "output_expires_after":
		case "metadata":
			pairs := 0
			scan.Each(value, func(key, _ []byte) {
				pairs++
				if name := string(scan.Unescape(nil, key)); name == noteName || name == callerName {
					refuse("metadata", "must not have "+name+": the edge keeps its own notes there")
				}
			})
			if pairs > metadataMost {
				refuse("metadata", "can have 14 pairs: the edge needs two of the 16 for its own notes")
			}
		default:
			refuse(cleaned(name, endUserMax), "is not known here")
		}
	})
	if file == "" {
		refuse("input_file_id", "is missing")
	}
	return file, endpoint, problem
}

// inputNote asks the provider for the file's name, which says what its lines can cost.
func (p *Pipeline) inputNote(c *call, provider *state.Provider, endpoint string) (fileNote, *refusal.Error) {
	credential := &provider.Credentials[0]
	for i := range provider.Credentials {
		if provider.Credentials[i].ID == c.kept.Credential {
			credential = &provider.Credentials[i]
		}
	}
	object, err := p.fetch(c, provider, credential, dialect.OpenAIFiles.Path()+"/"+c.kept.Name, "")
	if err != nil {
		return fileNote{}, unfetched(provider, err)
	}
	note, _, ok := p.labelled(c, provider.ID, unquoted(scan.Lookup(object, "filename")))
	if size, _ := scan.Int(scan.Lookup(object, "bytes")); !ok || note.Lines == 0 || size != int64(note.Bytes) {
		return fileNote{}, invalidField("input_file_id", "names no file that was uploaded for a batch")
	}
	if note.Format.Path() != endpoint {
		return fileNote{}, invalidField("endpoint", "must be that of the file's lines, "+note.Format.Path())
	}
	return note, nil
}

// batchBody writes the request that begins a batch, with the edge's notes in its metadata.
func (p *Pipeline) batchBody(c *call, a *attempt) []byte {
	note := c.passage.errand.batch
	note.IDs, note.Bound = slices.Concat(a.id[:], c.requestID[:], c.key.ID[:], c.key.AgentID[:]), a.worst
	notes := []byte{}
	add := func(name string, of any) {
		raw, err := json.Marshal(of)
		text := p.Handles.Seal(c.owner(), handle.Kept{Kind: handle.Note, Provider: a.target.Provider.ID, Name: string(raw)})
		if err != nil || text == string(raw) || len(text) > metadataMax { // too long: the event goes without it
			return
		}
		notes = append(notes, `,"`+name+`":`...)
		notes = refusal.AppendString(notes, text)
	}
	add(noteName, note)
	add(callerName, whose{c.runID, c.endUser, c.labels})
	out := append([]byte{}, `{"input_file_id":`...)
	out = refusal.AppendString(out, c.kept.Name)
	metadata := []byte("{")
	scan.Each(c.body.B, func(key, value []byte) {
		switch name := string(scan.Unescape(nil, key)); name {
		case "input_file_id":
		case "metadata":
			scan.Each(value, func(key, value []byte) {
				metadata = append(append(append(append(append(metadata, ',', '"'), key...), `":`...), value...), ""...)
			})
		default:
			out = append(append(append(append(out, ',', '"'), key...), `":`...), value...)
		}
	})
	metadata = append(metadata, notes...)
	if len(metadata) > 1 && metadata[1] == ',' {
		metadata = append([]byte("{"), metadata[2:]...)
	}
	out = append(append(out, `,"metadata":`...), metadata...)
	return append(out, "}}"...)
}

// withoutNotes returns the edits that take the edge's notes out of metadata that begin at so many bytes.
func withoutNotes(metadata []byte, at int) []scan.Edit {
	if len(metadata) == 0 || metadata[0] != '{' {
		return nil
	}
	kept := []byte("{")
	scan.Each(metadata, func(key, value []byte) {
		if name := string(key); name == noteName || name == callerName {
			return
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(append(append(append(kept, '"'), key...), `":`...), value...)
	})
	return []scan.Edit{{Start: at, End: at + len(metadata), Text: append(kept, '}')}}
}

// batchOf returns the edge's note about a batch. False: it is not the workspace's.
func (p *Pipeline) batchOf(c *call, provider wire.ID, object []byte) (note batchNote, ok bool) {
	kept, opened := p.Handles.Open(c.owner(), handle.Note, unquoted(scan.Lookup(scan.Lookup(object, "metadata"), noteName)))
	if !opened || kept.Provider != provider || json.Unmarshal([]byte(kept.Name), &note) != nil || len(note.IDs) != idsOfNote*len(wire.ID{}) {
		return batchNote{}, false
	}
	return note, true
}

// recently are the batches that were settled lately. Whoever asks for one that has ended would else write its cost down again, which counts once
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

func (r *recently) forget(id wire.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ids, id)
}

// settleBatch writes down what a batch has cost, when it has ended. Whichever edge sees it writes the same event, so that it counts once.
func (p *Pipeline) settleBatch(c *call, a *attempt, object []byte) {
	switch unquoted(scan.Lookup(object, "status")) {
	case "completed", "failed", "expired", "cancelled":
	default:
		return
	}
	provider := a.target.Provider
	note, ok := p.batchOf(c, provider.ID, object)
	if !ok {
		return
	}
	begun := note.id(eventID)
	if !p.settled.add(begun) {
		return
	}
	price := p.Prices(c.key.Org.ID, provider.Catalog, note.Target).At(begun.Time())
	used, known := p.batchUsage(c, a, object)
	if price == nil || !known {
		p.settled.forget(begun)
		p.Logger.Warn("what a batch has cost is not known; it stays in doubt", "request_id", c.requestText, "provider", provider.Name, "batch_event", begun.String())
		return
	}
	used.Service = "batch"
	completed, _ := scan.Int(scan.Lookup(scan.Lookup(object, "request_counts"), "completed"))
	cost := meter.Cost(price, used)
	if row := meter.Row(price, used); completed > 1 && cost > 0 {
		cost += row.RequestPico * (completed - 1)
	}
	event := &wire.UsageEvent{}
	id := wire.SettlingID(begun)
	p.fillBatch(c, event, &note, object)
	event.EventId, event.SettlesEventId, event.DoubtEndedPico = id[:], begun[:], note.Bound
	event.ProviderId, event.ProviderModel, event.PriceId = provider.ID[:], note.Target, meter.Row(price, used).ID[:]
	event.DiscountId = meter.Row(price, used).DiscountID.Bytes()
	event.StartedUnixUs, event.Attempt = begun.Time().UnixMicro(), 1
	event.Outcome, event.HttpStatus = wire.Outcome_OUTCOME_OK, http.StatusOK
	meter.Fill(event, used)
	event.CostPico, event.BoundPico, event.SavedPico = cost, max(cost, note.Bound), meter.Saved(price, used)
	created, _ := scan.Int(scan.Lookup(object, "created_at"))
	for _, name := range [...]string{"completed_at", "failed_at", "expired_at", "cancelled_at"} {
		if ended, said := scan.Int(scan.Lookup(object, name)); said && ended >= created && created > 0 {
			event.DurationUs = (ended - created) * 1e6
		}
	}
	if err := p.keep(c, event); err != nil {
		p.settled.forget(begun)
		p.unwritten(c, event, err)
		return
	}
	p.metrics.settled(c, event)
}

// fillBatch writes whose a batch is.
func (p *Pipeline) fillBatch(c *call, event *wire.UsageEvent, note *batchNote, object []byte) {
	request := note.id(requestID)
	event.OrgId, event.WorkspaceId, event.RequestId = c.key.Org.ID[:], c.key.WorkspaceID[:], request[:]
	event.VirtualKeyId, event.AgentId, event.Generation = note.id(keyID).Bytes(), note.id(agentID).Bytes(), c.key.Org.Generation
	event.Model, event.Dialect, event.RunId = note.Model, dialect.OpenAIBatches.String(), request.String()
	if route := c.key.Routes[note.Model]; route != nil {
		event.RouteId = route.ID.Bytes()
	}
	var of whose
	kept, ok := p.Handles.Open(c.owner(), handle.Note, unquoted(scan.Lookup(scan.Lookup(object, "metadata"), callerName)))
	if ok && json.Unmarshal([]byte(kept.Name), &of) == nil {
		event.RunId, event.EndUser, event.Labels = of.Run, of.EndUser, of.Labels
	}
}

// batchUsage returns what a batch has used, as it says itself, or else as its results say line by line.
func (p *Pipeline) batchUsage(c *call, a *attempt, object []byte) (meter.Usage, bool) {
	if u, ok := meter.Read(dialect.OpenAIResponses, scan.Lookup(object, "usage")); ok && u.Input+u.CachedInput+u.Output > 0 {
		return u, true
	}
	output := unquoted(scan.Lookup(object, "output_file_id"))
	if completed, said := scan.Int(scan.Lookup(scan.Lookup(object, "request_counts"), "completed")); output == "" {
		return meter.Usage{}, !said || completed == 0 // nothing was answered
	}
	ctx, cancel := within(c.ctx, resultWithin)
	defer cancel()
	answer, err := p.get(ctx, c, a.target.Provider, c.credential(a), dialect.OpenAIFiles.Path()+"/"+output+"/content", "")
	if err != nil {
		return meter.Usage{}, false
	}
	defer func() { _ = answer.Body.Close() }()
	total := meter.Usage{Reported: true}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if !scan.Valid(lines.Bytes()) {
			return total, false
		}
		u, ok := meter.Read(dialect.OpenAIResponses, scan.Lookup(scan.Lookup(scan.Lookup(lines.Bytes(), "response"), "body"), "usage"))
		if !ok {
			continue // a line that failed
		}
		total.Input, total.CachedInput, total.Output, total.Reasoning = total.Input+u.Input, total.CachedInput+u.CachedInput, total.Output+u.Output, total.Reasoning+u.Reasoning
		total.AudioInput, total.ImageInput = total.AudioInput+u.AudioInput, total.ImageInput+u.ImageInput
	}
	return total, lines.Err() == nil
}
