package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// FuzzCredentials: a credential reads back from the one line that is sealed, does not print, and an error does not repeat what it holds.
func FuzzCredentials(f *testing.F) {
	account, err := json.Marshal(keyFile(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(account))
	f.Add(`{"access_key_id":"AKIAIOSFODNN7EXAMPLE","secret_access_key":"wJalrXUtnFEMI/K7MDENG","role_arn":"arn:aws:iam::123456789012:role/bedrock","external_id":"a<b"}`)
	f.Add(`{"tenant_id":"contoso.com","client_id":"12345678-abcd","client_secret":"a&<b>c~8Q"} `)
	f.Add(`{"client_secret":["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, again := 0, []error{}
		if key, err := ParseAWSKey(text); err == nil {
			back, err := ParseAWSKey(key.Compact())
			check(t, text, key, key.Compact(), err != nil || *back != *key)
			parsed++
		} else {
			again = append(again, err)
		}
		if app, err := ParseEntraApp(text); err == nil {
			back, err := ParseEntraApp(app.Compact())
			check(t, text, app, app.Compact(), err != nil || *back != *app)
			parsed++
		} else {
			again = append(again, err)
		}
		if account, err := ParseServiceAccount(text); err == nil {
			back, err := ParseServiceAccount(account.Compact())
			check(t, text, account, account.Compact(), err != nil || *back != *account)
			parsed++
		} else {
			again = append(again, err)
		}
		if parsed > 1 {
			t.Errorf("%q is several credentials", text)
		}
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(` "{}[],:`, r) }) {
			if said := errors.Join(again...); said != nil && len(word) > 30 && strings.Contains(said.Error(), word) {
				t.Errorf("%q is repeated: %v", word, said)
			}
		}
	})
}

func check(t *testing.T, text string, object any, compact string, differs bool) {
	t.Helper()
	if differs || !IsCredentialObject(compact) || strings.Contains(compact, "\n") {
		t.Errorf("%q reads differently as %q", text, compact)
	}
	if printed := fmt.Sprintf("%v %+v %#v", object, object, object); strings.Trim(printed, " ") != redacted+" "+redacted+" "+redacted {
		t.Errorf("%q prints as %s", text, printed)
	}
}

// FuzzKeys: a text is well formed when a key of its parts is that text, and with one character changed no more.
func FuzzKeys(f *testing.F) {
	f.Add(KeyText("live", strings.Repeat("a", keyRandom)), uint8(9), byte('b'))
	f.Add("tg__"+strings.Repeat("0", keyBodyLength), uint8(0), byte(0))
	f.Add("tg_a_b_"+strings.Repeat("0", keyBodyLength), uint8(0), byte(0))
	f.Fuzz(func(t *testing.T, text string, at uint8, with byte) {
		if !KeyWellFormed(text) {
			return
		}
		env, body, _ := strings.Cut(text[len(KeyPrefix):], "_")
		if KeyText(env, body[:keyRandom]) != text {
			t.Errorf("%q is well formed, and no key has this text", text)
		}
		changed := []byte(text)
		if changed[int(at)%len(changed)] = with; string(changed) != text && KeyWellFormed(string(changed)) {
			t.Errorf("%q and %q are both well formed", text, changed)
		}
	})
}
