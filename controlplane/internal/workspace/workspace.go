// Package workspace keeps the parts of an organization in which agents and keys live.
// It refuses to know what is inside them.
package workspace

import (
	"regexp"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
)

// Workspace is a part of an organization with its own agents, keys and routes.
type Workspace struct {
	ID         ident.Workspace `json:"id"`
	Name       string          `json:"name"`
	Slug       string          `json:"slug"`        // unique in the organization; never changes
	CacheEpoch int             `json:"cache_epoch"` // how often the answers kept for its calls were forgotten
	CreatedAt  time.Time       `json:"created_at"`
	ArchivedAt *time.Time      `json:"archived_at,omitempty"`
}

// Input is what a caller sets. An empty Slug is made from Name.
type Input struct {
	Name string `json:"name"`
	Slug string `json:"slug"`
}

const nameMax = 80

// clean trims the input, fills in the slug and says what is wrong.
func (in Input) clean() (Input, error) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, nameMax)
	if strings.TrimSpace(in.Slug) == "" {
		in.Slug = slugOf(in.Name)
	}
	in.Slug = input.Slug(&wrong, "slug", in.Slug)
	return in, wrong.Err()
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

func slugOf(name string) string {
	slug := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
	return strings.TrimRight(slug[:min(len(slug), 39)], "-")
}
