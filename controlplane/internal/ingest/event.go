// Package ingest takes usage from edges into the books: events, what they add to the sums, budgets and the edge's position in one transaction,
// and acks only what is committed. It folds what is pending into sums by hour, day, label and run. A record that comes twice counts once.
// It refuses to drop anything silently: a record that no event can be made of is kept as it came, with the reason.
package ingest

import (
	"encoding/json"
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
}

// rejected is a record that no event can be made of.
type rejected struct {
	record
	reason string
}

const (
	labelsMax       = 64
	countMax        = 1 << 40
	indeterminate   = "indeterminate"
	chargesMax      = 100
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
	for _, step := range []func() error{e.readIDs, e.readFigures, e.readSettled, e.readKept, e.readTexts, e.readCharges} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (e *event) readIDs() error {
	return errors.Join(
		into(&e.org, "org_id", e.in.GetOrgId(), true), into(&e.id, "event_id", e.in.GetEventId(), true),
		into(&e.request, "request_id", e.in.GetRequestId(), true), into(&e.workspace, "workspace_id", e.in.GetWorkspaceId(), true),
		into(&e.key, "virtual_key_id", e.in.GetVirtualKeyId(), true), into(&e.agent, "agent_id", e.in.GetAgentId(), false),
		into(&e.route, "route_id", e.in.GetRouteId(), false), into(&e.provider, "provider_id", e.in.GetProviderId(), false),
		into(&e.price, "price_id", e.in.GetPriceId(), false), into(&e.discount, "discount_id", e.in.GetDiscountId(), false),
	)
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
	in.DurationUs, in.FirstByteUs = max(0, in.GetDurationUs()), max(0, in.GetFirstByteUs()) // a clock that was set back is no reason to lose what a call cost
	if least := min(in.GetInputTokens(), in.GetCachedInputTokens(), in.GetCacheWriteTokens(),
		in.GetOutputTokens(), in.GetReasoningTokens(), in.GetCostPico(), in.GetBoundPico(), in.GetCacheWriteHourTokens(), in.GetAudioInputTokens(),
		in.GetAudioOutputTokens(), in.GetImageInputTokens(), in.GetImageOutputTokens(), in.GetSavedPico(),
		in.GetImages(), in.GetCharacters(), in.GetAudioMs(), in.GetSearches()); least < 0 {
		return errors.New("a figure is negative")
	}
	if in.GetAttempt() > math.MaxInt32 || in.GetRouteVersion() > math.MaxInt32 || in.GetHttpStatus() > 999 || in.GetGeneration() > math.MaxInt64 {
		return errors.New("a figure is too large")
	}
	e.count = max(int64(min(in.GetCount(), countMax)), 1)
	if e.count > 1 && (in.GetCount() > countMax || in.GetOutcome() != wire.Outcome_OUTCOME_REFUSED || in.GetCostPico() > 0 || len(in.GetCharges()) > 0) {
		return errors.New("count is for refusals that cost nothing, up to 2^40")
	}
	e.started = time.UnixMicro(in.GetStartedUnixUs()).UTC()
	if seconds := e.started.Unix(); seconds < startedFirst || seconds >= startedLast {
		return fmt.Errorf("started_unix_us %d is no time of this century", in.GetStartedUnixUs())
	}
	if in.GetOutcome() <= wire.Outcome_OUTCOME_UNSPECIFIED || in.GetOutcome() >= pastLastOutcome {
		return fmt.Errorf("outcome %d is not known", in.GetOutcome())
	}
	e.outcome, e.runSource = outcomeOf(in.GetOutcome()), runSourceOf(in.GetRunSource())
	e.units = unitsOf(in)
	return nil
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

func (e *event) readTexts() error {
	in := e.in
	for _, text := range []string{in.GetRunId(), in.GetEndUser(), in.GetDialect(), in.GetModel(), in.GetProviderModel(), in.GetCode(), in.GetRule(), in.GetServiceTier(), in.GetRoutePath()} {
		if !wire.ValidText(text) {
			return errors.New("a text is too long or holds a zero byte")
		}
	}
	if len(in.GetLabels()) > labelsMax {
		return errors.New("there are too many labels")
	}
	for name, value := range in.GetLabels() {
		if name == "" || !wire.ValidText(name) || !wire.ValidText(value) {
			return errors.New("a label has no name, is too long or holds a zero byte")
		}
	}
	var err error
	if e.labels, err = jsonOf(in.GetLabels()); err != nil {
		return errors.New("the labels are no JSON")
	}
	return nil
}

// jsonOf writes labels as JSON. Texts without anything to escape, which most are, are copied.
func jsonOf(labels map[string]string) (string, error) {
	text := make([]byte, 0, 32*len(labels)+2)
	for name, value := range labels {
		if !plain(name) || !plain(value) {
			raw, err := json.Marshal(labels)
			return string(raw), err
		}
		text = append(append(append(append(append(text, `,"`...), name...), `":"`...), value...), '"')
	}
	if len(text) == 0 {
		return "{}", nil
	}
	text[0] = '{'
	return string(append(text, '}')), nil
}

func plain(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c == '"' || c == '\\' || c > '~' {
			return false
		}
	}
	return true
}

func (e *event) readCharges() error {
	if len(e.in.GetCharges()) > chargesMax {
		return errors.New("there are too many charges")
	}
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
