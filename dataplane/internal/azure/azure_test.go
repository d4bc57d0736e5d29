package azure

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func answering(status int, body string, asked *[]string) func(bool, *http.Request) (*http.Response, error) {
	return func(private bool, r *http.Request) (*http.Response, error) {
		form, _ := io.ReadAll(r.Body)
		*asked = append(*asked, fmt.Sprint(private, " ", r.URL, " ", string(form)))
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func TestAnApplicationGetsItsTokenFromItsOwnCloud(t *testing.T) {
	t.Parallel()
	app := &wire.EntraApp{TenantID: "contoso.com", ClientID: "client-1", ClientSecret: "s&c"}
	var asked []string
	apps := NewApps(answering(200, `{"token_type":"Bearer","expires_in":3599,"access_token":"ey"}`, &asked), func() time.Time { return noon })
	for range 2 {
		if token, err := apps.Token(t.Context(), wire.ID{1}, app, "r.openai.azure.com", nil); token != "ey" || err != nil {
			t.Fatal(token, err)
		}
	}
	want := "false https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token client_id=client-1&client_secret=s%26c&grant_type=client_credentials&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
	if len(asked) != 1 || asked[0] != want {
		t.Errorf("%q", asked)
	}
	_, _ = apps.Token(t.Context(), wire.ID{2}, app, "r.openai.azure.us", nil)
	_, _ = apps.Token(t.Context(), wire.ID{3}, app, "127.0.0.1", &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/entra"})
	if !strings.Contains(asked[1], "login.microsoftonline.us") || !strings.HasPrefix(asked[2], "true http://127.0.0.1:1/entra/contoso.com/oauth2/v2.0/token ") {
		t.Errorf("%q", asked)
	}
}

func TestWhatEntraRefusesIsAnError(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{`{"error":"invalid_client"}`: 401, `garbage`: 200, `{"access_token":"x"}`: 200, `{"access_token":"x","expires_in":99999999}`: 200, `{"access_token":"a\r\nX-Evil: 1","expires_in":60}`: 200} {
		var asked []string
		apps := NewApps(answering(status, body, &asked), func() time.Time { return noon })
		if token, err := apps.Token(t.Context(), wire.ID{1}, &wire.EntraApp{TenantID: "t"}, "h", nil); err == nil || token != "" {
			t.Errorf("%d %s: %v", status, body, err)
		}
	}
}
