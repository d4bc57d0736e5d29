// Package ingest takes usage from edges into the books: events, what they add to the sums, budgets and the edge's position in one transaction,
// and acks only what is committed. It folds what is pending into sums by hour, day, label and run. A record that comes twice counts once.
// It refuses to drop anything silently: a record that no event can be made of is kept as it came, with the reason, and tried again by later versions.
package ingest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/dataplane/wire"
)

// record is one record of a batch as it travelled.
type record struct {
	seq uint64
	raw []byte
}

// event is a usage event that has been read strictly.
type event struct {
	record
	org       ident.Org
	id        ident.Event
	request   ident.Request
	workspace ident.Workspace
	agent     ident.Agent
	key       ident.VirtualKey
	route     ident.Route
	provider  ident.Provider
	price     ident.Price
	discount  ident.Price
	settles   ident.Event // whose doubt it ends; zero: none
	started   time.Time
	outcome   string
	runSource string
	count     int64  // what it counts for: 1, or refusals that are counted together
	labels    string // JSON
	units     string // JSON: what it used that is billed by other units than tokens
	tags      []tag  // what its labels and end user are summed up as
	charges   []ledger.Charge
	charged   []byte // the charges as they came, see usage_event
	in        *wire.UsageEvent
	mended    []string // what of it was no sense and is left out, cut or taken for something else
}

// mend notes that a part of an event is not kept as it came. What it cost is: an oddity is no reason to lose that.
func (e *event) mend(part string) { e.mended = append(e.mended, part) }

// rejected is a record that no event can be made of.
type rejected struct {
	record
	org    ident.Org // that it names; zero: none that can be read
	reason string
}

const (
	countMax        = 1 << 40 // of events
	figureMax       = 1 << 50 // of tokens, or of what else is counted
	indeterminate   = "indeterminate"
	similarityMax   = 1_000_000
	startedFirst    = 1_577_836_800 // 2020-01-01, Unix seconds
	startedLast     = 4_102_444_800 // 2100-01-01
	pastLastOutcome = wire.Outcome_OUTCOME_INDETERMINATE + 1
)

// room is where an event is read to.
type room struct {
	event
	message wire.UsageEvent
}

// read makes an event of a record, or says why none can be made of it.
func read(in record, to *room) (*event, error) {
	e := &to.event
	e.record, e.in = in, &to.message
	if err := proto.Unmarshal(in.raw, e.in); err != nil {
		return nil, errors.New("the record does not decode")
	}
	if err := e.readAll(); err != nil {
		return nil, err
	}
	e.charged = chargesOf(in.raw, len(e.in.GetCharges()))
	return e, nil
}

// chargesOf returns the charges of a record that decodes, as they came: a UsageEvent with nothing else in it.
func chargesOf(raw []byte, count int) []byte {
	const (
		charges = 33 // the field's number in the contract
		usual   = 64 // bytes of one
	)
	kept := make([]byte, 0, usual*count)
	for len(raw) > 0 {
		number, _, n := protowire.ConsumeField(raw)
		if n < 0 {
			break
		}
		if number == charges {
			kept = append(kept, raw[:n]...)
		}
		raw = raw[n:]
	}
	return kept
}

func (e *event) readAll() error {
	for _, step := range []func() error{e.readIDs, e.readFigures, e.readSettled, e.readCharges} {
		if err := step(); err != nil {
			return err
		}
	}
	e.readKept()
	return e.readTexts()
}

func (e *event) readIDs() error {
	in := e.in
	known(e, &e.agent, "agent_id", in.GetAgentId())
	known(e, &e.route, "route_id", in.GetRouteId())
	known(e, &e.provider, "provider_id", in.GetProviderId())
	known(e, &e.price, "price_id", in.GetPriceId())
	known(e, &e.discount, "discount_id", in.GetDiscountId())
	return errors.Join(
		into(&e.org, "org_id", in.GetOrgId(), true), into(&e.id, "event_id", in.GetEventId(), true), into(&e.request, "request_id", in.GetRequestId(), true),
		into(&e.workspace, "workspace_id", in.GetWorkspaceId(), true), into(&e.key, "virtual_key_id", in.GetVirtualKeyId(), true),
	)
}

// known reads an id of 16 bytes that an event may do without.
func known[T ~struct{ uuid.UUID }](e *event, id *T, field string, raw []byte) {
	if into(id, field, raw, false) != nil {
		*id = T{}
		e.mend(field)
	}
}

// into reads an id of 16 bytes; empty means none where it is not required.
func into[T ~struct{ uuid.UUID }](id *T, field string, raw []byte, required bool) (err error) {
	*id, err = ident.FromBytes[T](raw)
	if err != nil {
		return fmt.Errorf("%s has %d bytes, want 16", field, len(raw))
	}
	if required && *id == (T{}) {
		return fmt.Errorf("%s is missing", field)
	}
	return nil
}

func (e *event) readFigures() error {
	in := e.in
	if min(in.GetCostPico(), in.GetBoundPico()) < 0 {
		return errors.New("cost_pico or bound_pico is negative")
	}
	e.started = time.UnixMicro(in.GetStartedUnixUs()).UTC()
	if seconds := e.started.Unix(); seconds < startedFirst || seconds >= startedLast {
		return fmt.Errorf("started_unix_us %d is no time of this century", in.GetStartedUnixUs())
	}
	in.DurationUs, in.FirstByteUs = max(0, in.GetDurationUs()), max(0, in.GetFirstByteUs()) // a clock that was set back is nothing odd
	e.readCounts()
	e.readNumbers()
	if in.GetOutcome() <= wire.Outcome_OUTCOME_UNSPECIFIED || in.GetOutcome() >= pastLastOutcome { // an edge that is newer knows others
		in.Outcome = wire.Outcome_OUTCOME_UPSTREAM_FAILED
		if status := in.GetHttpStatus(); status >= 200 && status < 400 {
			in.Outcome = wire.Outcome_OUTCOME_OK
		}
		e.mend("outcome")
	}
	e.outcome, e.runSource = outcomeOf(in.GetOutcome()), runSourceOf(in.GetRunSource())
	e.units = unitsOf(in)
	return nil
}

// readCounts bounds what is counted, so that sums of it have room. What is out of bounds is not what the provider said.
func (e *event) readCounts() {
	in := e.in
	for _, count := range [...]*int64{
		&in.InputTokens, &in.CachedInputTokens, &in.CacheWriteTokens, &in.CacheWriteHourTokens, &in.OutputTokens, &in.ReasoningTokens, &in.AudioInputTokens,
		&in.AudioOutputTokens, &in.ImageInputTokens, &in.ImageOutputTokens, &in.Images, &in.Characters, &in.AudioMs, &in.Searches,
	} {
		if *count < 0 || *count > figureMax {
			*count, in.Estimated = min(max(*count, 0), figureMax), true
			e.mend("a count")
		}
	}
}

// readNumbers bounds what is no money and is not summed up.
func (e *event) readNumbers() {
	in := e.in
	if in.GetSavedPico() < 0 {
		in.SavedPico = 0
		e.mend("saved_pico")
	}
	if in.GetAttempt() > math.MaxInt32 {
		in.Attempt = math.MaxInt32
		e.mend("attempt")
	}
	if in.GetRouteVersion() > math.MaxInt32 {
		in.RouteVersion = 0
		e.mend("route_version")
	}
	if in.GetHttpStatus() > 999 {
		in.HttpStatus = 0
		e.mend("http_status")
	}
	if in.GetGeneration() > math.MaxInt64 {
		in.Generation = 0
		e.mend("generation")
	}
	if in.GetCount() > countMax {
		in.Count = countMax
		e.mend("count")
	}
	e.count = max(int64(in.GetCount()), 1)
}

// unitsOf returns what an event used that is no token.
func unitsOf(in *wire.UsageEvent) string {
	if in.GetImages()|in.GetCharacters()|in.GetAudioMs()|in.GetSearches() == 0 {
		return "{}"
	}
	out := []byte{'{'}
	for _, each := range []struct {
		name  string
		count int64
	}{{"images", in.GetImages()}, {"characters", in.GetCharacters()}, {"audio_ms", in.GetAudioMs()}, {"searches", in.GetSearches()}} {
		if each.count > 0 {
			out = fmt.Appendf(out, "%q:%d,", each.name, each.count)
		}
	}
	return string(append(out[:len(out)-1], '}'))
}

func (e *event) readCharges() error {
	e.charges = slices.Grow(e.charges, len(e.in.GetCharges()))
	for i, each := range e.in.GetCharges() {
		var budget ident.Budget
		if err := into(&budget, "budget_id", each.GetBudgetId(), true); err != nil {
			return fmt.Errorf("charges[%d].%w", i, err)
		}
		if min(each.GetSpentPico(), each.GetDoubtPico(), each.GetUncoveredPico()) < 0 {
			return fmt.Errorf("charges[%d] is negative", i)
		}
		start := time.UnixMilli(each.GetPeriodStartUnixMs()).UTC()
		if start.Year() < 1970 || start.Year() >= 2100 {
			return fmt.Errorf("charges[%d].period_start_unix_ms is no time of this century", i)
		}
		if !wire.ValidSubject(each.GetSubject()) {
			return fmt.Errorf("charges[%d].subject is no text of at most %d bytes", i, wire.SubjectBytesMax)
		}
		key := ledger.Key{Org: e.org, Budget: budget, PeriodStart: start, Subject: each.GetSubject()}
		e.charges = append(e.charges, ledger.Charge{
			Line: ledger.Line{Key: key, LeaseNo: each.GetLeaseNo()}, Spent: each.GetSpentPico(), InDoubt: each.GetDoubtPico(), Uncovered: each.GetUncoveredPico(),
		})
	}
	return nil
}

func outcomeOf(outcome wire.Outcome) string {
	switch outcome {
	case wire.Outcome_OUTCOME_OK:
		return "ok"
	case wire.Outcome_OUTCOME_REFUSED:
		return "refused"
	case wire.Outcome_OUTCOME_UPSTREAM_FAILED:
		return "upstream_failed"
	case wire.Outcome_OUTCOME_CLIENT_CLOSED:
		return "client_closed"
	default:
		return indeterminate
	}
}

// runSourceOf returns how a run was known; of what is not known here nothing is said.
func runSourceOf(source wire.RunSource) string {
	switch source {
	case wire.RunSource_RUN_SOURCE_TRACE:
		return "trace"
	case wire.RunSource_RUN_SOURCE_HEADER:
		return "header"
	case wire.RunSource_RUN_SOURCE_SESSION:
		return "session"
	case wire.RunSource_RUN_SOURCE_TOOL:
		return "tool"
	case wire.RunSource_RUN_SOURCE_CALL:
		return "call"
	default:
		return ""
	}
}

// doubtsOf is what the events left in doubt, by event and account.
func doubtsOf(events []*event) (doubts []ledger.Doubt) {
	for i := range events {
		for _, charge := range events[i].charges {
			if charge.InDoubt > 0 {
				doubts = append(doubts, ledger.Doubt{Key: charge.Key, Event: events[i].id, Pico: charge.InDoubt})
			}
		}
	}
	return doubts
}
