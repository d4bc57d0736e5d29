// Package workspace keeps the parts of an organization in which agents and keys live.
// It refuses to know what is inside them.
package workspace

import (
	"regexp"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// Workspace is a part of an organization with its own agents, keys and routes.
type Workspace struct {
	ID         ident.Workspace `json:"id"`
	Name       string          `json:"name"`
	Slug       string          `json:"slug"` // unique in the organization; never changes
	CreatedAt  time.Time       `json:"created_at"`
	ArchivedAt *time.Time      `json:"archived_at,omitempty"`
}

// Input is what a caller sets. An empty Slug is made from Name.
type Input struct {
	Name string `json:"name"`
	Slug string `json:"slug"`
}

const nameMax = 80

var slugPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,38}$`)

// clean trims the input, fills in the slug and says what is wrong.
func (in Input) clean() (Input, error) {
	var wrong fault.Fields
	in.Name, in.Slug = strings.TrimSpace(in.Name), strings.TrimSpace(in.Slug)
	if in.Name == "" || len(in.Name) > nameMax {
		wrong.Add("name", "enter a name of 1 to %d characters", nameMax)
	}
	if in.Slug == "" {
		in.Slug = slugOf(in.Name)
	}
	if !slugPattern.MatchString(in.Slug) {
		wrong.Add("slug", "use 1 to 39 lower-case letters, digits and hyphens, beginning with a letter or digit")
	}
	return in, wrong.Err()
}

var notSlug = regexp.MustCompile(`[^a-z0-9]+`)

func slugOf(name string) string {
	slug := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(name), "-"), "-")
	return strings.TrimRight(slug[:min(len(slug), 39)], "-")
}
