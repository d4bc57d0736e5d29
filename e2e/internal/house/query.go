package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Foreign is a query file's leave to touch another noun's table.
type Foreign struct {
	File   string // base name in sql/, e.g. "usage.sql"
	Table  string
	Reason string
}

var (
	createTable = regexp.MustCompile(`(?im)^\s*CREATE (?:UNLOGGED )?TABLE (?:IF NOT EXISTS )?([a-z_]+)\s*\(`)
	touch       = regexp.MustCompile(`(?i)\b(?:from|join|into|update|using)\s+(?:only\s+)?([a-z_]+)`)
	sqlComment  = regexp.MustCompile(`(?m)--.*$`)
)

// Tables returns the tables that the migrations create, partitions apart.
func (t *Tree) Tables() ([]string, error) {
	names, err := fs.Glob(t.files, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var tables []string
	for _, name := range names {
		text, err := fs.ReadFile(t.files, name)
		if err != nil {
			return nil, err
		}
		for _, match := range createTable.FindAllStringSubmatch(string(text), -1) {
			tables = append(tables, match[1])
		}
	}
	sort.Strings(tables)
	return tables, nil
}

// Queries finds tables without an owner, and query files that touch a table which is another's. owners maps a table to the base name
// of its query file, or to a reason in parentheses why it has none.
func (t *Tree) Queries(owners map[string]string, leave []Foreign) ([]Finding, error) {
	tables, err := t.Tables()
	if err != nil {
		return nil, err
	}
	var found []Finding
	known := map[string]bool{}
	for _, table := range tables {
		known[table] = true
		if owners[table] == "" {
			found = append(found, Finding{"migrations", fmt.Sprintf("table %s has no owner", table)})
		}
	}
	for table := range owners {
		if !known[table] {
			found = append(found, Finding{"migrations", fmt.Sprintf("there is no table %s, but it has an owner", table)})
		}
	}
	used := map[Foreign]bool{}
	err = t.eachQueryFile(func(name, text string) {
		for _, table := range touched(text, known) {
			if owners[table] == name {
				continue
			}
			if permit := permitOf(leave, name, table); permit != nil {
				used[*permit] = true
				continue
			}
			found = append(found, Finding{"sql/" + name, fmt.Sprintf("touches %s, which %s owns", table, owners[table])})
		}
	})
	for _, permit := range leave {
		if !used[permit] {
			found = append(found, Finding{"sql/" + permit.File, fmt.Sprintf("has leave to touch %s and does not", permit.Table)})
		}
		if permit.Reason == "" {
			found = append(found, Finding{"sql/" + permit.File, fmt.Sprintf("has leave to touch %s without a reason", permit.Table)})
		}
	}
	return found, err
}

func permitOf(leave []Foreign, file, table string) *Foreign {
	for i := range leave {
		if leave[i].File == file && leave[i].Table == table {
			return &leave[i]
		}
	}
	return nil
}

func touched(text string, known map[string]bool) []string {
	seen := map[string]bool{}
	var tables []string
	for _, match := range touch.FindAllStringSubmatch(sqlComment.ReplaceAllString(text, ""), -1) {
		if name := strings.ToLower(match[1]); known[name] && !seen[name] {
			seen[name] = true
			tables = append(tables, name)
		}
	}
	return tables
}

func (t *Tree) eachQueryFile(each func(name, text string)) error {
	names, err := fs.Glob(t.files, "sql/*.sql")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := fs.ReadFile(t.files, name)
		if err != nil {
			return err
		}
		each(path.Base(name), string(text))
	}
	return nil
}

// Waivers finds "@sqlc-vet-disable" lines that name no rule or are not followed by a comment line with the reason.
func (t *Tree) Waivers() ([]Finding, error) {
	var found []Finding
	err := t.eachQueryFile(func(name, text string) {
		rows := strings.Split(text, "\n")
		for i, row := range rows {
			_, rule, waived := strings.Cut(row, "@sqlc-vet-disable")
			if !waived {
				continue
			}
			where := fmt.Sprintf("sql/%s:%d", name, i+1)
			if strings.TrimSpace(rule) == "" {
				found = append(found, Finding{where, "the waiver names no rule"})
			}
			if i+1 >= len(rows) || !isReason(rows[i+1]) {
				found = append(found, Finding{where, "the waiver is not followed by a line with its reason"})
			}
		}
	})
	return found, err
}

func isReason(row string) bool {
	text, comment := strings.CutPrefix(strings.TrimSpace(row), "--")
	return comment && len(strings.Fields(text)) >= 3 && !strings.HasPrefix(strings.TrimSpace(text), "@") && !strings.HasPrefix(strings.TrimSpace(text), "name:")
}

var statement = regexp.MustCompile(`(?is)^\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+[a-z_]+\s+set\s|delete\s+from\s)`)

// Statements finds SQL written in Go, outside the files that fit a pattern; tests apart.
func (t *Tree) Statements(may []string) []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if file.Test || file.Generated || file.Tool || matchAny(may, file.Path) {
			continue
		}
		ast.Inspect(file.Syntax, func(node ast.Node) bool {
			literal, ok := node.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(literal.Value); err == nil && statement.MatchString(text) {
				found = append(found, Finding{t.at(literal), "SQL in Go: it belongs in sql/"})
			}
			return true
		})
	}
	return found
}
