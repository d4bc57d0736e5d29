package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// A provider's credential is one text. Of most kinds it is an API key, which is sent as it is. What begins with a brace is a JSON object:
// AWSKey for Bedrock, EntraApp for Azure OpenAI, ServiceAccount for Vertex AI.

// IsCredentialObject says whether the text of a credential is an object rather than an API key.
func IsCredentialObject(text string) bool { return strings.HasPrefix(text, "{") }

// AWSKey signs requests to Bedrock, in its own name or in that of a role. It does not print.
type AWSKey struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token,omitempty"`     // of a temporary key
	RoleARN         string `json:"role_arn,omitempty"`          // to be assumed
	ExternalID      string `json:"external_id,omitempty"`       // which the role's trust policy asks for
	RoleSessionName string `json:"role_session_name,omitempty"` // in the account's logs; empty: tollgate
}

// EntraApp is an application that Microsoft Entra ID gives tokens for Azure OpenAI. It does not print.
type EntraApp struct {
	TenantID     string `json:"tenant_id"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

var (
	awsKeyIDForm   = regexp.MustCompile(`^[A-Z0-9]{16,128}$`)
	awsSecretForm  = regexp.MustCompile(`^[!-~]{16,256}$`)
	awsTokenForm   = regexp.MustCompile(`^[!-~]*$`)
	roleForm       = regexp.MustCompile(`^(arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]{1,512})?$`)
	externalIDForm = regexp.MustCompile(`^([A-Za-z0-9_+=,.@:/-]{2,1000})?$`)
	sessionForm    = regexp.MustCompile(`^([A-Za-z0-9_+=,.@-]{2,64})?$`)
	tenantForm     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{2,127}$`)
	clientForm     = regexp.MustCompile(`^[A-Za-z0-9-]{8,64}$`)
	printableForm  = regexp.MustCompile(`^[!-~]+$`)
)

// ParseAWSKey reads an AWSKey. An error names the field that is wrong and never repeats what it holds.
func ParseAWSKey(text string) (*AWSKey, error) {
	key := &AWSKey{}
	if err := strictly(text, key, "access_key_id, secret_access_key, session_token, role_arn, external_id and role_session_name"); err != nil {
		return nil, err
	}
	switch {
	case !awsKeyIDForm.MatchString(key.AccessKeyID):
		return nil, errors.New("access_key_id must be the id of an access key, such as AKIAIOSFODNN7EXAMPLE")
	case !awsSecretForm.MatchString(key.SecretAccessKey):
		return nil, errors.New("secret_access_key must be the secret of the access key, without spaces")
	case !awsTokenForm.MatchString(key.SessionToken):
		return nil, errors.New("session_token must be a session token, without spaces")
	case !roleForm.MatchString(key.RoleARN):
		return nil, errors.New("role_arn must be the ARN of a role, such as arn:aws:iam::123456789012:role/bedrock")
	case !externalIDForm.MatchString(key.ExternalID):
		return nil, errors.New("external_id has 2 to 1000 letters, digits and +=,.@:/- alone")
	case !sessionForm.MatchString(key.RoleSessionName):
		return nil, errors.New("role_session_name has 2 to 64 letters, digits and +=,.@- alone")
	case key.RoleARN == "" && key.ExternalID+key.RoleSessionName != "":
		return nil, errors.New("external_id and role_session_name need a role_arn")
	}
	return key, nil
}

// ParseEntraApp reads an EntraApp. An error names the field that is wrong and never repeats what it holds.
func ParseEntraApp(text string) (*EntraApp, error) {
	app := &EntraApp{}
	if err := strictly(text, app, "tenant_id, client_id and client_secret"); err != nil {
		return nil, err
	}
	switch {
	case !tenantForm.MatchString(app.TenantID):
		return nil, errors.New("tenant_id must be the id or the domain of a directory")
	case !clientForm.MatchString(app.ClientID):
		return nil, errors.New("client_id must be the id of an application")
	case !printableForm.MatchString(app.ClientSecret):
		return nil, errors.New("client_secret must be a secret of the application, without spaces")
	}
	return app, nil
}

// strictly decodes an object that has no other fields than those.
func strictly(text string, into any, fields string) error {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var wrong *json.UnmarshalTypeError
	err := decoder.Decode(into)
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Errorf("%s must be a string", wrong.Field)
	case err != nil && strings.Contains(err.Error(), "unknown field"):
		return fmt.Errorf("has a field that is not known; it takes %s", fields)
	case err != nil:
		return errors.New("is not a JSON object")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("has something after the JSON object")
	}
	return nil
}

// Compact returns the text in one line, as it is sealed.
func (k *AWSKey) Compact() string { return compact(k) }

// Compact returns the text in one line, as it is sealed.
func (a *EntraApp) Compact() string { return compact(a) }

func compact(object any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(object) != nil { //nolint:errchkjson // strings alone: cannot happen
		return ""
	}
	return strings.TrimSpace(out.String())
}

const redacted = "[redacted]"

// String hides the key.
func (*AWSKey) String() string { return redacted }

// GoString hides the key.
func (*AWSKey) GoString() string { return redacted }

// LogValue hides the key from slog.
func (*AWSKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// String hides the secret.
func (*EntraApp) String() string { return redacted }

// GoString hides the secret.
func (*EntraApp) GoString() string { return redacted }

// LogValue hides the secret from slog.
func (*EntraApp) LogValue() slog.Value { return slog.StringValue(redacted) }
