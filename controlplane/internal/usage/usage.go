// Package usage answers what was used and what it cost: sums by hour, totals, single calls down to tokens and price, refusals by code.
// It refuses to change anything; ingest writes what it reads.
package usage

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
)

// Group is what costs are summed up by.
type Group string

// The groups.
const (
	ByAgent      Group = "agent"
	ByModel      Group = "model"
	ByVirtualKey Group = "virtual_key"
	ByWorkspace  Group = "workspace"
	ByProvider   Group = "provider"
	ByOutcome    Group = "outcome"
	ByRoute      Group = "route"    // Spend only
	ByEndUser    Group = "end_user" // Spend only
	ByLabel      Group = "label"    // Spend only: by the values of one label
	ByRun        Group = "run"      // Spend only
)

// Groups lists the groups of Hours in the order in which they are offered.
func Groups() []Group {
	return []Group{ByAgent, ByModel, ByVirtualKey, ByWorkspace, ByProvider, ByOutcome}
}

// Outcomes are how calls end.
func Outcomes() []string {
	return []string{"ok", "refused", "upstream_failed", "client_closed", "indeterminate"}
}

// HoursQuery asks for sums by hour. From is rounded down to its hour.
type HoursQuery struct {
	From, To time.Time
	GroupBy  Group
}

// HourCost is one group's sums in one hour.
type HourCost struct {
	Hour      time.Time `json:"hour"`
	GroupID   string    `json:"group_id"`   // an id, a model or an outcome; empty: none, e.g. a key without an agent
	GroupName string    `json:"group_name"` // empty where GroupID is
	Figures
}

// Hourly is what one value of a group cost in each hour (UTC) in which that is not nothing; corrections may leave less.
type Hourly struct {
	Group              Group
	GroupID, GroupName string
	Costs              map[time.Time]money.Amount
}

// Figures are sums over events.
type Figures struct {
	Events            int64        `json:"events"`
	InputTokens       int64        `json:"input_tokens"`
	CachedInputTokens int64        `json:"cached_input_tokens"`
	CacheWriteTokens  int64        `json:"cache_write_tokens"`
	OutputTokens      int64        `json:"output_tokens"`
	ReasoningTokens   int64        `json:"reasoning_tokens"`
	Cost              money.Amount `json:"cost_pico"`
	Waste             money.Amount `json:"waste_pico"` // of Cost: attempts whose answer nobody got
	Saved             money.Amount `json:"saved_pico"` // what tokens read from a cache would have cost more as plain input
	Doubt             money.Amount `json:"doubt_pico"` // of indeterminate events: what they may have cost beyond Cost
	EstimatedEvents   int64        `json:"estimated_events"`
	Estimated         money.Amount `json:"estimated_pico"` // of Cost: of tokens that were counted here, because the provider sent no figures
}

// Totals are the sums of a range.
type Totals struct {
	Figures
	Refused       int64 `json:"refused"`
	Failed        int64 `json:"failed"`        // the provider failed or the caller hung up
	Indeterminate int64 `json:"indeterminate"` // the edge died in between
}

// Refusal is how often a rule's code refused.
type Refusal struct {
	Code  string `json:"code"`
	Count int64  `json:"count"`
}

// Filter chooses events. Zero fields do not restrict.
type Filter struct {
	Limit        int    // 1 to 500; 0: 50
	Before       string // a Page's Next; empty: from the newest
	From, To     time.Time
	RequestID    ident.Request
	WorkspaceID  ident.Workspace
	AgentID      ident.Agent
	VirtualKeyID ident.VirtualKey
	ProviderID   ident.Provider
	RouteID      ident.Route
	RouteVersion int32  // of the route; 0: every one
	RoutePath    string // groups of the route, e.g. europe/cheap
	RunID        string
	EndUser      string
	LabelName    string
	LabelValue   string
	Model        string
	Outcome      string
	Code         string
}

// Page is some events, newest first.
type Page struct {
	Items []Event `json:"items"`
	Next  string  `json:"next"` // for Filter.Before; empty: there is no more
}

// Event is one attempt at a provider, or one refusal.
type Event struct {
	ID                ident.Event      `json:"id"`
	StartedAt         time.Time        `json:"started_at"`
	RequestID         ident.Request    `json:"request_id"` // shared by the attempts of one request
	RunID             string           `json:"run_id"`
	RunSource         string           `json:"run_source"` // how the run was known: trace, header, session, tool, call (not at all); empty: not said
	WorkspaceID       ident.Workspace  `json:"workspace_id"`
	WorkspaceName     string           `json:"workspace_name"`
	AgentID           ident.Agent      `json:"agent_id"`
	AgentName         string           `json:"agent_name"`
	VirtualKeyID      ident.VirtualKey `json:"virtual_key_id"`
	VirtualKeyName    string           `json:"virtual_key_name"`
	EndUser           string           `json:"end_user"`
	Labels            json.RawMessage  `json:"labels"`
	Dialect           string           `json:"dialect"`
	RouteID           ident.Route      `json:"route_id"`
	RouteVersion      int32            `json:"route_version"` // that was in force; 0: not known
	RoutePath         string           `json:"route_path"`    // the groups that led to the target, e.g. europe/cheap; empty: none
	Model             string           `json:"model"`         // as asked
	ProviderID        ident.Provider   `json:"provider_id"`
	ProviderName      string           `json:"provider_name"`
	ProviderModel     string           `json:"provider_model"` // as called
	Attempt           int              `json:"attempt"`
	Streamed          bool             `json:"streamed"`
	Outcome           string           `json:"outcome"`
	Code              string           `json:"code"`
	Rule              string           `json:"rule"`
	HTTPStatus        int              `json:"http_status"`
	DurationUS        int64            `json:"duration_us"`
	FirstByteUS       int64            `json:"first_byte_us"`
	InputTokens       int64            `json:"input_tokens"` // not read from a cache
	CachedInputTokens int64            `json:"cached_input_tokens"`
	CacheWriteTokens  int64            `json:"cache_write_tokens"`
	OutputTokens      int64            `json:"output_tokens"`
	ReasoningTokens   int64            `json:"reasoning_tokens"`
	Estimated         bool             `json:"estimated"`  // counted here, because the provider sent no figures
	Cost              money.Amount     `json:"cost_pico"`  // as it is in the books now
	Bound             money.Amount     `json:"bound_pico"` // what was reserved
	PriceID           ident.Price      `json:"price_id"`
	DiscountID        ident.Price      `json:"discount_id"`             // what was taken off the price
	Correction        *Correction      `json:"correction,omitempty"`    // nil: the cost is the first one
	CacheHourTokens   int64            `json:"cache_write_hour_tokens"` // part of cache_write_tokens
	AudioInputTokens  int64            `json:"audio_input_tokens"`      // part of input_tokens
	ImageInputTokens  int64            `json:"image_input_tokens"`      // part of input_tokens
	AudioOutputTokens int64            `json:"audio_output_tokens"`     // part of output_tokens
	ImageOutputTokens int64            `json:"image_output_tokens"`     // part of output_tokens
	Units             json.RawMessage  `json:"units"`                   // images, characters, audio_ms, searches; what is none is left out
	ServiceTier       string           `json:"service_tier"`            // batch, flex, priority; empty: standard
	Reported          bool             `json:"reported"`                // the provider sent the figures
	Waste             bool             `json:"waste"`
	EdgeID            ident.Edge       `json:"edge_id"`
	Generation        uint64           `json:"generation"`
	RecordedAt        time.Time        `json:"recorded_at"`
	Count             int64            `json:"count"`          // refusals that were counted together; else 1
	Saved             money.Amount     `json:"saved_pico"`     // what tokens read from a cache would have cost more as plain input; of a hit: what the kept answer had cost
	SimilarityPPM     int32            `json:"similarity_ppm"` // of a cache_hit_similar: the cosine of the two questions, in millionths
}

// Correction is what a re-price job made of an event's cost.
type Correction struct {
	RepriceID   uuid.UUID    `json:"reprice_id"`
	Reason      string       `json:"reason"`
	By          string       `json:"by"`           // who started the job
	Charged     money.Amount `json:"charged_pico"` // as it was charged first
	CorrectedAt time.Time    `json:"corrected_at"`
}

// Price is what an event was charged at, in pico-USD per token: a row of the catalog ("list"), or of the organization's own prices.
type Price struct {
	ID                 ident.Price `json:"id"`
	Kind               string      `json:"kind"` // list, override, ceiling; discount
	Catalog            string      `json:"catalog"`
	Model              string      `json:"model"`
	EffectiveAt        time.Time   `json:"effective_at"`
	AboveTokens        int32       `json:"above_tokens"`
	Service            string      `json:"service"`
	InputPico          int64       `json:"input_pico"`
	CachedInputPico    int64       `json:"cached_input_pico"`
	CacheWritePico     int64       `json:"cache_write_pico"`
	CacheWriteHourPico int64       `json:"cache_write_hour_pico"`
	OutputPico         int64       `json:"output_pico"`
	ReasoningPico      int64       `json:"reasoning_pico"` // 0: billed as output
	AudioInputPico     int64       `json:"audio_input_pico"`
	AudioOutputPico    int64       `json:"audio_output_pico"`
	ImageInputPico     int64       `json:"image_input_pico"`
	ImageOutputPico    int64       `json:"image_output_pico"`
	RequestPico        int64       `json:"request_pico"`
	ImagePico          int64       `json:"image_pico"`
	CharacterPico      int64       `json:"character_pico"`
	AudioSecondPico    int64       `json:"audio_second_pico"`
	SearchPico         int64       `json:"search_pico"`
	DiscountPerMille   int32       `json:"discount_per_mille"` // of a discount
}

// Detail is one event with its price and all attempts of its request, itself included, in order.
type Detail struct {
	Event
	Price    *Price  `json:"price"`    // before the discount; nil: the model had none
	Discount *Price  `json:"discount"` // nil: none
	Attempts []Event `json:"attempts"`
}

const (
	limitDefault = 50
	limitMax     = 500
	farAhead     = 48 * time.Hour // an edge's clock may be wrong
)

// place is where a page begins: after the event of that time and id.
type place struct {
	at    time.Time
	event uuid.UUID
}

const placeBytes = 8 + 16

func (p place) cursor() string {
	raw := binary.BigEndian.AppendUint64(make([]byte, 0, placeBytes), uint64(p.at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(raw, p.event[:]...))
}

var errCursor = errors.New("not a cursor")

func parseCursor(text string) (place, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != placeBytes {
		return place{}, errCursor
	}
	return place{at: time.UnixMicro(int64(binary.BigEndian.Uint64(raw))).UTC(), event: uuid.UUID(raw[8:])}, nil
}

func (q HoursQuery) check() error {
	var wrong fault.Fields
	known := false
	for _, group := range Groups() {
		known = known || q.GroupBy == group
	}
	if !known {
		wrong.Add("group_by", "choose agent, model, virtual_key, workspace, provider or outcome")
	}
	if !q.From.Before(q.To) {
		wrong.Add("to", "choose an end after the beginning")
	}
	return wrong.Err()
}

// normal fills in the defaults and returns where the page begins.
func (f Filter) normal(now time.Time) (Filter, place, error) {
	var wrong fault.Fields
	if f.Limit == 0 {
		f.Limit = limitDefault
	}
	if f.Limit < 1 || f.Limit > limitMax {
		wrong.Add("limit", "choose 1 to %d", limitMax)
	}
	if f.RouteVersion < 0 {
		wrong.Add("route_version", "choose a version from 1 on")
	}
	if f.RouteID.IsZero() && (f.RouteVersion > 0 || f.RoutePath != "") {
		wrong.Add("route_id", "say of which route: versions and groups are of one")
	}
	from := place{at: now.Add(farAhead)}
	if f.To.IsZero() {
		f.To = now.Add(farAhead)
	}
	if f.Before != "" {
		var err error
		if from, err = parseCursor(f.Before); err != nil {
			wrong.Add("before", "take the text from next of the page before")
		}
	}
	return f, from, wrong.Err()
}

// units is what an event used that is billed by other units than tokens.
type units struct {
	Images     int64 `json:"images,omitempty"`     // made
	Characters int64 `json:"characters,omitempty"` // spoken
	AudioMs    int64 `json:"audio_ms,omitempty"`   // of sound that was heard
	Searches   int64 `json:"searches,omitempty"`   // of a reranker
}
