package translate

import (
	"slices"

	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/refusal"
	"tollgate.dev/dataplane/internal/scan"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/wire/plan"
)

// Dress appends a request's body with the fields that a target sets: those that override instead of the caller's, the others where the
// caller says nothing. A limit of output stands for the dialect's own, whatever it is called; limited: the body has its limit already.
func Dress(dst, body []byte, d dialect.Dialect, parameters []state.Parameter, limited bool) []byte {
	w := dresser{limits: limitFields(d)}
	said := map[string]bool{} // what the caller says that is set, by the names of parameters
	scan.Each(body, func(key, value []byte) {
		if name := w.slot(string(scan.Unescape(nil, key))); value[0] != 'n' {
			said[name] = true
		}
	})
	set := map[string]bool{}
	dst = append(dst, '{')
	for _, each := range parameters {
		name := w.slot(each.Name)
		isLimit := plan.IsLimit(each.Name)
		if said[name] && !each.Override || isLimit && (limited || len(w.limits) == 0) {
			continue
		}
		set[name] = true
		if isLimit && !w.knows(each.Name) {
			name = w.limits[0].String()
		} else {
			name = each.Name
		}
		dst = append(append(append(refusal.AppendString(dst, name), ':'), each.Value...), ',')
	}
	scan.Each(body, func(key, value []byte) {
		if !set[w.slot(string(scan.Unescape(nil, key)))] {
			dst = append(append(append(append(append(dst, '"'), key...), '"', ':'), value...), ',')
		}
	})
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

// dresser knows which names mean the same.
type dresser struct{ limits []scan.Field }

func (w *dresser) knows(name string) bool {
	return slices.ContainsFunc(w.limits, func(f scan.Field) bool { return f.String() == name })
}

// slot is one name for all that limit the output.
func (w *dresser) slot(name string) string {
	if plan.IsLimit(name) {
		return "max_tokens"
	}
	return name
}

// Limit returns the limit of output that a target sets for a call whose caller names one (0: none).
func Limit(named int64, parameters []state.Parameter) int64 {
	for _, each := range parameters {
		if !plan.IsLimit(each.Name) || named > 0 && !each.Override {
			continue
		}
		if limit, ok := scan.Int(each.Value); ok {
			named = limit
		}
	}
	return named
}

// DressPortions returns translated bodies with the fields that a target sets: one, or those of a request for embeddings one behind the other.
func (a *Ask) DressPortions(out []byte, d dialect.Dialect, parameters []state.Parameter) (dressed []byte) {
	if len(a.Portions) == 0 {
		return Dress(nil, out, d, parameters, true)
	}
	portions := slices.Clone(a.Portions)
	for i := range portions {
		dressed = Dress(dressed, a.Portion(out, i), d, parameters, true)
		portions[i].End = len(dressed)
	}
	a.Portions = portions
	return dressed
}
