package simulator

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"time"
)

// accounts stand in for Google's IAM and OAuth: they issue one service account's key, and give tokens to who signs with it
// (https://developers.google.com/identity/protocols/oauth2/service-account).
type accounts struct {
	now func() time.Time

	made   sync.Once
	key    *rsa.PrivateKey
	mu     sync.Mutex
	tokens map[string]time.Time // until when each holds
}

const (
	accountEmail = "caller@simulated-project.iam.gserviceaccount.com"
	accountKeyID = "simulators-key-1"
	accountScope = "https://www.googleapis.com/auth/cloud-platform"
	grantByJWT   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	tokenFor     = time.Hour
	keyBits      = 2048
)

// signer is made when it is first asked for: that takes a while.
func (a *accounts) signer() *rsa.PrivateKey {
	a.made.Do(func() {
		a.key, _ = rsa.GenerateKey(rand.Reader, keyBits) // fails only where there is no randomness
		a.tokens = map[string]time.Time{}
	})
	return a.key
}

// issue gives the key file of the one account. Who may read the simulator's address may call it.
func (a *accounts) issue(w http.ResponseWriter, _ *http.Request) {
	raw, err := x509.MarshalPKCS8PrivateKey(a.signer())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{
		"type": "service_account", "project_id": "simulated-project", "private_key_id": accountKeyID, "client_email": accountEmail, "client_id": "100000000000000000000",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})),
		"auth_uri":    "https://accounts.google.com/o/oauth2/auth", "token_uri": "https://oauth2.googleapis.com/token", "universe_domain": "googleapis.com",
	})
}

// give exchanges an assertion for a token.
func (a *accounts) give(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyBytesMax)
	if r.PostFormValue("grant_type") != grantByJWT {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type", "error_description": "Invalid grant_type: " + r.PostFormValue("grant_type")})
		return
	}
	if problem := a.wrong(r.PostFormValue("assertion"), "http://"+r.Host+r.URL.Path); problem != "" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": problem})
		return
	}
	token := "ya29.simulated-" + rand.Text()
	a.mu.Lock()
	a.tokens[token] = a.now().Add(tokenFor)
	a.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"access_token": token, "expires_in": int(tokenFor.Seconds()) - 1, "token_type": "Bearer"})
}

// wrong says what is wrong with an assertion for an audience; empty: nothing.
func (a *accounts) wrong(assertion, audience string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return "Invalid JWT: it has not three parts."
	}
	var head struct{ Alg, Kid string }
	var claims struct {
		Iss, Aud, Scope string
		Iat, Exp        int64
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	now := a.now().Unix()
	switch {
	case err != nil || !decodePart(parts[0], &head) || !decodePart(parts[1], &claims):
		return "Invalid JWT: it cannot be read."
	case head.Alg != "RS256" || head.Kid != accountKeyID || claims.Iss != accountEmail:
		return "Invalid grant: account not found"
	case rsa.VerifyPKCS1v15(&a.signer().PublicKey, crypto.SHA256, sum[:], signature) != nil:
		return "Invalid JWT Signature."
	case claims.Aud != audience || claims.Scope != accountScope:
		return "Invalid JWT: audience or scope is wrong."
	case claims.Iat > now || claims.Exp <= now || claims.Exp-claims.Iat > int64(tokenFor.Seconds()):
		return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
	}
	return ""
}

func decodePart(part string, into any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(raw, into) == nil
}

// refused says why a request is not admitted; empty: it is.
func (a *accounts) refused(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a.mu.Lock()
	defer a.mu.Unlock()
	if until, known := a.tokens[token]; !known || !a.now().Before(until) {
		return "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
	}
	if keyRefused(r.PathValue("project")) {
		return "Permission 'aiplatform.endpoints.predict' denied on resource."
	}
	return ""
}
