package console

import (
	"net/url"

	"tollgate.dev/controlplane/internal/usage"
	"tollgate.dev/web/component"
	"tollgate.dev/web/usageui"
)

func (c *Console) run(v *visit) error {
	id, err := url.PathUnescape(v.Param("id"))
	if err != nil {
		id = v.Param("id")
	}
	found, err := c.Usage.Run(v.Request().Context(), v.actor, id)
	if err != nil {
		return err
	}
	return c.draw(v, view{Title: "Run", Active: "/spend", Crumbs: under("Spend", "/spend?group=run"), Content: usageui.RunPage(runView(found))})
}

func runView(found usage.RunDetail) usageui.Run {
	shown := usageui.Run{
		ID: found.RunID, Missing: int(found.Events) - counted(found.Calls), First: component.At(found.FirstAt, "moment"),
		Facts: facts("Agent", found.AgentName, "Virtual key", found.VirtualKeyName, "Workspace", found.WorkspaceName, "~Run", found.RunID, "Known by", runSourceText(sourceOf(found.Calls))),
		Figures: []component.Stat{
			{Label: "Cost", Value: found.Cost.USD(), TestID: "run-cost"},
			{Label: "Steps", Value: grouped(found.Steps), Note: grouped(found.Events) + " attempts and refusals", TestID: "run-steps"},
			{Label: "Tokens", Value: grouped(tokensOf(found.Figures)), TestID: "run-tokens"},
			{Label: "Wasted", Value: found.Waste.USD(), Note: grouped(found.Failed) + " failed, " + grouped(found.Refused) + " refused", TestID: "run-waste"},
			{Label: "Took", Value: took(found.LastAt.Sub(found.FirstAt)), TestID: "run-took"},
		},
		Notes: spendNotes(usage.Spend{Total: found.Totals}),
	}
	for _, one := range found.Calls {
		row := callRow(one)
		shown.Calls.Rows = append(shown.Calls.Rows, row)
	}
	return shown
}

// sourceOf says how a run was known, as its first call that is shown says it.
func sourceOf(calls []usage.Event) string {
	if len(calls) == 0 {
		return ""
	}
	return calls[0].RunSource
}

// counted is how many calls some events stand for.
func counted(events []usage.Event) int {
	n := 0
	for _, one := range events {
		n += int(one.Count)
	}
	return n
}
