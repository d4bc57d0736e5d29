package wire

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnAWSKeyIsReadStrictlyAndErrorsNameTheField(t *testing.T) {
	t.Parallel()
	const id, secret = `"access_key_id":"AKIAIOSFODNN7EXAMPLE"`, `"secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"`
	key, err := ParseAWSKey("{" + id + "," + secret + `,"session_token":"a","role_arn":"arn:aws:iam::123456789012:role/p/x","external_id":"e1"} `)
	if err != nil || key.RoleARN == "" || key.ExternalID != "e1" || key.SessionToken != "a" {
		t.Fatalf("%v", err)
	}
	again, err := ParseAWSKey(key.Compact())
	if err != nil || *again != *key {
		t.Errorf("what is sealed reads differently: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(text, "wJalr") {
		t.Errorf("it prints: %s", text)
	}
	for text, field := range map[string]string{
		`{}`: "access_key_id", `{` + id + `}`: "secret_access_key", `{` + id + `,` + secret + `,"role_arn":"x"}`: "role_arn",
		`{` + id + `,` + secret + `,"external_id":"abc"}`: "need a role_arn", `{` + id + `,` + secret + `,"session_token":7}`: "session_token",
		`{` + id + `,` + secret + `,"sesion_token":"x"}`: "not known", `{` + id + `,` + secret + `} {}`: "something after", `{"a`: "JSON",
		`{` + id + `,` + secret + `,"role_arn":"arn:aws:iam::123456789012:role/x","external_id":"a b"}`:       "external_id",
		`{` + id + `,` + secret + `,"role_arn":"arn:aws:iam::123456789012:role/x","role_session_name":"a b"}`: "role_session_name",
	} {
		if _, err := ParseAWSKey(text); err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "wJalr") {
			t.Errorf("%s: %v, want %s", text, err, field)
		}
	}
}

func TestAnEntraAppIsReadStrictlyAndErrorsNameTheField(t *testing.T) {
	t.Parallel()
	app, err := ParseEntraApp(`{"tenant_id":"contoso.onmicrosoft.com","client_id":"11111111-2222-3333-4444-555555555555","client_secret":"a<b>c~"}`)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseEntraApp(app.Compact()); err != nil || *again != *app {
		t.Errorf("what is sealed reads differently: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", app, app, app); strings.Contains(text, "a<b>") {
		t.Errorf("it prints: %s", text)
	}
	for text, field := range map[string]string{
		`{}`: "tenant_id", `{"tenant_id":"../x"}`: "tenant_id", `{"tenant_id":"abc"}`: "client_id", `{"tenant_id":"abc","client_id":"11111111"}`: "client_secret",
	} {
		if _, err := ParseEntraApp(text); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v, want %s", text, err, field)
		}
	}
}
