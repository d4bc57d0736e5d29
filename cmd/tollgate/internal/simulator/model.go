package simulator

import "net/http"

// released is the date that every model bears.
const (
	released     = 1735689600
	releasedText = "2025-01-01T00:00:00Z"
)

// The models that the lists show. Any other name that does not begin with "missing" works too.
func openaiModels() []string {
	return []string{"gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "o4-mini", "text-embedding-3-small", "text-embedding-3-large"}
}

func anthropicModels() []string {
	return []string{"claude-opus-4-1", "claude-sonnet-4-5", "claude-haiku-4-5"}
}

type openaiModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (api openaiAPI) models(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var list struct {
		Object string        `json:"object"`
		Data   []openaiModel `json:"data"`
	}
	list.Object = "list"
	for _, id := range openaiModels() {
		list.Data = append(list.Data, openaiModel{id, "model", released, "system"})
	}
	writeJSON(w, http.StatusOK, list)
}

func (api openaiAPI) model(w http.ResponseWriter, r *http.Request) {
	if id := r.PathValue("model"); api.admit(w, r) && api.known(w, id) {
		writeJSON(w, http.StatusOK, openaiModel{id, "model", released, "system"})
	}
}

type anthropicModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

func (api anthropicAPI) models(w http.ResponseWriter, r *http.Request) {
	if !api.admit(w, r) {
		return
	}
	var list struct {
		Data    []anthropicModel `json:"data"`
		FirstID string           `json:"first_id"`
		HasMore bool             `json:"has_more"`
		LastID  string           `json:"last_id"`
	}
	for _, id := range anthropicModels() {
		list.Data = append(list.Data, anthropicModel{"model", id, id, releasedText})
	}
	list.FirstID, list.LastID = list.Data[0].ID, list.Data[len(list.Data)-1].ID
	writeJSON(w, http.StatusOK, list)
}
