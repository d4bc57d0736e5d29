package house

import (
	"fmt"
	"go/ast"
	"path"
	"strings"
)

// PackageComments finds packages whose comment is missing, is written twice, does not begin with the purpose ("Package name …", or "Command"
// for programs), or does not go on with what the package refuses ("It refuses …").
func (t *Tree) PackageComments() []Finding {
	var found []Finding
	for _, dir := range t.Dirs() {
		var docs []*ast.CommentGroup
		var name string
		handmade := false
		for _, file := range t.Packages[dir].Files {
			if file.Test || file.Generated || file.Tool {
				continue
			}
			handmade, name = true, file.Syntax.Name.Name
			if file.Syntax.Doc != nil {
				docs = append(docs, file.Syntax.Doc)
			}
		}
		if what := commentFault(name, path.Base(dir), docs); handmade && what != "" {
			found = append(found, Finding{dir, what})
		}
	}
	return found
}

func commentFault(name, folder string, docs []*ast.CommentGroup) string {
	if len(docs) != 1 {
		return fmt.Sprintf("package %s has %d package comments, want one", name, len(docs))
	}
	text := strings.Join(strings.Fields(docs[0].Text()), " ")
	begins := []string{"Package " + name + " "}
	if name == "main" {
		begins = []string{"Command " + folder + " ", "Package main "}
	}
	purpose, rest, _ := strings.Cut(text, " It refuses ")
	switch {
	case !hasAnyPrefix(text, begins):
		return fmt.Sprintf("the package comment does not begin with %q", begins[0])
	case !strings.HasSuffix(purpose, "."):
		return "the package comment's purpose is no sentence"
	case strings.TrimSpace(rest) == "":
		return `the package comment does not say what the package refuses ("It refuses …")`
	default:
		return ""
	}
}

func hasAnyPrefix(text string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// Undocumented finds exported names without a comment: functions, methods, types, and constants and variables whose
// group says nothing either.
func (t *Tree) Undocumented() []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if file.Test || file.Generated || file.Tool {
			continue
		}
		for _, declared := range file.Syntax.Decls {
			for _, name := range silent(declared) {
				found = append(found, Finding{t.at(declared), name + " is exported and has no comment"})
			}
		}
	}
	return found
}

func silent(declared ast.Decl) []string {
	switch d := declared.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && receiverExported(d) && d.Doc == nil {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			names = append(names, silentSpec(spec, d)...)
		}
		return names
	}
	return nil
}

func silentSpec(spec ast.Spec, group *ast.GenDecl) []string {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && group.Doc == nil {
			return []string{s.Name.Name}
		}
	case *ast.ValueSpec:
		if s.Doc != nil || s.Comment != nil || group.Doc != nil {
			return nil
		}
		for _, name := range s.Names {
			if name.IsExported() {
				return []string{name.Name}
			}
		}
	}
	return nil
}

func receiverExported(f *ast.FuncDecl) bool {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return true
	}
	kind := f.Recv.List[0].Type
	for {
		switch k := kind.(type) {
		case *ast.StarExpr:
			kind = k.X
		case *ast.IndexExpr:
			kind = k.X
		case *ast.IndexListExpr:
			kind = k.X
		case *ast.Ident:
			return k.IsExported()
		default:
			return true
		}
	}
}
