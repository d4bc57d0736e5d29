package route

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// lines writes the route line by line for comparing. Each line names its place, so that a line that changed says by itself what it is about.
func (in Input) lines() []string {
	w := &lineWriter{}
	w.say("", "name", in.Name)
	w.say("", "other names", strings.Join(in.Aliases, ", "))
	w.say("", "time zone", in.TimeZone)
	w.group("", in.Strategy, in.StickyBy, in.Trial)
	w.targets("", in.Strategy, in.Targets)
	w.object("", "reliability", in.Reliability)
	w.object("", "cache", in.Cache)
	if in.Mirror != nil {
		mirror := *in.Mirror
		w.say("", "mirror", placeOf(mirror.ProviderName, mirror.ProviderID.String(), mirror.Model))
		w.say("", "mirror share", mirror.Share())
	}
	return w.all
}

// lineWriter collects lines.
type lineWriter struct{ all []string }

const step = " › "

func (w *lineWriter) say(place, what, value string) {
	if value == "" {
		return
	}
	if place != "" {
		place += " · "
	}
	w.all = append(w.all, place+what+": "+value)
}

func (w *lineWriter) group(place string, strategy Strategy, stickyBy string, trial *Trial) {
	w.say(place, "strategy", string(strategy))
	w.say(place, "sticky by", stickyBy)
	w.object(place, "canary", trial)
}

func (w *lineWriter) targets(at string, strategy Strategy, targets []Target) {
	for _, each := range targets {
		place := placeOf(each.ProviderName, each.ProviderID.String(), each.Model)
		if each.IsGroup() {
			place = each.Name
		}
		if at != "" {
			place = at + step + place
		}
		w.all = append(w.all, place)
		w.say(place, "when", each.When)
		if strategy == Weighted || strategy == Sticky {
			w.say(place, "weight", fmt.Sprint(each.Weight))
		}
		if each.IsGroup() {
			w.group(place, each.Strategy, each.StickyBy, each.Trial)
			w.targets(place, each.Strategy, each.Targets)
		}
		for _, name := range slices.Sorted(maps.Keys(each.Override)) {
			w.say(place, "override "+name, string(each.Override[name]))
		}
		for _, name := range slices.Sorted(maps.Keys(each.Default)) {
			w.say(place, "default "+name, string(each.Default[name]))
		}
	}
}

func placeOf(provider, id, model string) string {
	if provider == "" {
		provider = id
	}
	return provider + " / " + model
}

// object writes what an object has, each thing by its path.
func (w *lineWriter) object(place, path string, value any) {
	raw, _ := json.Marshal(value) //nolint:errchkjson // numbers, texts and flags
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if text := string(fields[name]); strings.HasPrefix(text, "{") {
			w.object(place, path+"."+name, fields[name])
		} else {
			w.say(place, path+"."+name, strings.Trim(text, `"`))
		}
	}
}
