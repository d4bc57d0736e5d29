package web_test

import (
	"regexp"
	"strings"
	"testing"

	"tollgate.dev/web/component"
)

// TestAFullColumnStaysInItsChart has pieces that are drawn larger than they are, so that together they are higher than the axis.
func TestAFullColumnStaysInItsChart(t *testing.T) {
	t.Parallel()
	var drawn strings.Builder
	chart := component.Chart{Title: "Spend", Axis: []string{"$1", "$0"}, Columns: []component.Column{{Parts: []component.ColumnPart{{Name: "a", PerMille: 999, Color: 1}, {Name: "b", PerMille: 2, Color: 2}}}}}
	if err := component.Columns(chart).Render(t.Context(), &drawn); err != nil {
		t.Fatal(err)
	}
	places := regexp.MustCompile(` y="([^"]*)"`).FindAllStringSubmatch(drawn.String(), -1)
	if len(places) != 2 || places[0][1] != "0.1%" || places[1][1] != "0%" {
		t.Errorf("pieces begin at %q", places)
	}
}
