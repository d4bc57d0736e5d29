package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Names finds packages with one of the refused names, and packages whose name is more than one word.
func (t *Tree) Names(refused []string) []Finding {
	var found []Finding
	for _, file := range t.Files() {
		name := strings.TrimSuffix(file.Syntax.Name.Name, "_test")
		switch {
		case slices.Contains(refused, name) || slices.Contains(refused, path.Base(path.Dir(file.Path))):
			found = append(found, Finding{file.Path, fmt.Sprintf("package %s is not named for what it provides", name)})
		case strings.ContainsAny(name, "_") || strings.ToLower(name) != name:
			found = append(found, Finding{file.Path, fmt.Sprintf("package %s: one lower-case word", name)})
		}
	}
	return found
}

// Length finds files of more than limit lines, generated ones apart.
func (t *Tree) Length(limit int) []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if !file.Generated && file.Lines > limit {
			found = append(found, Finding{file.Path, fmt.Sprintf("%d lines, want at most %d", file.Lines, limit)})
		}
	}
	return found
}

// Inits finds init functions.
func (t *Tree) Inits() []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if file.Generated {
			continue
		}
		for _, declared := range file.Syntax.Decls {
			if f, ok := declared.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				found = append(found, Finding{t.at(f), "init(): construct it in the root and pass it in"})
			}
		}
	}
	return found
}

// Sleeps finds calls of time.Sleep in tests and in the packages of the folders that fit a pattern. Inside synctest.Test the clock is not
// the wall's, so sleeping is exact there and costs nothing.
func (t *Tree) Sleeps(besides []string) []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if !file.Test && !matchAny(besides, path.Dir(file.Path)) {
			continue
		}
		ast.Inspect(file.Syntax, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if ok && selects(call.Fun, "synctest", "Test") {
				return false
			}
			if ok && selects(call.Fun, "time", "Sleep") {
				found = append(found, Finding{t.at(call), "time.Sleep in a test: wait for what you mean, with a deadline"})
			}
			return true
		})
	}
	return found
}

func selects(expression ast.Expr, pkg, name string) bool {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// Licences finds files that begin with a licence header.
func (t *Tree) Licences() []Finding {
	var found []Finding
	for _, file := range t.Files() {
		for _, group := range file.Syntax.Comments {
			if group.Pos() < file.Syntax.Package && licence.MatchString(group.Text()) {
				found = append(found, Finding{t.at(group), "licence header: the sources carry none"})
			}
		}
	}
	return found
}

var licence = regexp.MustCompile(`(?i)SPDX-|copyright|licensed under|all rights reserved`)

var (
	moneyName = regexp.MustCompile(`(?i)pico|cost|price|usd|amount|spen[dt]|budget|leased|granted|reserved|overrun`)
	floatName = regexp.MustCompile(`^float(32|64)$`)
)

// Floats finds floating point near money: a name of money declared as a float, or turned into one. Exempt are names that fit not, and
// files that fit a pattern.
func (t *Tree) Floats(not *regexp.Regexp, may []string) []Finding {
	var found []Finding
	money := func(name string) bool { return moneyName.MatchString(name) && (not == nil || !not.MatchString(name)) }
	for _, file := range t.Files() {
		if file.Generated || matchAny(may, file.Path) {
			continue
		}
		ast.Inspect(file.Syntax, func(node ast.Node) bool {
			for _, name := range floated(node) {
				if money(name) {
					found = append(found, Finding{t.at(node), fmt.Sprintf("%s is money and a float", name)})
				}
			}
			return true
		})
	}
	return found
}

// floated returns the names that a node declares as, or converts to, a floating point number.
func floated(node ast.Node) []string {
	switch n := node.(type) {
	case *ast.Field:
		if isFloat(n.Type) {
			return identNames(n.Names)
		}
	case *ast.ValueSpec:
		if isFloat(n.Type) {
			return identNames(n.Names)
		}
	case *ast.FuncDecl:
		if n.Type.Results != nil && slices.ContainsFunc(n.Type.Results.List, func(f *ast.Field) bool { return isFloat(f.Type) }) {
			return []string{n.Name.Name}
		}
	case *ast.CallExpr:
		if isFloat(n.Fun) || selects(n.Fun, "strconv", "ParseFloat") {
			return argumentNames(n.Args)
		}
	}
	return nil
}

func isFloat(expression ast.Expr) bool {
	switch e := expression.(type) {
	case *ast.Ident:
		return floatName.MatchString(e.Name)
	case *ast.ArrayType:
		return isFloat(e.Elt)
	case *ast.StarExpr:
		return isFloat(e.X)
	case *ast.Ellipsis:
		return isFloat(e.Elt)
	case *ast.MapType:
		return isFloat(e.Value)
	default:
		return false
	}
}

func identNames(idents []*ast.Ident) []string {
	names := make([]string, len(idents))
	for i, ident := range idents {
		names[i] = ident.Name
	}
	return names
}

func argumentNames(arguments []ast.Expr) []string {
	var names []string
	for _, argument := range arguments {
		ast.Inspect(argument, func(node ast.Node) bool {
			if ident, ok := node.(*ast.Ident); ok {
				names = append(names, ident.Name)
			}
			return true
		})
	}
	return names
}

// packageVars calls each for every variable declared at the top of a file.
func packageVars(file *ast.File, each func(spec *ast.ValueSpec, group *ast.GenDecl, i int)) {
	for _, declared := range file.Decls {
		group, ok := declared.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			for i := range value.Names {
				each(value, group, i)
			}
		}
	}
}
