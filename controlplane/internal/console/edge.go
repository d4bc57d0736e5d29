package console

import (
	"context"
	"fmt"
	"time"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/edge"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/web/component"
	"tollgate.dev/web/edgeui"
)

// fleet knows the edges and what each runs.
type fleet interface {
	List(ctx context.Context, actor authz.Actor) ([]edge.Edge, error)
	Problem(ctx context.Context, actor authz.Actor) (*edge.Problem, error)
	Gaps(ctx context.Context, actor authz.Actor, since, until time.Time) ([]edge.Gap, error)
	Rejects(ctx context.Context, actor authz.Actor, since, until time.Time) ([]edge.Reject, error)
}

const (
	skewWorthSaying = 2 * time.Second
	edgesEvery      = 500 * time.Millisecond
)

func (c *Console) edges(v *visit) error {
	list, err := c.edgeList(v)
	if err != nil {
		return err
	}
	return c.draw(v, view{Title: "Edges", Active: "/edges", Live: true, Content: edgeui.Page(list)})
}

func (c *Console) edgesLive(v *visit) error {
	return c.stream(v, nil, edgesEvery, func() ([]part, error) {
		list, err := c.edgeList(v)
		if err != nil {
			return nil, err
		}
		return []part{{"edges", edgeui.Table(list)}}, nil
	})
}

func (c *Console) edgeList(v *visit) (edgeui.List, error) {
	all, err := c.Edges.List(v.Request().Context(), v.actor)
	if err != nil {
		return edgeui.List{}, err
	}
	problem, err := c.Edges.Problem(v.Request().Context(), v.actor)
	if err != nil {
		return edgeui.List{}, err
	}
	rejects, err := c.rejected(v)
	if err != nil {
		return edgeui.List{}, err
	}
	list := edgeui.List{Generation: "–"}
	if problem != nil {
		list.Problem = edgeui.Problem{Generation: grouped(int64(problem.Generation)), Reason: sentence(problem.Reason), Path: problem.Path, Noticed: component.At(problem.NoticedAt, "ago")}
	}
	fresh := 0
	for _, one := range all {
		row := edgeRow(one)
		row.Rejected = rejects[one.ID]
		if row.Behind.Tone == component.OK {
			fresh++
		}
		if one.Current > 0 {
			list.Generation = grouped(int64(one.Current))
		}
		list.Rows = append(list.Rows, row)
	}
	list.Summary = component.Badge{Text: fmt.Sprintf("%d of %d up to date", fresh, len(all)), Tone: component.OK}
	if fresh < len(all) {
		list.Summary.Tone = component.Warn
	}
	return list, nil
}

// rejected says what of each edge's usage of the last 30 days the books could not take.
func (c *Console) rejected(v *visit) (map[ident.Edge]string, error) {
	now := c.config.Now()
	all, err := c.Edges.Rejects(v.Request().Context(), v.actor, now.Add(-30*day), now.Add(day))
	texts := make(map[ident.Edge]string, len(all))
	for _, one := range all {
		texts[one.EdgeID] = fmt.Sprintf("%s rejected in the last 30 days, so that what they cost is missing from spend and budgets until they can be taken in. The last is number %d: %s.", recordsText(one.Records), one.LastSeq, one.LastReason)
	}
	return texts, err
}

func recordsText(n int64) string {
	if n == 1 {
		return "1 usage record"
	}
	return grouped(n) + " usage records"
}

func edgeRow(one edge.Edge) edgeui.Row {
	row := edgeui.Row{
		ID: one.ID.String(), Name: one.Name, Region: one.Region, Version: one.Version, State: edgeState(one), Seen: component.At(one.LastSeenAt, "ago"),
		Generation: "none", Behind: behind(one), Lag: "–", Acked: component.AtPointer(one.AckedAt, "ago"),
		Pending: grouped(one.SpoolPending), SpoolSize: bytesText(one.SpoolBytes), InFlight: grouped(one.InFlight), Requests: grouped(one.Requests),
	}
	if one.Generation > 0 {
		row.Generation, row.Lag = grouped(int64(one.Generation)), took(time.Duration(one.LagMS)*time.Millisecond)
	}
	if one.NackGeneration > 0 {
		row.Nack, row.NackPath, row.NackedGen = sentence(one.NackReason), one.NackPath, grouped(int64(one.NackGeneration))
	}
	if skew := time.Duration(one.ClockSkewMS) * time.Millisecond; skew.Abs() >= skewWorthSaying {
		row.ClockSkew = "Its clock is " + took(skew.Abs()) + " away from ours. Times are corrected; set the machine's clock all the same."
	}
	row.Counting, row.CountingSince = countingText(one)
	if one.SpoolKept > 0 {
		row.Kept = "keeps " + bytesText(one.SpoolKept)
	}
	for _, target := range one.OpenTargets {
		row.Open = append(row.Open, openTarget(target))
	}
	if n := one.SpoolCorrupt; n > 0 {
		row.Damaged = placesText(n) + " of its records could not be read, or are missing after a loss of power, so that usage may be missing. Compare with the providers' invoices, and look at the machine's disk."
	}
	if n := one.Unrecorded; n > 0 {
		row.Unrecorded = callsText(n) + " not recorded in the last 30 days: its disk was full, and this organization chose to be served all the same."
	}
	return row
}

func placesText(n int64) string {
	if n == 1 {
		return "1 place"
	}
	return grouped(n) + " places"
}

func callsText(n int64) string {
	if n == 1 {
		return "1 call"
	}
	return grouped(n) + " calls"
}

// countingText says how an edge counts rate limits where it is not with all others.
func countingText(one edge.Edge) (text string, since component.Moment) {
	switch {
	case !one.Connected:
		return "", component.Moment{}
	case one.RateCounting == "share" && one.LiveEdges > 1:
		return fmt.Sprintf("Rate limits: it allows its own share, one of %d, because Redis has been away", one.LiveEdges), component.AtPointer(one.CountingSince, "ago")
	case one.RateCounting == "share":
		return "Rate limits: it counts alone, because Redis has been away", component.AtPointer(one.CountingSince, "ago")
	default:
		return "", component.Moment{}
	}
}

func edgeState(one edge.Edge) component.Badge {
	switch {
	case !one.Connected:
		return component.Badge{Text: "away", Tone: component.Warn}
	case !one.Accepting:
		return component.Badge{Text: "not accepting calls", Tone: component.Warn}
	default:
		return component.Badge{Text: "connected", Tone: component.OK}
	}
}

func behind(one edge.Edge) component.Badge {
	switch {
	case one.NackGeneration > one.Generation:
		return component.Badge{Text: "refused " + grouped(int64(one.NackGeneration)), Tone: component.Bad}
	case one.Generation == 0:
		return component.Badge{Text: "nothing yet", Tone: component.Warn}
	case one.Generation < one.Current:
		return component.Badge{Text: "waits for " + grouped(int64(one.Current)), Tone: component.Warn}
	default:
		return component.Badge{Text: "current", Tone: component.OK}
	}
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%d.%d GiB", n>>30, n%(1<<30)*10>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d.%d MiB", n>>20, n%(1<<20)*10>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	default:
		return fmt.Sprintf("%d B", n)
	}
}

// took writes a duration with three figures or so.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0 ms"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%d.%d ms", d.Milliseconds(), d.Microseconds()%1000/100)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d.%02d s", d/time.Second, d%time.Second/(10*time.Millisecond))
	default:
		return d.Round(time.Second).String()
	}
}
