package console

import (
	"strings"

	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/route"
	"tollgate.dev/controlplane/internal/usage"
)

// apart is what of a range's sums is told apart: calls that kept answers served, and what was called beside what callers asked for.
type apart struct {
	same, alike usage.Figures // hits of the same question, and of one like it
	compared    usage.Figures // embeddings by which questions were compared
	mirrored    usage.Figures // calls that were repeated at a mirror
}

// apartOf asks for them. Of sums that are restricted to a code, an end user or a label they are not kept.
func (c *Console) apartOf(v *visit, s span, where usage.Where) (a apart, err error) {
	if where.Code != "" {
		return a, nil
	}
	for code, into := range map[string]*usage.Figures{"cache_hit": &a.same, "cache_hit_similar": &a.alike} {
		only := where
		only.Code = code
		if *into, err = c.totalOf(v, usage.SpendQuery{From: s.from, To: s.to, GroupBy: usage.ByOutcome, Where: only}); err != nil {
			return a, err
		}
	}
	if where.EndUser != "" || where.LabelName != "" {
		return a, nil
	}
	for label, into := range map[string]*usage.Figures{route.CacheLabel: &a.compared, route.MirrorLabel: &a.mirrored} {
		if *into, err = c.totalOf(v, usage.SpendQuery{From: s.from, To: s.to, GroupBy: usage.ByLabel, Label: label, Where: where}); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (c *Console) totalOf(v *visit, query usage.SpendQuery) (usage.Figures, error) {
	query.Limit = 1
	found, err := c.Usage.Spend(v.Request().Context(), v.actor, query)
	return found.Total.Figures, err
}

// kept is what the answers had cost that were given again.
func (a *apart) kept() money.Amount { return a.same.Saved.Add(a.alike.Saved) }

// savedNote says what of a sum was saved by what, and what that took.
func (a *apart) savedNote(saved money.Amount) string {
	var parts []string
	if hits := a.same.Events + a.alike.Events; hits > 0 {
		text := a.kept().USD() + " by " + grouped(hits) + " kept answers"
		if a.alike.Events > 0 {
			text += ", " + grouped(a.alike.Events) + " of them to similar questions"
		}
		parts = append(parts, text)
	}
	if rest := saved.Sub(a.kept()); rest.Sign() > 0 {
		parts = append(parts, rest.USD()+" by providers’ caches")
	}
	if a.compared.Events > 0 {
		parts = append(parts, "comparing cost "+a.compared.Cost.USD())
	}
	if len(parts) == 0 {
		return "by kept answers, and by cached input against plain"
	}
	return strings.Join(parts, " · ")
}
