package wire

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"
)

func pemOf(t testing.TB, key any) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// keyFile is a key file as Google Cloud gives it.
func keyFile(t testing.TB) map[string]string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"type": "service_account", "project_id": "project-1", "private_key_id": "0123456789abcdef", "private_key": pemOf(t, key),
		"client_email": "caller@project-1.iam.gserviceaccount.com", "client_id": "1234567890", "auth_uri": "https://accounts.google.com/o/oauth2/auth",
		"token_uri": "https://oauth2.googleapis.com/token", "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
		"client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/caller", "universe_domain": "googleapis.com",
	}
}

func TestAServiceAccountIsReadFromItsKeyFileAndNamesNoAddressOfItsOwn(t *testing.T) {
	t.Parallel()
	good := keyFile(t)
	with := func(field, value string) string {
		changed := maps.Clone(good)
		changed[field] = value
		raw, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	account, err := ParseServiceAccount(with("type", "service_account"))
	if err != nil || account.ClientEmail != good["client_email"] || account.ProjectID != "project-1" {
		t.Fatal(err)
	}
	if again, err := ParseServiceAccount(account.Compact()); err != nil || *again != *account || strings.Contains(account.Compact(), "x509") {
		t.Errorf("what is sealed reads differently: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", account, account, account, account); strings.Contains(text, "PRIVATE") {
		t.Errorf("it prints: %s", text)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // to be refused
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][2]string{
		{"type", "authorized_user"},
		{"type", "external_account"},
		{"client_email", ""},
		{"client_email", "a b@c"},
		{"project_id", "../x"},
		{"private_key_id", "a\r\nb"},
		{"token_uri", "http://oauth2.googleapis.com/token"},
		{"token_uri", "https://oauth2.googleapis.com.evil.example/token"},
		{"token_uri", "https://oauth2.googleapis.com@evil.example/token"},
		{"token_uri", "http://169.254.169.254/token"},
		{"token_uri", "http://127.0.0.1:8420/vertex/token"},
		{"universe_domain", "evil.example"},
		{"private_key", ""},
		{"private_key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
		{"private_key", pemOf(t, weak)},
		{"private_key", pemOf(t, curve)},
	} {
		if _, err := ParseServiceAccount(with(wrong[0], wrong[1])); err == nil || !strings.Contains(err.Error(), wrong[0]) || wrong[1] != "" && len(wrong[1]) > 12 && strings.Contains(err.Error(), wrong[1]) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := ParseServiceAccount(with("refresh_token", "x")); err == nil || !strings.Contains(err.Error(), "not known") {
		t.Errorf("%v", err)
	}
}
