package ingest

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"tollgate.dev/controlplane/internal/ident"
)

// hourKey is what events of one hour are summed up by.
type hourKey struct {
	hour      int64 // Unix seconds
	workspace ident.Workspace
	agent     ident.Agent
	key       ident.VirtualKey
	provider  ident.Provider
	model     string
	outcome   string
	code      string
}

func (k hourKey) compare(other hourKey) int {
	return cmp.Or(
		cmp.Compare(k.hour, other.hour),
		cmp.Compare(string(k.workspace.UUID[:]), string(other.workspace.UUID[:])),
		cmp.Compare(string(k.agent.UUID[:]), string(other.agent.UUID[:])),
		cmp.Compare(string(k.key.UUID[:]), string(other.key.UUID[:])),
		cmp.Compare(string(k.provider.UUID[:]), string(other.provider.UUID[:])),
		cmp.Compare(k.model, other.model), cmp.Compare(k.outcome, other.outcome), cmp.Compare(k.code, other.code),
	)
}

// hour is the sums of one key.
type hour struct {
	hourKey
	events, input, cachedInput, cacheWrite, output, reasoning int64
	cost, waste                                               big.Int // pico-USD
}

// hoursOf sums up events, in the order in which the sums are locked.
func hoursOf(events []event) []*hour {
	sums := map[hourKey]*hour{}
	for i := range events {
		e := &events[i]
		key := hourKey{
			hour: e.started.Truncate(time.Hour).Unix(), workspace: e.workspace, agent: e.agent, key: e.key, provider: e.provider,
			model: e.in.GetModel(), outcome: e.outcome, code: e.in.GetCode(),
		}
		sum := sums[key]
		if sum == nil {
			sum = &hour{hourKey: key}
			sums[key] = sum
		}
		sum.add(e)
	}
	sorted := make([]*hour, 0, len(sums))
	for _, sum := range sums {
		sorted = append(sorted, sum)
	}
	slices.SortFunc(sorted, func(a, b *hour) int { return a.compare(b.hourKey) })
	return sorted
}

func (h *hour) add(e *event) {
	h.events++
	h.input += e.in.GetInputTokens()
	h.cachedInput += e.in.GetCachedInputTokens()
	h.cacheWrite += e.in.GetCacheWriteTokens()
	h.output += e.in.GetOutputTokens()
	h.reasoning += e.in.GetReasoningTokens()
	cost := big.NewInt(e.in.GetCostPico())
	h.cost.Add(&h.cost, cost)
	if e.in.GetWaste() {
		h.waste.Add(&h.waste, cost)
	}
}
