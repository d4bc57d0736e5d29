// Package house reads the sources of the module and finds where they break the rules that it is built by.
// It refuses to run the go tool: a test that shells out passes stale from the test cache.
package house

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Tree is the parsed module.
type Tree struct {
	Module   string              // module path, e.g. "tollgate.dev"
	Packages map[string]*Package // by folder, relative to the module's root
	files    fs.FS
	set      *token.FileSet
}

// Package is one folder of Go files.
type Package struct {
	Dir   string // relative to the module's root, with forward slashes
	Files []*File
}

// File is one Go file.
type File struct {
	Path      string
	Syntax    *ast.File
	Lines     int
	Generated bool // carries the "Code generated … DO NOT EDIT." line
	Test      bool // named *_test.go
	Tool      bool // built by hand only: "//go:build ignore"
}

// Finding is one broken rule.
type Finding struct {
	Where string // path, with a line where there is one
	What  string // which rule, and how
}

// String returns "where: what".
func (f Finding) String() string { return f.Where + ": " + f.What }

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// Read parses every Go file of the module below files. Folders that the go tool ignores are left out.
func Read(module string, files fs.FS) (*Tree, error) {
	tree := &Tree{Module: module, Packages: map[string]*Package{}, files: files, set: token.NewFileSet()}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && ignored(name):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		return tree.add(name)
	})
	return tree, err
}

func ignored(dir string) bool {
	base := path.Base(dir)
	return dir != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") ||
		base == "testdata" || base == "node_modules" || base == "vendor" || base == "artifacts")
}

func (t *Tree) add(name string) error {
	source, err := fs.ReadFile(t.files, name)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(t.set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	dir := path.Dir(name)
	if t.Packages[dir] == nil {
		t.Packages[dir] = &Package{Dir: dir}
	}
	t.Packages[dir].Files = append(t.Packages[dir].Files, &File{
		Path: name, Syntax: syntax, Lines: lines(source),
		Generated: generated.Match(source),
		Test:      strings.HasSuffix(name, "_test.go"),
		Tool:      bytes.Contains(source[:int(syntax.Package)-t.set.File(syntax.Package).Base()], []byte("//go:build ignore")),
	})
	return nil
}

func lines(source []byte) int {
	count := 0
	scan := bufio.NewScanner(bytes.NewReader(source))
	scan.Buffer(nil, len(source)+1)
	for scan.Scan() {
		count++
	}
	return count
}

// Files returns every file in the order of its path.
func (t *Tree) Files() []*File {
	var all []*File
	for _, p := range t.Packages {
		all = append(all, p.Files...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all
}

// Dirs returns the folders of all packages in order.
func (t *Tree) Dirs() []string {
	dirs := make([]string, 0, len(t.Packages))
	for dir := range t.Packages {
		dirs = append(dirs, dir)
	}
	sort.Strings(dirs)
	return dirs
}

// local returns the folder of an import path of this module.
func (t *Tree) local(importPath string) (dir string, ok bool) {
	return strings.CutPrefix(importPath, t.Module+"/")
}

func (t *Tree) at(node ast.Node) string {
	place := t.set.Position(node.Pos())
	return fmt.Sprintf("%s:%d", place.Filename, place.Line)
}

func importPath(spec *ast.ImportSpec) string {
	text, _ := strconv.Unquote(spec.Path.Value) // the parser has accepted it
	return text
}

// Match says whether name fits a pattern: "*" stands for any run of characters without a slash, a last element "..." for the folder
// itself and all that is below it.
func Match(pattern, name string) bool {
	prefix, deep := strings.CutSuffix(pattern, "/...")
	if !deep {
		ok, _ := path.Match(pattern, name)
		return ok
	}
	depth := strings.Count(prefix, "/") + 1
	elements := strings.SplitN(name, "/", depth+1)
	if len(elements) < depth {
		return false
	}
	ok, _ := path.Match(prefix, strings.Join(elements[:depth], "/"))
	return ok
}

func matchAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if Match(pattern, name) {
			return true
		}
	}
	return false
}
