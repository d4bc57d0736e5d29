// Package google gets the tokens with which a service account calls Vertex AI, from Google's OAuth.
// It refuses to ask where a key file says: the address is Google's own, or the stand-in's of a provider on a private network.
package google

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate.dev/dataplane/internal/token"
	"tollgate.dev/dataplane/wire"
)

const (
	scope        = "https://www.googleapis.com/auth/cloud-platform"
	grant        = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	assertionFor = 10 * time.Minute
	skew         = 10 * time.Second // by which our clock may be ahead
	tokenMost    = 24 * time.Hour   // that a token is believed to hold
)

// Accounts get tokens for service accounts. Make one with NewAccounts.
type Accounts struct {
	do    func(private bool, request *http.Request) (*http.Response, error)
	now   func() time.Time
	cache *token.Cache[asked, string]
}

// asked is a token that a credential was given somewhere.
type asked struct {
	credential wire.ID
	host       string
}

// NewAccounts returns Accounts that call by do, which opens connections as the edge's provider connections are opened.
func NewAccounts(do func(private bool, request *http.Request) (*http.Response, error), now func() time.Time) *Accounts {
	return &Accounts{do: do, now: now, cache: token.New[asked, string](now)}
}

// Token returns an access token for the account of a credential. The endpoint stands in for Google's on a private network; nil: Google's own.
func (a *Accounts) Token(ctx context.Context, credential wire.ID, account *wire.ServiceAccount, endpoint *url.URL) (string, error) {
	address, host := wire.GoogleTokenURI, ""
	if endpoint != nil {
		address, host = endpoint.String(), endpoint.Host
	}
	return a.cache.Get(ctx, asked{credential, host}, func(ctx context.Context) (string, time.Time, error) {
		return a.ask(ctx, account, address, endpoint != nil)
	})
}

// ask exchanges what the account signs for a token (https://developers.google.com/identity/protocols/oauth2/service-account).
func (a *Accounts) ask(ctx context.Context, account *wire.ServiceAccount, address string, private bool) (string, time.Time, error) {
	asked := a.now()
	assertion, err := assert(account, address, asked)
	if err != nil {
		return "", time.Time{}, err
	}
	form := url.Values{"grant_type": {grant}, "assertion": {assertion}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("make a request to Google: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := a.do(private, request) //nolint:bodyclose // Read closes it
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask Google for a token: %w", err)
	}
	text, holds, err := token.Read(response, tokenMost)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("ask Google for a token: %w", err)
	}
	return text, asked.Add(holds), nil
}

// assert returns a JWT in which the account says who it is and what it wants, signed with RS256 (RFC 7515, RFC 7523). It is meant for who is
// asked alone: what a stand-in gets is of no use at Google.
func assert(account *wire.ServiceAccount, audience string, at time.Time) (string, error) {
	key, err := account.Signer()
	if err != nil {
		return "", err
	}
	head, err := part(map[string]string{"alg": "RS256", "typ": "JWT", "kid": account.PrivateKeyID})
	if err != nil {
		return "", err
	}
	claims, err := part(map[string]any{
		"iss": account.ClientEmail, "scope": scope, "aud": audience, "iat": at.Add(-skew).Unix(), "exp": at.Add(assertionFor).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := head + "." + claims
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign for a token: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func part(of any) (string, error) {
	raw, err := json.Marshal(of)
	return base64.RawURLEncoding.EncodeToString(raw), err
}
