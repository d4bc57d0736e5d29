package simulator

import (
	"encoding/json"
	"net/http"
	"sync"
)

// shelf holds the answers that are kept, by account and id. An account is a provider's key.
type shelf struct {
	mu      sync.Mutex
	answers map[shelved]stored
}

type shelved struct{ provider, account, id string }

// stored is one answer that is kept, and what led to it.
type stored struct {
	answer response
	texts  []string // of the conversation so far, its answer included
	input  json.RawMessage

	events []responseEvent // that were streamed of it, if it was made in the background
	steps  int             // how often it is read before it has come to its end
	end    func(cancelled bool) response
}

const shelfMost = 10_000 // answers; then the shelf is emptied

func (s *shelf) put(at shelved, what stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil || len(s.answers) >= shelfMost {
		s.answers = map[shelved]stored{}
	}
	s.answers[at] = what
}

func (s *shelf) get(at shelved) (stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.answers[at]
	return found, ok
}

func (s *shelf) remove(at shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, at)
}

func (api openaiAPI) shelved(r *http.Request, id string) shelved {
	return shelved{api.provider, api.key(r), id}
}

// goesOn adds the conversation that a request goes on from. False: it is not here, and the caller has been told.
func (api openaiAPI) goesOn(w http.ResponseWriter, r *http.Request, request *responsesRequest) bool {
	if request.PreviousResponseID == "" {
		return true
	}
	before, ok := api.sim.shelf.get(api.shelved(r, request.PreviousResponseID))
	if !ok {
		api.refuse(w, http.StatusBadRequest, "previous_response_id", "previous_response_not_found", "Previous response with id '"+request.PreviousResponseID+"' not found.")
		return false
	}
	request.before = before.texts
	return true
}

// keep puts a finished answer on the shelf.
func (api openaiAPI) keep(x *exchange, request responsesRequest, answer response) {
	if request.Store != nil && !*request.Store {
		return
	}
	texts := append(append([]string{}, request.prompt().texts...), x.reply.text())
	api.sim.shelf.put(api.shelved(x.r, answer.ID), stored{answer: answer, texts: texts, input: request.Input})
}

// kept calls serve with the answer that the path names.
func (api openaiAPI) kept(serve func(w http.ResponseWriter, r *http.Request, at shelved, found stored)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !api.admit(w, r) {
			return
		}
		at := api.shelved(r, r.PathValue("id"))
		found, ok := api.sim.shelf.get(at)
		if !ok {
			api.refuse(w, http.StatusNotFound, "id", "", "Response with id '"+at.id+"' not found.")
			return
		}
		serve(w, r, at, found)
	}
}

func (api openaiAPI) retrieve(w http.ResponseWriter, r *http.Request, at shelved, found stored) {
	if r.URL.Query().Get("stream") == "true" {
		api.replay(w, r, found)
		return
	}
	if found.end != nil {
		found.answer.Status = "in_progress"
		if found.steps--; found.steps == 0 {
			found.answer, found.end = found.end(false), nil
		}
		api.sim.shelf.put(at, found)
	}
	writeJSON(w, http.StatusOK, found.answer)
}

func (api openaiAPI) remove(w http.ResponseWriter, _ *http.Request, at shelved, _ stored) {
	api.sim.shelf.remove(at)
	writeJSON(w, http.StatusOK, map[string]any{"id": at.id, "object": "response", "deleted": true})
}

func (api openaiAPI) cancel(w http.ResponseWriter, _ *http.Request, at shelved, found stored) {
	if found.end != nil {
		found.answer, found.end = found.end(true), nil
		api.sim.shelf.put(at, found)
	}
	if found.answer.Background {
		writeJSON(w, http.StatusOK, found.answer)
		return
	}
	api.refuse(w, http.StatusBadRequest, "", "", "Cannot cancel the response '"+at.id+"': it was not made in the background.")
}

func (openaiAPI) inputItems(w http.ResponseWriter, _ *http.Request, _ shelved, found stored) {
	var items []json.RawMessage
	if json.Unmarshal(found.input, &items) != nil {
		items = []json.RawMessage{json.RawMessage(`{"id":"msg_input","type":"message","role":"user","status":"completed","content":[{"type":"input_text","text":` + string(found.input) + `}]}`)}
	}
	writeJSON(w, http.StatusOK, map[string]any{"object": "list", "data": items, "first_id": "msg_input", "last_id": "msg_input", "has_more": false})
}

// storedAt puts the paths of kept answers below a place.
func (api openaiAPI) storedAt(mux *http.ServeMux, place string, wrap func(http.HandlerFunc) http.HandlerFunc) {
	mux.HandleFunc("GET "+place+"/{id}", wrap(api.kept(api.retrieve)))
	mux.HandleFunc("DELETE "+place+"/{id}", wrap(api.kept(api.remove)))
	mux.HandleFunc("POST "+place+"/{id}/cancel", wrap(api.kept(api.cancel)))
	mux.HandleFunc("GET "+place+"/{id}/input_items", wrap(api.kept(api.inputItems)))
}

func undated(serve http.HandlerFunc) http.HandlerFunc { return serve }
