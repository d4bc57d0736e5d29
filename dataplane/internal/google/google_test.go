package google

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate.dev/dataplane/wire"
)

var noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// made is one key for all tests: making one takes a while.
var made = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func account(t *testing.T) *wire.ServiceAccount {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(made())
	if err != nil {
		t.Fatal(err)
	}
	return &wire.ServiceAccount{
		Type: "service_account", ClientEmail: "caller@project-1.iam.gserviceaccount.com", PrivateKeyID: "key-1",
		PrivateKey: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})), TokenURI: wire.GoogleTokenURI,
	}
}

// seen is a request for a token.
type seen struct {
	private bool
	address string
	form    url.Values
}

func answering(status int, body string, asked *[]seen) func(bool, *http.Request) (*http.Response, error) {
	return func(private bool, r *http.Request) (*http.Response, error) {
		raw, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(raw))
		*asked = append(*asked, seen{private, r.URL.String(), form})
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func TestAnAccountSignsForGoogleAndItsTokenIsKept(t *testing.T) {
	t.Parallel()
	var asked []seen
	accounts := NewAccounts(answering(200, `{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}`, &asked), func() time.Time { return noon })
	for range 3 {
		if token, err := accounts.Token(t.Context(), wire.ID{1}, account(t), nil); token != "ya29.x" || err != nil {
			t.Fatal(token, err)
		}
	}
	if len(asked) != 1 || asked[0].private || asked[0].address != "https://oauth2.googleapis.com/token" || asked[0].form.Get("grant_type") != grant {
		t.Fatalf("%+v", asked)
	}
	parts := strings.Split(asked[0].form.Get("assertion"), ".")
	if len(parts) != 3 {
		t.Fatal(parts)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	if err := rsa.VerifyPKCS1v15(&made().PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        int64
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	if err := json.Unmarshal(raw, &claims); err != nil || claims.Iss != "caller@project-1.iam.gserviceaccount.com" || claims.Aud != "https://oauth2.googleapis.com/token" ||
		claims.Scope != scope || claims.Iat > noon.Unix() || claims.Exp <= noon.Unix() || claims.Exp-claims.Iat > 3600 {
		t.Errorf("%s %v", raw, err)
	}
}

func TestWhatAKeyFileSaysOfAddressesIsNeverCalled(t *testing.T) {
	t.Parallel()
	inside := account(t)
	inside.TokenURI = "http://169.254.169.254/computeMetadata/v1/"
	var asked []seen
	accounts := NewAccounts(answering(200, `{"access_token":"x","expires_in":60}`, &asked), func() time.Time { return noon })
	_, _ = accounts.Token(t.Context(), wire.ID{1}, inside, nil)
	_, _ = accounts.Token(t.Context(), wire.ID{2}, inside, &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/vertex/token"})
	for _, each := range asked {
		claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(each.form.Get("assertion"), ".")[1])
		if !strings.Contains(string(claims), `"aud":"`+each.address+`"`) {
			t.Errorf("%s is asked with %s", each.address, claims)
		}
	}
	if len(asked) != 2 || asked[0].address != wire.GoogleTokenURI || asked[0].private || asked[1].address != "http://127.0.0.1:1/vertex/token" || !asked[1].private {
		t.Errorf("%+v", asked)
	}
}

func TestWhatGoogleRefusesIsAnErrorWithoutTheKey(t *testing.T) {
	t.Parallel()
	for body, status := range map[string]int{
		`{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`: 400, `garbage`: 200, `{"access_token":"x"}`: 200,
		`{"access_token":"x","expires_in":99999999}`: 200, `{"access_token":"a\r\nX-Evil: 1","expires_in":60}`: 200,
	} {
		var asked []seen
		accounts := NewAccounts(answering(status, body, &asked), func() time.Time { return noon })
		if token, err := accounts.Token(t.Context(), wire.ID{1}, account(t), nil); err == nil || token != "" || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%d %s: %v", status, body, err)
		}
	}
	none := account(t)
	none.PrivateKey = "no key"
	if _, err := NewAccounts(nil, func() time.Time { return noon }).Token(t.Context(), wire.ID{1}, none, nil); err == nil {
		t.Error("an account without a key has got a token")
	}
}
