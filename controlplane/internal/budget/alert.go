package budget

import (
	"slices"

	"tollgate.dev/controlplane/internal/fault"
)

const (
	percentMax  = 200
	percentsMax = 10
)

// cleanPercents sorts the thresholds, drops repeated ones and says what is wrong; nil stands for the usual ones.
func cleanPercents(wrong *fault.Fields, percents []int) []int {
	if percents == nil {
		return []int{50, 80, 100}
	}
	percents = slices.Clone(percents)
	slices.Sort(percents)
	percents = slices.Compact(percents)
	switch {
	case len(percents) > percentsMax:
		wrong.Add("alert_percents", "give at most %d thresholds", percentsMax)
	case len(percents) > 0 && (percents[0] < 1 || percents[len(percents)-1] > percentMax):
		wrong.Add("alert_percents", "give whole percents of the limit between 1 and %d, such as 50, 80, 100", percentMax)
	}
	return percents
}
