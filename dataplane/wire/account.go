package wire

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"regexp"
)

// ServiceAccount is the key of an account that Google Cloud gives tokens for Vertex AI: what its key file says that a caller needs. It does
// not print.
type ServiceAccount struct {
	Type         string `json:"type"` // service_account
	ProjectID    string `json:"project_id,omitempty"`
	PrivateKeyID string `json:"private_key_id,omitempty"`
	PrivateKey   string `json:"private_key"`  // PEM
	ClientEmail  string `json:"client_email"` // the account's name
	TokenURI     string `json:"token_uri,omitempty"`
}

// GoogleTokenURI is where Google gives tokens. A key file can name it or its former address alone, and it is what is called either way: a
// file whose address is followed would have an edge call, and trust, whatever its author likes.
const GoogleTokenURI = "https://oauth2.googleapis.com/token" //nolint:gosec // an address

const (
	serviceAccountType = "service_account"
	formerTokenURI     = "https://accounts.google.com/o/oauth2/token" //nolint:gosec // an address
	rsaBitsMin         = 2048
)

var (
	emailForm   = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{2,62}@[a-z0-9][a-z0-9.-]{2,190}$`)
	keyIDForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{0,128}$`)
	projectForm = regexp.MustCompile(`^([a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{2,62}$|^[0-9]{4,20}$`)
)

// IsProject says whether a text is the id or the number of a project of Google Cloud's.
func IsProject(text string) bool { return projectForm.MatchString(text) }

// accountFile is a key file as Google writes it; what nobody needs is read and left out.
type accountFile struct {
	ServiceAccount
	ClientID       string `json:"client_id"`
	AuthURI        string `json:"auth_uri"`
	AuthCerts      string `json:"auth_provider_x509_cert_url"`
	ClientCerts    string `json:"client_x509_cert_url"`
	UniverseDomain string `json:"universe_domain"`
}

// ParseServiceAccount reads a ServiceAccount from its key file. An error names the field that is wrong and never repeats what it holds.
func ParseServiceAccount(text string) (*ServiceAccount, error) {
	file := accountFile{}
	if err := strictly(text, &file, "the fields of a service account's key file, as Google Cloud gives it"); err != nil {
		return nil, err
	}
	account := &file.ServiceAccount
	switch {
	case account.Type != serviceAccountType:
		return nil, errors.New("type must be service_account: paste the JSON key of a service account")
	case !emailForm.MatchString(account.ClientEmail):
		return nil, errors.New("client_email must be the address of a service account, such as name@project.iam.gserviceaccount.com")
	case account.ProjectID != "" && !IsProject(account.ProjectID):
		return nil, errors.New("project_id must be the id of a project")
	case !keyIDForm.MatchString(account.PrivateKeyID):
		return nil, errors.New("private_key_id must be the id of a key")
	case account.TokenURI != "" && account.TokenURI != GoogleTokenURI && account.TokenURI != formerTokenURI:
		return nil, errors.New("token_uri must be " + GoogleTokenURI + "; tokens are asked for nowhere else")
	case file.UniverseDomain != "" && file.UniverseDomain != "googleapis.com":
		return nil, errors.New("universe_domain must be googleapis.com")
	}
	if _, err := account.Signer(); err != nil {
		return nil, err
	}
	return account, nil
}

// Signer returns the account's private key.
func (a *ServiceAccount) Signer() (*rsa.PrivateKey, error) {
	wrong := errors.New("private_key must be an RSA key of at least 2048 bits in PEM, from -----BEGIN PRIVATE KEY----- on")
	block, _ := pem.Decode([]byte(a.PrivateKey))
	if block == nil {
		return nil, wrong
	}
	var parsed any
	var err error
	if block.Type == "RSA PRIVATE KEY" {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || key.N.BitLen() < rsaBitsMin {
		return nil, wrong
	}
	return key, nil
}

// Compact returns the text in one line, as it is sealed.
func (a *ServiceAccount) Compact() string { return compact(a) }

// String hides the key.
func (*ServiceAccount) String() string { return redacted }

// GoString hides the key.
func (*ServiceAccount) GoString() string { return redacted }

// LogValue hides the key from slog.
func (*ServiceAccount) LogValue() slog.Value { return slog.StringValue(redacted) }
