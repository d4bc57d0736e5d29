package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// queue answers at once and works at it afterwards: who reads the answer a second time finds it done. It is billed then; cancelled before, its
// input alone is.
func (api openaiAPI) queue(x *exchange, request responsesRequest, answer response) {
	answer.Status = "queued"
	items := api.items(x.reply, request)
	used, place, entry := x.reply.usage, x.place, x.entry
	finished := answer
	finished.finish(x, items)
	end := func(cancelled bool) response {
		entry.Completed = true
		if !cancelled {
			entry.OutputTokens, entry.ReasoningTokens = used.output, used.reasoning
			api.sim.ledger.settle(place, entry)
			return finished
		}
		api.sim.ledger.settle(place, entry)
		stopped := answer
		stopped.Status = "cancelled"
		stopped.Usage = &responseUsage{InputTokens: used.prompt(), TotalTokens: used.prompt()}
		stopped.Usage.InputTokensDetails.CachedTokens = used.cached
		return stopped
	}
	api.sim.shelf.put(api.shelved(x.r, answer.ID), stored{answer: answer, texts: request.prompt().texts, input: request.Input, steps: 2, end: end})
	writeJSON(x.w, http.StatusOK, answer)
}

// rekeep changes what is kept of an answer.
func (api openaiAPI) rekeep(x *exchange, id string, change func(*stored)) {
	at := api.shelved(x.r, id)
	if found, ok := api.sim.shelf.get(at); ok {
		change(&found)
		api.sim.shelf.put(at, found)
	}
}

// still is the event as it is now, whatever becomes of the answer.
func (e responseEvent) still() responseEvent {
	if e.Response != nil {
		answer := *e.Response
		answer.Output = slices.Clone(answer.Output)
		e.Response = &answer
	}
	return e
}

// replay streams what was streamed of an answer once more, from behind one event on.
func (openaiAPI) replay(w http.ResponseWriter, r *http.Request, found stored) {
	after, err := strconv.Atoi(r.URL.Query().Get("starting_after"))
	if err != nil {
		after = -1
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for _, event := range found.events {
		if event.SequenceNumber <= after {
			continue
		}
		raw, err := json.Marshal(event)
		if err != nil {
			return
		}
		if _, err := w.Write(appendEvent(nil, event.Type, raw)); err != nil {
			return
		}
	}
}
