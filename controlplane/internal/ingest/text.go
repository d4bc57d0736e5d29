package ingest

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"tollgate.dev/dataplane/wire"
)

const labelsMax = 64

// readTexts makes the texts of an event such that a database keeps them.
func (e *event) readTexts() (err error) {
	in := e.in
	for _, text := range [...]*string{&in.RunId, &in.EndUser, &in.Dialect, &in.Model, &in.ProviderModel, &in.Code, &in.Rule, &in.ServiceTier, &in.RoutePath} {
		if !wire.ValidText(*text) {
			*text = keepable(*text)
			e.mend("a text")
		}
	}
	for name, value := range in.GetLabels() {
		if name == "" || len(in.GetLabels()) > labelsMax || !wire.ValidText(name) || !wire.ValidText(value) {
			in.Labels = keepableLabels(in.GetLabels())
			e.mend("labels")
			break
		}
	}
	if e.labels, err = jsonOf(in.GetLabels()); err != nil {
		return errors.New("the labels are no JSON")
	}
	return nil
}

// keepable leaves out of a text what a database does not keep, and what is too long.
func keepable(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
	return strings.ToValidUTF8(text[:min(len(text), wire.TextBytesMax)], "") // the end may be half a letter
}

// keepableLabels keeps the first labels by name, those that have one.
func keepableLabels(labels map[string]string) map[string]string {
	kept := make(map[string]string, labelsMax)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if short := keepable(name); short != "" && len(kept) < labelsMax {
			kept[short] = keepable(labels[name])
		}
	}
	return kept
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
