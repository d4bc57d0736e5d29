package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strings"
)

// Mutables finds package variables that are not fixed: anything but an error value, a regular expression, an embedded file, a table
// that nothing writes to, or a call of one of the constructors ("pkg.Func") that are said to return what nobody can change. In tests any
// value may be computed once, as long as nothing writes to it.
func (t *Tree) Mutables(constructors []string) []Finding {
	allowed := map[string]bool{"errors.New": true, "fmt.Errorf": true, "regexp.MustCompile": true}
	for _, name := range constructors {
		allowed[name] = true
	}
	var found []Finding
	for _, dir := range t.Dirs() {
		written := t.written(dir)
		for _, file := range t.Packages[dir].Files {
			if file.Generated || file.Tool {
				continue
			}
			packageVars(file.Syntax, func(spec *ast.ValueSpec, group *ast.GenDecl, i int) {
				name := spec.Names[i].Name
				switch {
				case name == "_" || embedded(spec, group):
				case written[name]:
					found = append(found, Finding{t.at(spec), fmt.Sprintf("package variable %s is written to", name)})
				case !fixed(spec, i, allowed) && !(file.Test && i < len(spec.Values)):
					found = append(found, Finding{t.at(spec), fmt.Sprintf("package variable %s can change: pass it in through New", name)})
				}
			})
		}
	}
	return found
}

func embedded(spec *ast.ValueSpec, group *ast.GenDecl) bool {
	for _, doc := range []*ast.CommentGroup{spec.Doc, group.Doc} {
		if doc == nil {
			continue
		}
		for _, comment := range doc.List {
			if strings.HasPrefix(comment.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

func fixed(spec *ast.ValueSpec, i int, allowed map[string]bool) bool {
	if i >= len(spec.Values) {
		return false
	}
	switch value := spec.Values[i].(type) {
	case *ast.CallExpr:
		return allowed[callee(value)] || isConversion(value)
	case *ast.CompositeLit:
		return !synchronizes(value.Type)
	case *ast.BasicLit, *ast.Ident, *ast.SelectorExpr, *ast.FuncLit, *ast.BinaryExpr:
		return true
	default: // &T{} above all
		return false
	}
}

func callee(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	case *ast.IndexExpr:
		return callee(&ast.CallExpr{Fun: f.X})
	}
	return ""
}

func isConversion(call *ast.CallExpr) bool {
	_, array := call.Fun.(*ast.ArrayType)
	return array
}

// synchronizes says whether a literal's type is there to be changed: locks, pools, atomics.
func synchronizes(kind ast.Expr) bool {
	selector, ok := kind.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := selector.X.(*ast.Ident)
	return ok && (x.Name == "sync" || x.Name == "atomic")
}

// written returns the names of package variables that some function of the package assigns to, takes the address of, or deletes from.
// Names that a function declares itself do not count.
func (t *Tree) written(dir string) map[string]bool {
	written := map[string]bool{}
	for _, file := range t.Packages[dir].Files {
		for _, declared := range file.Syntax.Decls {
			f, ok := declared.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			own := locals(f)
			ast.Inspect(f, func(node ast.Node) bool {
				for _, target := range targets(node) {
					if name := root(target); name != "" && !own[name] {
						written[name] = true
					}
				}
				return true
			})
		}
	}
	return written
}

func targets(node ast.Node) []ast.Expr {
	switch n := node.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "delete" || f.Name == "clear") && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// root returns the variable that an expression such as table[k].field begins with.
func root(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	default:
		return ""
	}
}

func locals(f *ast.FuncDecl) map[string]bool {
	own := map[string]bool{}
	ast.Inspect(f, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.Field:
			for _, name := range n.Names {
				own[name.Name] = true
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, left := range n.Lhs {
					own[root(left)] = true
				}
			}
		case *ast.RangeStmt:
			for _, left := range []ast.Expr{n.Key, n.Value} {
				if left != nil && n.Tok == token.DEFINE {
					own[root(left)] = true
				}
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				own[name.Name] = true
			}
		}
		return true
	})
	return own
}

// Executes finds imports of os/exec, plugin and syscall's Exec outside the folders that fit a pattern; tests apart.
func (t *Tree) Executes(may []string) []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if file.Test || file.Tool || matchAny(may, path.Dir(file.Path)) {
			continue
		}
		for _, spec := range file.Syntax.Imports {
			if target := importPath(spec); target == "os/exec" || target == "plugin" {
				found = append(found, Finding{t.at(spec), fmt.Sprintf("%s: no plane starts programs", target)})
			}
		}
	}
	return found
}

// Dials finds connections that are opened outside the folders and files that fit a pattern; tests and programs under cmd apart.
func (t *Tree) Dials(may []string) []Finding {
	opens := map[string]bool{
		"net.Dial": true, "net.DialTimeout": true, "net.DialTCP": true, "net.Dialer": true, "tls.Dial": true, "tls.Dialer": true, "tls.DialWithDialer": true,
		"http.Get": true, "http.Head": true, "http.Post": true, "http.PostForm": true, "http.DefaultClient": true, "http.DefaultTransport": true,
		"http.Client": true, "http.Transport": true, "smtp.Dial": true, "smtp.SendMail": true,
	}
	var found []Finding
	for _, file := range t.Files() {
		if file.Test || file.Tool || matchAny(may, path.Dir(file.Path)) || matchAny(may, file.Path) || strings.HasPrefix(file.Path, "cmd/") {
			continue
		}
		pointed := map[ast.Node]bool{} // a client that was handed in
		ast.Inspect(file.Syntax, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.StarExpr:
				pointed[n.X] = true
			case *ast.SelectorExpr:
				if from, ok := n.X.(*ast.Ident); ok && opens[from.Name+"."+n.Sel.Name] && !pointed[n] {
					found = append(found, Finding{t.at(n), fmt.Sprintf("%s.%s: connections are opened by egress", from.Name, n.Sel.Name)})
				}
			}
			return true
		})
	}
	return found
}
