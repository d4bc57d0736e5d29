package house

import (
	"errors"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"unicode"
)

// Linker finds what a program of the module links, by walking imports through the sources of the module and of the module cache.
type Linker struct {
	Root    string // the module's root on disk
	Module  string // the module's path
	Cache   string // the module cache
	modules map[string]string
	context build.Context
}

// NewLinker reads the module's go.mod. The cache holds what `go mod download` put there.
func NewLinker(root, cache string) (*Linker, error) {
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	module, modules := requirements(string(text))
	linux := build.Default
	linux.CgoEnabled = false
	return &Linker{Root: root, Module: module, Cache: cache, modules: modules, context: linux}, nil
}

// requirements reads module path and required versions. A go.mod since Go 1.17 lists every module that is needed to build.
func requirements(text string) (module string, modules map[string]string) {
	modules = map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		switch {
		case len(fields) == 2 && fields[0] == "module":
			module = fields[1]
		case len(fields) >= 2 && strings.HasPrefix(fields[1], "v"):
			modules[fields[0]] = fields[1]
		}
	}
	return module, modules
}

// Links returns the import paths, without the standard library's insides, that the package in dir (relative to the root) pulls in,
// each with the one that imports it.
func (l *Linker) Links(dir string) (map[string]string, error) {
	first := l.Module + "/" + dir
	links := map[string]string{first: ""}
	queue := []string{first}
	for len(queue) > 0 {
		current := queue[0]
		queue = queue[1:]
		if standard(current) {
			continue
		}
		folder, err := l.folder(current)
		if err != nil {
			return nil, err
		}
		imports, err := l.imports(folder)
		if err != nil {
			return nil, fmt.Errorf("imports of %s: %w", current, err)
		}
		for _, next := range imports {
			if _, seen := links[next]; !seen && next != "C" {
				links[next] = current
				queue = append(queue, next)
			}
		}
	}
	return links, nil
}

func (l *Linker) imports(folder string) ([]string, error) {
	found, err := l.context.ImportDir(folder, 0)
	var empty *build.NoGoError
	if err != nil && !errors.As(err, &empty) {
		return nil, err
	}
	return found.Imports, nil
}

func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

func (l *Linker) folder(importPath string) (string, error) {
	if dir, ok := strings.CutPrefix(importPath, l.Module+"/"); ok {
		return filepath.Join(l.Root, filepath.FromSlash(dir)), nil
	}
	for module := importPath; module != "."; module = parent(module) {
		if version, ok := l.modules[module]; ok {
			rest := strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
			return filepath.Join(l.Cache, escape(module)+"@"+escape(version), filepath.FromSlash(rest)), nil
		}
	}
	return "", fmt.Errorf("no module in go.mod holds %s", importPath)
}

func parent(importPath string) string {
	if i := strings.LastIndexByte(importPath, '/'); i >= 0 {
		return importPath[:i]
	}
	return "."
}

// escape writes a module path as the cache's folders do: capitals as "!" and the small letter.
func escape(text string) string {
	var escaped strings.Builder
	for _, r := range text {
		if unicode.IsUpper(r) {
			escaped.WriteByte('!')
			r = unicode.ToLower(r)
		}
		escaped.WriteRune(r)
	}
	return escaped.String()
}

// Unwanted finds links within one of the refused import paths, and says how they came in.
func Unwanted(links map[string]string, refused []string) []Finding {
	var found []Finding
	for link := range links {
		for _, path := range refused {
			if within(link, path) {
				found = append(found, Finding{link, "is linked: " + way(links, link)})
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Where < found[j].Where })
	return found
}

func way(links map[string]string, link string) string {
	steps := []string{link}
	for links[link] != "" {
		link = links[link]
		steps = append([]string{link}, steps...)
	}
	return strings.Join(steps, " → ")
}
