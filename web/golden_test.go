package web_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"golang.org/x/tools/txtar"

	"tollgate.dev/web/component"
	"tollgate.dev/web/layout"
	"tollgate.dev/web/static"
)

var (
	update  = flag.Bool("update", false, "write the golden files anew")
	preview = flag.String("preview", "", "also write every page, with its frame and the static files, to this folder")
)

// TestPagesAreDrawnAsKept compares every story with its golden file.
func TestPagesAreDrawnAsKept(t *testing.T) {
	t.Parallel()
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got := []byte(lines(render(t, s.content)))
			path := filepath.Join("testdata", s.name+".txtar")
			if *update {
				if err := os.WriteFile(path, txtar.Format(&txtar.Archive{Comment: []byte(s.title + "\n"), Files: []txtar.File{{Name: "fragment.html", Data: got}}}), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			kept, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(kept.Files[0].Data, got) {
				t.Errorf("%s is drawn differently than kept; look at it, then run with -update\n%s", s.name, got)
			}
		})
	}
}

var inline = regexp.MustCompile(`(?i)<script(>| [^>]*[^c]>)[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)

// TestNoPageNeedsInlineScriptOrStyle holds what the content security policy demands.
func TestNoPageNeedsInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	for _, s := range stories() {
		if found := inline.FindString(full(t, s, "/static/x")); found != "" {
			t.Errorf("%s contains %q", s.name, found)
		}
	}
}

var id = regexp.MustCompile(`\sid="([^"]*)"`)

// TestIDsAreUnique holds what labels, messages and swaps rely on.
func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	for _, s := range stories() {
		seen := map[string]bool{}
		for _, match := range id.FindAllStringSubmatch(full(t, s, "/static/x"), -1) {
			if seen[match[1]] {
				t.Errorf("%s: the id %q stands twice", s.name, match[1])
			}
			seen[match[1]] = true
		}
	}
}

// TestPreview writes the pages for looking at them; without -preview it only draws them.
func TestPreview(t *testing.T) {
	t.Parallel()
	assets, err := static.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories() {
		page := full(t, s, assets.Prefix())
		if !strings.Contains(page, assets.Prefix()+"/console.css") {
			t.Errorf("%s does not load the stylesheet", s.name)
		}
		if *preview != "" {
			if err := os.WriteFile(filepath.Join(*preview, s.name+".html"), []byte(page), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func full(t *testing.T, s story, prefix string) string {
	t.Helper()
	page := frame(s.title, s.active)
	page.Static = prefix
	shell := layout.Shell
	if s.bare {
		shell = layout.Bare
	}
	var out bytes.Buffer
	ctx := templ.WithChildren(component.WithStatic(context.Background(), prefix), s.content)
	if err := shell(page).Render(ctx, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func render(t *testing.T, content templ.Component) string {
	t.Helper()
	var out bytes.Buffer
	if err := content.Render(component.WithStatic(context.Background(), "/static/x"), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// lines puts each element on its own line, so that a difference can be read.
func lines(html string) string { return strings.ReplaceAll(html, "><", ">\n<") + "\n" }
