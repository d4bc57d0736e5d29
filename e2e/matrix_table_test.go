package e2e

import (
	"os"
	"strings"
	"testing"
)

// matrix writes the table: what each dialect's callers get of each feature at each provider.
func matrix(rows []feature, columns []corner, cells []*cell) string {
	letters := []struct{ dialect, letter string }{{byChat, "C"}, {byResponses, "R"}, {byMessages, "M"}, {byGemini, "G"}}
	var out strings.Builder
	out.WriteString("| |")
	for _, column := range columns {
		out.WriteString(" " + column.name + " |")
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for i := range rows {
		out.WriteString("| " + rows[i].name + " |")
		for j := range columns {
			all := map[string]string{} // letters by what became of it
			for _, each := range letters {
				for _, c := range cells {
					if c.feature == &rows[i] && c.corner == &columns[j] && c.dialect == each.dialect && !strings.Contains(all[c.verdict], each.letter) {
						all[c.verdict] += each.letter
					}
				}
			}
			out.WriteString(" " + summary(all) + " |")
		}
		out.WriteString("\n")
	}
	return out.String()
}

func summary(all map[string]string) string {
	if len(all) == 1 {
		for verdict := range all {
			return strings.Replace(verdict, "carried", "✓", 1)
		}
	}
	var texts []string
	for _, verdict := range verdicts {
		if all[verdict] != "" {
			texts = append(texts, strings.Replace(verdict, "carried", "✓", 1)+" "+all[verdict])
		}
	}
	return strings.Join(texts, ", ")
}

// compareTable wants the README to say what is so, between its marks of that name.
func compareTable(t *testing.T, name, table string) {
	t.Helper()
	const file = "../README.md"
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	raw, err := os.ReadFile(file)
	must(t, err)
	before, rest, found := strings.Cut(string(raw), begin)
	old, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("the README has no place for the matrix")
	}
	t.Log("\n" + table)
	switch {
	case old == table:
	case *updateMatrix && !t.Failed():
		must(t, os.WriteFile(file, []byte(before+begin+table+end+after), 0o600))
	default:
		t.Errorf("the README tells otherwise what each pair carries; run this test with -update-matrix")
	}
}
