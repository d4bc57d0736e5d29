package route

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tollgate.dev/controlplane/internal/fault"
)

// Version is what a route was saved as.
type Version struct {
	Version   int       `json:"version"`
	Route     Input     `json:"route"`
	Restores  int       `json:"restores,omitempty"` // the older version that this one brought back; 0: none
	SavedAt   time.Time `json:"saved_at"`
	ActorName string    `json:"actor_name"` // who saved it; empty: before versions were kept
	Changes   []Change  `json:"changes"`    // since the version before; of the first one kept: none
}

// Change is a line that only one of two versions has, such as "europe › openai / gpt-4o · weight: 3".
type Change struct {
	Added bool   `json:"added"`
	Line  string `json:"line"`
}

// VersionPage is some versions of a route, newest first.
type VersionPage struct {
	Items []Version `json:"items"`
	Next  int       `json:"next,omitempty"` // the version that the next page begins before; 0: there is none
}

const versionsKept = 200

// spec returns everything that is saved but the place.
func (in Input) spec() []byte {
	saved := in
	saved.Version = 0 // it has a column of its own
	saved.Targets = nameless(in.Targets)
	if in.Mirror != nil {
		mirror := *in.Mirror
		mirror.ProviderName, saved.Mirror = "", &mirror
	}
	text, _ := json.Marshal(saved) //nolint:errchkjson // texts, numbers, and raw JSON that was checked
	return text
}

// nameless leaves out the names of providers, which they may change.
func nameless(targets []Target) []Target {
	out := slices.Clone(targets)
	for i := range out {
		out[i].ProviderName = ""
		out[i].Targets = nameless(out[i].Targets)
	}
	return out
}

func fromSpec(spec []byte) (in Input, err error) {
	if err := json.Unmarshal(spec, &in); err != nil {
		return in, fmt.Errorf("read what was saved: %w", err)
	}
	if in.Aliases == nil {
		in.Aliases = []string{}
	}
	return in, nil
}

// Text writes what a route is saved as for people to read, compare and edit: JSON without its version and what is not set. Parse reads it.
func (in Input) Text() string {
	in.Version = 0
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(in) //nolint:errchkjson // as in spec
	return strings.TrimSpace(out.String())
}

// Parse reads a text of Text.
func Parse(text string) (in Input, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var wrongType *json.UnmarshalTypeError
	if err := decoder.Decode(&in); errors.As(err, &wrongType) {
		return in, fault.New(fault.Invalid, "the text is no route: %s cannot be %s", cmp.Or(wrongType.Field, "it"), wrongType.Value)
	} else if err != nil {
		return in, fault.New(fault.Invalid, "the text is no route: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if decoder.More() {
		return in, fault.New(fault.Invalid, "something follows the route")
	}
	return in, nil
}

// changes returns the lines that only one of two lists has, in their order (the longest common subsequence).
func changes(a, b []string) []Change {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	all := []Change{}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			all = append(all, Change{Line: a[i]})
			i++
		default:
			all = append(all, Change{Added: true, Line: b[j]})
			j++
		}
	}
	return all
}
