// Package azure gets the tokens with which an application calls Azure OpenAI, from Microsoft Entra ID.
// It refuses to find credentials in the machine's surroundings: the application is one that an organization has given to its provider.
package azure

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/token"
	"tollgate.dev/dataplane/wire"
)

const tokenMost = 7 * 24 * time.Hour // that a token is believed to hold

// Apps get tokens for applications. Make one with NewApps.
type Apps struct {
	do    func(private bool, request *http.Request) (*http.Response, error)
	now   func() time.Time
	cache *token.Cache[asked, string]
}

// asked is a token that a credential was given somewhere.
type asked struct {
	credential wire.ID
	authority  string
}

// NewApps returns Apps that call by do, which opens connections as the edge's provider connections are opened.
func NewApps(do func(private bool, request *http.Request) (*http.Response, error), now func() time.Time) *Apps {
	return &Apps{do: do, now: now, cache: token.New[asked, string](now)}
}

// Token returns an access token for the application of a credential, to call a host of Azure OpenAI. The endpoint stands in for Entra on
// a private network; nil: Microsoft's own.
func (a *Apps) Token(ctx context.Context, credential wire.ID, app *wire.EntraApp, host string, endpoint *url.URL) (string, error) {
	private := endpoint != nil
	cloud := cloudOf(host)
	if !private {
		endpoint = &url.URL{Scheme: "https", Host: cloud.authority}
	}
	return a.cache.Get(ctx, asked{credential, endpoint.Host}, func(ctx context.Context) (string, time.Time, error) {
		return a.ask(ctx, app, cloud.scope, endpoint.JoinPath(app.TenantID, "oauth2", "v2.0", "token"), private)
	})
}

// cloud is one of Microsoft's clouds: who gives tokens in it, and for what.
type cloud struct{ authority, scope string }

// cloudOf returns the cloud of a host (https://learn.microsoft.com/en-us/entra/identity-platform/authentication-national-cloud).
func cloudOf(host string) cloud {
	switch {
	case strings.HasSuffix(host, ".azure.us"):
		return cloud{"login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"}
	case strings.HasSuffix(host, ".azure.cn"):
		return cloud{"login.partner.microsoftonline.cn", "https://cognitiveservices.azure.cn/.default"}
	default:
		return cloud{"login.microsoftonline.com", "https://cognitiveservices.azure.com/.default"}
	}
}

// ask asks for a token with the application's own secret
// (https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
func (a *Apps) ask(ctx context.Context, app *wire.EntraApp, scope string, endpoint *url.URL, private bool) (string, time.Time, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {app.ClientID}, "client_secret": {app.ClientSecret}, "scope": {scope}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make a request to Entra: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	asked := a.now()
	response, err := a.do(private, request) //nolint:bodyclose // Read closes it
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask Entra: %w", err)
	}
	text, holds, err := token.Read(response, tokenMost)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask Entra for a token: %w", err)
	}
	return text, asked.Add(holds), nil
}
