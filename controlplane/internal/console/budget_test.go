package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestManyBudgetsAreShownInPagesAndFound(t *testing.T) {
	t.Parallel()
	b := open(t)
	b.signIn(ownerEmail)
	for i := range 53 {
		in := url.Values{"name": {fmt.Sprintf("Team %02d", i)}, "target": {"org"}, "limit_usd": {"12.50"}, "period": {"month"}, "time_zone": {"UTC"}, "mode": {"hard"}}
		if got := b.send("/budgets/new", in); got.status != http.StatusSeeOther {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	for path, want := range map[string]struct {
		rows      int
		has, lack string
	}{
		"/budgets":                       {50, "1–50 of 53", "previous-page"},
		"/budgets?page=2":                {3, "51–53 of 53", "next-page"},
		"/budgets?page=99":               {3, "51–53 of 53", "next-page"},
		"/budgets?page=x":                {50, "1–50 of 53", "previous-page"},
		"/budgets?search=team":           {50, "/budgets?page=2&amp;search=team", "previous-page"},
		"/budgets?search=TEAM+5":         {3, "3 of 53", "next-page"},
		"/budgets?search=nothing&page=2": {0, "No budget has this", "next-page"},
	} {
		got := b.get(path)
		if rows := strings.Count(got.body, `data-testid="budget-`); got.status != http.StatusOK || rows != want.rows || !strings.Contains(got.body, want.has) || strings.Contains(got.body, want.lack) {
			t.Errorf("%s: %d with %d rows, %q %v, %q %v", path, got.status, rows, want.has, strings.Contains(got.body, want.has), want.lack, strings.Contains(got.body, want.lack))
		}
	}
}
