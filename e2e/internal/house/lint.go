package house

import (
	"fmt"
	"strings"
)

// Unexplained finds entries below a "disable:" or "exclusions:" list of a golangci-lint configuration that carry no comment with the
// reason, on one of their own lines or on the one above.
func Unexplained(configuration string) []Finding {
	var found []Finding
	rows := strings.Split(configuration, "\n")
	within := -1 // the indentation of the list's key
	for i, row := range rows {
		text := strings.TrimSpace(row)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		indent := len(row) - len(strings.TrimLeft(row, " "))
		if within >= 0 && indent <= within {
			within = -1
		}
		if text == "disable:" || text == "rules:" || strings.HasSuffix(text, "excludes:") {
			within = indent
			continue
		}
		if within >= 0 && strings.HasPrefix(text, "- ") && !explained(rows, i, indent) {
			found = append(found, Finding{fmt.Sprintf(".golangci.yml:%d", i+1), text + " has no reason"})
		}
	}
	return found
}

// explained says whether the entry that begins at row i, or the line above it, has a comment.
func explained(rows []string, i, indent int) bool {
	if i > 0 && strings.HasPrefix(strings.TrimSpace(rows[i-1]), "#") || strings.Contains(rows[i], " # ") {
		return true
	}
	for _, row := range rows[i+1:] {
		if len(row)-len(strings.TrimLeft(row, " ")) <= indent {
			return false
		}
		if strings.Contains(row, " # ") {
			return true
		}
	}
	return false
}
