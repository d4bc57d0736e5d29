package house

import (
	"fmt"
	"path"
	"strings"
)

// Wall says what the packages of some folders may import from this module. The first wall whose Room fits a package is its wall.
type Wall struct {
	Room string   // a pattern of folders
	May  []string // patterns of folders; a room may always import what lies below itself
}

// Walls finds imports that no wall allows, and packages that no wall names. Tests may besides import anything of their own plane.
func (t *Tree) Walls(walls []Wall) []Finding {
	var found []Finding
	for _, dir := range t.Dirs() {
		wall := wallOf(walls, dir)
		if wall == nil {
			found = append(found, Finding{dir, "no wall names this package; say in the table what it may import"})
			continue
		}
		for _, file := range t.Packages[dir].Files {
			found = append(found, t.breaches(dir, file, wall)...)
		}
	}
	return found
}

func wallOf(walls []Wall, dir string) *Wall {
	for i := range walls {
		if Match(walls[i].Room, dir) {
			return &walls[i]
		}
	}
	return nil
}

func (t *Tree) breaches(dir string, file *File, wall *Wall) []Finding {
	var found []Finding
	for _, spec := range file.Syntax.Imports {
		target, ok := t.local(importPath(spec))
		if !ok || target == dir || strings.HasPrefix(target, dir+"/") || matchAny(wall.May, target) {
			continue
		}
		if file.Test && plane(target) == plane(dir) {
			continue
		}
		found = append(found, Finding{t.at(spec), fmt.Sprintf("%s may not import %s", dir, target)})
	}
	return found
}

func plane(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// Owner says where a dependency may be imported.
type Owner struct {
	Dependency string   // an import path, and all below it
	Rooms      []string // patterns of files
}

// Owners finds imports of an owned dependency outside its rooms. Tests and generated files are not looked at.
func (t *Tree) Owners(owners []Owner) []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if file.Test || file.Generated {
			continue
		}
		for _, spec := range file.Syntax.Imports {
			target := importPath(spec)
			for _, owner := range owners {
				if within(target, owner.Dependency) && !matchAny(owner.Rooms, file.Path) {
					found = append(found, Finding{t.at(spec), fmt.Sprintf("%s is owned by %s", owner.Dependency, strings.Join(owner.Rooms, ", "))})
				}
			}
		}
	}
	return found
}

func within(importPath, dependency string) bool {
	return importPath == dependency || strings.HasPrefix(importPath, dependency+"/")
}

// Rows finds imports of generated row packages (…/internal/<noun>db) outside the files that fit the patterns of base names.
func (t *Tree) Rows(stores []string) []Finding {
	var found []Finding
	for _, file := range t.Files() {
		if file.Generated {
			continue
		}
		for _, spec := range file.Syntax.Imports {
			target, ok := t.local(importPath(spec))
			if ok && strings.HasSuffix(target, "db") && path.Base(path.Dir(target)) == "internal" && !matchAny(stores, path.Base(file.Path)) {
				found = append(found, Finding{t.at(spec), "only store.go sees generated rows"})
			}
		}
	}
	return found
}

// Depth finds packages from which a chain of imports within the module is longer than limit packages.
func (t *Tree) Depth(limit int) []Finding {
	var found []Finding
	known := map[string][]string{}
	for _, dir := range t.Dirs() {
		if chain := t.chain(dir, known); len(chain) > limit {
			found = append(found, Finding{dir, fmt.Sprintf("imports %d deep, want at most %d: %s", len(chain), limit, strings.Join(chain, " → "))})
		}
	}
	return found
}

// chain returns the longest chain of imports that begins at dir. The compiler has refused cycles.
func (t *Tree) chain(dir string, known map[string][]string) []string {
	if chain, ok := known[dir]; ok {
		return chain
	}
	var longest []string
	if p := t.Packages[dir]; p != nil {
		for _, file := range p.Files {
			if file.Test || file.Tool {
				continue
			}
			for _, spec := range file.Syntax.Imports {
				if target, ok := t.local(importPath(spec)); ok {
					if chain := t.chain(target, known); len(chain) > len(longest) {
						longest = chain
					}
				}
			}
		}
	}
	known[dir] = append([]string{dir}, longest...)
	return known[dir]
}
