package console

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/usage"
)

// What a list of a page leaves behind is found where its link leads.
func TestALinkToFurtherCallsKeepsTheFilter(t *testing.T) {
	t.Parallel()
	for _, want := range []usage.Filter{
		{Outcome: "refused"},
		{
			Outcome: "indeterminate", From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), WorkspaceID: ident.New[ident.Workspace](), AgentID: ident.New[ident.Agent](),
			VirtualKeyID: ident.New[ident.VirtualKey](), Model: "gpt & co", EndUser: "u/1", LabelName: "team", LabelValue: "a=b",
		},
	} {
		request := httptest.NewRequest(http.MethodGet, "/usage?"+usageQuery(want, "cursor").Encode(), nil)
		got := usageFilter(&visit{Context: echo.New().NewContext(request, httptest.NewRecorder())})
		want.Before, want.Limit = "cursor", callsPage
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestAFailedAttemptSaysItsProvidersStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		one  usage.Event
		want string
	}{
		{usage.Event{Outcome: "upstream_failed", Code: "upstream_failed", HTTPStatus: 503}, "upstream_failed · 503"},
		{usage.Event{Outcome: "upstream_failed", Code: "upstream_cut", HTTPStatus: 200}, "upstream_cut"},
		{usage.Event{Outcome: "refused", Code: "budget_exhausted", Rule: "pilot", HTTPStatus: 402}, "budget_exhausted · pilot"},
		{usage.Event{Outcome: "ok", HTTPStatus: 200}, ""},
	} {
		if got := callRow(c.one).Why; got != c.want {
			t.Errorf("%+v: %q", c.one, got)
		}
	}
}
