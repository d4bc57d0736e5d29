package console_test

import (
	"bytes"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const priceTable = "catalog,model,effective,input,output,percent_off\nlab,m-1,2026-01-01,1000000,2000000,\nazure,,2026-02-01,,,15\n"

// upload posts a file as a form without script does.
func (b *browser) upload(path, name, text string) answer {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("csrf", b.token())
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = io.WriteString(part, text)
	_ = form.Close()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.server.URL+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(page)}
}

var hiddenTable = regexp.MustCompile(`name="table" value="([^"]*)"`)

func TestAPriceFileIsShownBeforeItIsApplied(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	shown := b.upload("/prices/own/import", "prices.csv", priceTable)
	if shown.status != http.StatusOK || !strings.Contains(shown.body, "2 added, 0 changed, 0 unchanged") || !strings.Contains(shown.body, "15% off the list") || !strings.Contains(shown.body, "$1.00 in, $2.00 out") {
		t.Fatalf("status %d\n%s", shown.status, shown.body)
	}
	if strings.Contains(b.get("/prices/own").body, "m-1") {
		t.Fatal("it was kept before it was applied")
	}
	kept := hiddenTable.FindStringSubmatch(shown.body)
	if kept == nil {
		t.Fatalf("the page cannot apply it\n%s", shown.body)
	}
	applied := b.send("/prices/own/import", url.Values{"table": {strings.ReplaceAll(html.UnescapeString(kept[1]), "\n", "\r\n")}}) // as browsers send it
	if applied.status != http.StatusSeeOther || !strings.Contains(b.get("/prices/own").body, "m-1") {
		t.Fatalf("apply: status %d\n%s", applied.status, applied.body)
	}
	file := b.get("/prices/own.csv")
	if !strings.Contains(file.header.Get("Content-Disposition"), "own-prices.csv") || !strings.Contains(file.body, "lab,m-1,2026-01-01,") || !strings.Contains(file.body, "azure,,2026-02-01,,,,15,") {
		t.Errorf("the download: %v\n%s", file.header, file.body)
	}
	if again := b.upload("/prices/own/import", "prices.csv", file.body); !strings.Contains(again.body, "0 added, 0 changed, 2 unchanged") || hiddenTable.MatchString(again.body) {
		t.Errorf("the download sent back: status %d\n%s", again.status, again.body)
	}
}

func TestAWrongPriceFileIsAnsweredWithLineAndColumn(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	for name, c := range map[string]struct{ table, want string }{
		"a wrong price": {"catalog,model,effective,input,output\nlab,m,2026-01-01,1.5,2\n", "<strong>line 2, input</strong>"},
		"no header":     {"lab,m\n", "line 1, lab"},
		"an empty file": {"", "Choose a file that is not empty."},
		"a long file":   {strings.Repeat("#", 600<<10), "A file may have 512 KiB"},
		"too much":      {strings.Repeat("#", 2<<20), "larger than 1024 KiB"},
	} {
		if a := b.upload("/prices/own/import", "prices.csv", c.table); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, c.want) {
			t.Errorf("%s: status %d\n%s", name, a.status, a.body)
		}
	}
	if a := b.send("/prices/own/import", url.Values{}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("no file: status %d\n%s", a.status, a.body)
	}
}

func TestARepriceJobIsPreviewedBeforeItStarts(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	for mark, form := range map[string]url.Values{
		"field-from-error":   {"from": {"soon"}, "reason": {"r"}},
		"field-until-error":  {"from": {"2026-01-01"}, "until": {"later"}, "reason": {"r"}},
		"field-reason-error": {"from": {"2026-01-01"}},
	} {
		if a := b.send("/prices/reprice/new", form); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `id="`+mark+`"`) {
			t.Errorf("%s: status %d\n%s", mark, a.status, a.body)
		}
	}
	form := url.Values{"from": {"2026-01-01"}, "catalog": {"openai"}, "reason": {"The contract came late"}}
	if a := b.send("/prices/reprice/new", form); a.status != http.StatusOK || !strings.Contains(a.body, "No call of that time") || strings.Contains(a.body, "start-form") {
		t.Errorf("a preview of nothing: status %d\n%s", a.status, a.body)
	}
	form.Set("start", "yes")
	if a := b.send("/prices/reprice/new", form); a.status != http.StatusSeeOther {
		t.Fatalf("start: status %d\n%s", a.status, a.body)
	}
	list := b.get("/prices/reprice").body
	if !strings.Contains(list, "The contract came late") || !strings.Contains(list, "under way, 0%") || !strings.Contains(list, `hx-trigger="load delay:2s"`) {
		t.Errorf("the list:\n%s", list)
	}
	link := regexp.MustCompile(`/audit\?subject=[0-9a-f-]{36}`).FindString(list)
	if audit := b.get(link).body; strings.Count(audit, `data-testid="change-`) != 1 || !strings.Contains(audit, "reprice.start") {
		t.Errorf("the audit at %q:\n%s", link, audit)
	}
	if a := b.send("/prices/reprice/new", form); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "nother re-price job is under way") {
		t.Errorf("a second one: status %d\n%s", a.status, a.body)
	}
}
