package pipeline

import (
	"encoding/json"
	"slices"
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
	noteRoom     = 320              // bytes of what is sealed there
	callerName   = "tollgate_of"
)

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
	if !ok || provider == nil || !keeps(handle.File, provider) || len(provider.Credentials) == 0 {
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
	one := &asked{route: route, target: &route.Targets[i], price: batchRow(route.Targets[i].Prices.At(c.started)), lines: note.Lines, input: note.Input, output: note.Output}
	if one.price == nil {
		return priceUnknown()
	}
	if !noteFits([]*asked{one}, noteRoom) {
		return invalidField("input_file_id", "names a file whose model has a name that is too long for a batch")
	}
	e.asks = []*asked{one}
	p.beginWith(c, e)
	return nil
}

// beginWith has a provider begin with what an errand asks, at the price of batches.
func (p *Pipeline) beginWith(c *call, e *errand) {
	first := e.asks[0]
	e.contentType = jsonType
	c.passage = c.goTo(first.target.Provider, c.dialect.Path(), "", e)
	c.passage.works, c.passage.route = true, first.alone()
	c.target, c.targets = &c.passage.route, append(c.targets[:0], &c.passage.route.Targets[0])
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
	note := longNote{}
	note.of(c, a)
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
		if name := string(scan.Unescape(nil, key)); name == noteName || name == callerName {
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
func (p *Pipeline) batchOf(c *call, provider wire.ID, object []byte) (note longNote, ok bool) {
	metadata := scan.Lookup(object, "metadata")
	kept, opened := p.Handles.Open(c.owner(), handle.Note, unquoted(scan.Lookup(metadata, noteName)))
	if !opened || kept.Provider != provider || !note.read(kept.Name) {
		return longNote{}, false
	}
	if kept, opened = p.Handles.Open(c.owner(), handle.Note, unquoted(scan.Lookup(metadata, callerName))); opened {
		_ = json.Unmarshal([]byte(kept.Name), &note.Of) // what cannot be read is not said
	}
	return note, true
}

// settleBatch writes down what a batch has cost, when it has ended.
func (p *Pipeline) settleBatch(c *call, a *attempt, object []byte) {
	switch unquoted(scan.Lookup(object, "status")) {
	case "completed", "failed", "expired", "cancelled":
	default:
		return
	}
	note, ok := p.batchOf(c, a.target.Provider.ID, object)
	if !ok {
		return
	}
	end := longEnd{note: note, service: "batch"}
	created, _ := scan.Int(scan.Lookup(object, "created_at"))
	for _, name := range [...]string{"completed_at", "failed_at", "expired_at", "cancelled_at"} {
		if ended, said := scan.Int(scan.Lookup(object, name)); said && ended >= created && created > 0 {
			end.took = time.Duration(ended-created) * time.Second
		}
	}
	p.settleLong(c, a, &end, func(all []*bill) bool { return p.batchTally(c, a, object, all[0]) })
}

// batchTally adds up what a batch has used, as it says itself, or else, and where the price of a line depends on its length, as its results say
// line by line.
func (p *Pipeline) batchTally(c *call, a *attempt, object []byte, b *bill) bool {
	completed, said := scan.Int(scan.Lookup(scan.Lookup(object, "request_counts"), "completed"))
	output := unquoted(scan.Lookup(object, "output_file_id"))
	u, told := meter.Read(dialect.OpenAIResponses, scan.Lookup(object, "usage"))
	told = told && u.Input+u.CachedInput+u.Output > 0
	if row := batchRow(b.price); told && (len(row.Tiers) == 0 || output == "") {
		b.add(u)
		b.sum.requests(row, completed-1)
		return true
	}
	if output == "" {
		return !said || completed == 0 // nothing was answered
	}
	return p.eachResult(c, a, dialect.OpenAIFiles.Path()+"/"+output+"/content", func(line []byte) {
		if u, ok := meter.Read(dialect.OpenAIResponses, scan.Lookup(scan.Lookup(scan.Lookup(line, "response"), "body"), "usage")); ok { // else it failed
			b.add(u)
		}
	})
}
