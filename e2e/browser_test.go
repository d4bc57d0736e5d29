package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/playwright-community/playwright-go"

	"tollgate.dev/e2e/internal/rig"
)

// browser is Chromium with two windows that share a session: one under the console's own content policy, which walks, and one that may be
// given the accessibility checker, which the policy would refuse.
type browser struct {
	house   *rig.Rig
	page    playwright.Page
	checker playwright.Page
	context playwright.BrowserContext
	expect  playwright.PlaywrightAssertions
	shots   string

	mu       sync.Mutex
	problems []string // script errors and violations of the content policy
}

const (
	patienceMS = 10_000
	wide       = 1440
	narrow     = 390
)

// newBrowser starts Chromium from PATH with the driver that npm installed; the window that walks may be changed. What is absent fails the test.
func newBrowser(t *testing.T, house *rig.Rig, change ...func(*playwright.BrowserNewContextOptions)) *browser {
	t.Helper()
	engine := chromium(t)
	checkerOptions, walkOptions := contextOptions(house), contextOptions(house)
	checkerOptions.BypassCSP = playwright.Bool(true)
	for _, each := range change {
		each(&walkOptions)
	}
	walk, err := engine.NewContext(walkOptions)
	must(t, err)
	walk.SetDefaultTimeout(patienceMS)
	page, err := walk.NewPage()
	must(t, err)
	beside, err := engine.NewContext(checkerOptions)
	must(t, err)
	checker, err := beside.NewPage()
	must(t, err)
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	must(t, err)
	must(t, checker.AddInitScript(playwright.Script{Content: playwright.String(string(axe))}))
	b := &browser{house: house, page: page, checker: checker, context: walk, expect: playwright.NewPlaywrightAssertions(patienceMS), shots: filepath.Join(artifacts, "screens")}
	must(t, os.RemoveAll(b.shots))
	must(t, os.MkdirAll(b.shots, 0o755))
	page.OnPageError(func(err error) { b.note("script error: " + err.Error()) })
	page.OnConsole(func(message playwright.ConsoleMessage) {
		if message.Type() == "error" && !strings.Contains(message.Text(), "422") { // the browser calls a refused form an error
			b.note(page.URL() + ": console: " + message.Text())
		}
	})
	return b
}

func chromium(t *testing.T) playwright.Browser {
	t.Helper()
	program := os.Getenv("CHROME")
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	node, err := exec.LookPath("node")
	if err != nil || program == "" {
		t.Fatal("a browser test needs node and Chromium: run `make prepare`")
	}
	driver := t.TempDir()
	core, err := filepath.Abs("node_modules/playwright-core")
	must(t, err)
	must(t, os.Symlink(core, filepath.Join(driver, "package")))
	t.Setenv("PLAYWRIGHT_NODEJS_PATH", node)
	run, err := playwright.Run(&playwright.RunOptions{DriverDirectory: driver, SkipInstallBrowsers: true, Verbose: false})
	if err != nil {
		t.Fatalf("start the browser's driver: %v: run `make prepare`", err)
	}
	t.Cleanup(func() { _ = run.Stop() })
	engine, err := run.Chromium.Launch(playwright.BrowserTypeLaunchOptions{
		ExecutablePath: playwright.String(program), Args: []string{"--no-sandbox", "--disable-dev-shm-usage"},
	})
	must(t, err)
	t.Cleanup(func() { _ = engine.Close() })
	return engine
}

func contextOptions(house *rig.Rig) playwright.BrowserNewContextOptions {
	return playwright.BrowserNewContextOptions{
		BaseURL: playwright.String(house.ConsoleURL), Viewport: &playwright.Size{Width: wide, Height: 900}, ColorScheme: playwright.ColorSchemeLight,
		ReducedMotion: playwright.ReducedMotionReduce,
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *browser) note(problem string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, problem)
}

// failOnProblems fails when a script failed or the content policy refused something.
func (b *browser) failOnProblems(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, problem := range b.problems {
		t.Error(problem)
	}
}

func (b *browser) open(t *testing.T, path string) {
	t.Helper()
	_, err := b.page.Goto(path)
	must(t, err)
}

// part returns the element with a test id.
func (b *browser) part(id string) playwright.Locator { return b.page.GetByTestId(id) }

// says waits until the part with a test id holds a text.
func (b *browser) says(t *testing.T, id, text string) {
	t.Helper()
	if err := b.expect.Locator(b.part(id)).ToContainText(text); err != nil {
		b.shot(t, "failed-"+id)
		t.Fatalf("%s at %s: %v", id, b.page.URL(), err)
	}
}

// input is one field of a form, by its name. A value that begins with "=" is chosen by its label, "!" checks it.
type input struct{ name, value string }

// submit opens a form, fills it in and sends it.
func (b *browser) submit(t *testing.T, path, form, button string, inputs ...input) {
	t.Helper()
	if path != "" {
		b.open(t, path)
	}
	b.fill(t, form, inputs...)
	must(t, b.part(form).GetByRole("button", playwright.LocatorGetByRoleOptions{Name: button}).Click())
}

func (b *browser) fill(t *testing.T, form string, inputs ...input) {
	t.Helper()
	for _, in := range inputs {
		field := b.part(form).Locator(fmt.Sprintf("[name=%q]", in.name))
		var err error
		switch {
		case strings.HasPrefix(in.value, "="):
			_, err = field.SelectOption(playwright.SelectOptionValues{Labels: playwright.StringSlice(in.value[1:])})
		case strings.HasPrefix(in.value, "!"):
			err = b.part(form).Locator(fmt.Sprintf("[name=%q][value=%q]", in.name, in.value[1:])).Check()
		default:
			err = field.Fill(in.value)
		}
		if err != nil {
			b.shot(t, "failed-"+form)
			t.Fatalf("%s at %s, field %s: %v", form, b.page.URL(), in.name, err)
		}
	}
}

func (b *browser) shot(t *testing.T, name string) {
	t.Helper()
	_, err := b.page.Screenshot(playwright.PageScreenshotOptions{Path: playwright.String(filepath.Join(b.shots, name+".png")), FullPage: playwright.Bool(true)})
	must(t, err)
}

// look takes the page that is open in both colour schemes and two widths, and has the accessibility checker read it.
func (b *browser) look(t *testing.T, name string) {
	t.Helper()
	for _, scheme := range []*playwright.ColorScheme{playwright.ColorSchemeLight, playwright.ColorSchemeDark} {
		must(t, b.page.EmulateMedia(playwright.PageEmulateMediaOptions{ColorScheme: scheme}))
		for _, width := range []int{wide, narrow} {
			must(t, b.page.SetViewportSize(width, 900))
			b.shot(t, fmt.Sprintf("%s-%s-%d", name, *scheme, width))
			overflow, err := b.page.Locator("html").Evaluate("e => e.scrollWidth - e.clientWidth", nil)
			must(t, err)
			if fmt.Sprint(overflow) != "0" {
				t.Errorf("%s is %v pixels wider than a window of %d", name, overflow, width)
			}
			b.tablesFit(t, name, width)
		}
	}
	must(t, b.page.EmulateMedia(playwright.PageEmulateMediaOptions{ColorScheme: playwright.ColorSchemeLight}))
	must(t, b.page.SetViewportSize(wide, 900))
	b.check(t, name)
}

// tablesFit fails where a table has to be pushed aside to be read to its end.
func (b *browser) tablesFit(t *testing.T, name string, width int) {
	t.Helper()
	wide, err := b.page.Evaluate(`() => [...document.querySelectorAll('.table-wrap')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.getAttribute('aria-label')).join(', ')`)
	must(t, err)
	if wide != "" {
		t.Errorf("%s in a window of %d: wider than the page: %v", name, width, wide)
	}
}

// check reads the page's address in the checker's window and reports what axe finds, in both colour schemes and widths.
func (b *browser) check(t *testing.T, name string) {
	t.Helper()
	cookies, err := b.context.Cookies()
	must(t, err)
	shared := make([]playwright.OptionalCookie, len(cookies))
	for i, cookie := range cookies {
		shared[i] = cookie.ToOptionalCookie()
	}
	must(t, b.checker.Context().AddCookies(shared))
	_, err = b.checker.Goto(b.page.URL())
	must(t, err)
	for _, scheme := range []*playwright.ColorScheme{playwright.ColorSchemeLight, playwright.ColorSchemeDark} {
		must(t, b.checker.EmulateMedia(playwright.PageEmulateMediaOptions{ColorScheme: scheme}))
		for _, width := range []int{wide, narrow} {
			must(t, b.checker.SetViewportSize(width, 900))
			for _, violation := range b.violations(t) {
				t.Errorf("%s (%s, %d): axe: %s", name, *scheme, width, violation)
			}
		}
	}
}

// violations is what the accessibility checker finds on the page in its window.
func (b *browser) violations(t *testing.T) []string {
	t.Helper()
	found, err := b.checker.Evaluate(`async () => JSON.stringify((await axe.run(document)).violations.map((v) =>
		v.id + ': ' + v.help + ' at ' + v.nodes.map((n) => n.target.join(' ') + ' ' + n.failureSummary).join('; ')))`)
	must(t, err)
	var all []string
	must(t, json.Unmarshal([]byte(fmt.Sprint(found)), &all))
	return all
}

// hrefOf returns where the link that says exactly so leads, within the part with a test id.
func (b *browser) hrefOf(t *testing.T, id, text string) string {
	t.Helper()
	href, err := b.part(id).GetByRole("link", playwright.LocatorGetByRoleOptions{Name: text, Exact: playwright.Bool(true)}).GetAttribute("href")
	must(t, err)
	return href
}

// textNow returns what a part says at this moment.
func (b *browser) textNow(id string) (string, error) {
	return b.part(id).TextContent(playwright.LocatorTextContentOptions{Timeout: playwright.Float(500)})
}

// labelled chooses an option by what it says.
func labelled(text string) playwright.SelectOptionValues {
	return playwright.SelectOptionValues{Labels: playwright.StringSlice(text)}
}
