// Package provider keeps the model providers of an organization and the credentials with which the edges call them.
// It refuses to show a credential to anyone but publish, and to call a provider.
package provider

import (
	"net/url"
	"strings"
	"time"
	"unicode"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/input"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/dataplane/wire"
)

// Provider is where models are called.
type Provider struct {
	ID             ident.Provider `json:"id"`
	Name           string         `json:"name"` // a slug, unique among the organization's providers that are not archived
	Kind           Kind           `json:"kind"`
	BaseURL        string         `json:"base_url"` // scheme, host, optional port and path prefix; no trailing slash; without the API version
	Catalog        string         `json:"catalog"`  // its name in the price catalog
	PrivateNetwork bool           `json:"private_network"`
	MaxConcurrency int            `json:"max_concurrency"` // calls at a time over all edges; 0: no limit
	QueueLength    int            `json:"queue_length"`    // calls that may wait for a place, on each edge
	QueueWaitMS    int            `json:"queue_wait_ms"`   // how long one may wait
	Region         string         `json:"region"`          // of Bedrock and Vertex AI
	Project        string         `json:"project"`         // of Vertex AI: whose it is at Google Cloud
	APIVersion     string         `json:"api_version"`     // of Azure OpenAI; empty: its API without dates
	Compatible     bool           `json:"compatible"`      // it knows the common part of OpenAI's format alone
	ChatOnly       bool           `json:"chat_only"`       // it speaks as OpenAI does and has no Responses: those are translated to Chat Completions
	Credentials    []Credential   `json:"credentials"`     // those in use
	CreatedAt      time.Time      `json:"created_at"`
	ArchivedAt     *time.Time     `json:"archived_at,omitempty"`
}

// Credential is what is shown of a provider's key.
type Credential struct {
	ID        ident.Credential `json:"id"`
	Name      string           `json:"name"`
	Identity  string           `json:"identity"` // who calls by it, where it says so: a service account's address, an access key's id, an application's; no secret
	CreatedAt time.Time        `json:"created_at"`
	RetiredAt *time.Time       `json:"retired_at,omitempty"`
}

// Opened is a credential with its secret.
type Opened struct {
	ID         ident.Credential
	ProviderID ident.Provider
	Secret     seal.Secret
}

// Input is what a caller sets. An empty Catalog is the Kind's own; of Vertex AI, an empty BaseURL is the Region's and an empty Project the
// Credential's. Kind and Credential count at creation only.
type Input struct {
	Name           string      `json:"name"`
	Kind           Kind        `json:"kind"`
	BaseURL        string      `json:"base_url"`
	Catalog        string      `json:"catalog"`
	PrivateNetwork bool        `json:"private_network"`
	MaxConcurrency int         `json:"max_concurrency"`
	QueueLength    int         `json:"queue_length"`
	QueueWaitMS    int         `json:"queue_wait_ms"`
	Region         string      `json:"region"`
	Project        string      `json:"project"`
	APIVersion     string      `json:"api_version"`
	Compatible     *bool       `json:"compatible"`          // left out: whether its catalog is another than OpenAI's own
	ChatOnly       bool        `json:"chat_only"`           // it speaks as OpenAI does and has no Responses: those are translated to Chat Completions
	Credential     seal.Secret `json:"credential,omitzero"` // the first credential; none: added later
}

// CredentialInput is a further credential.
type CredentialInput struct {
	Name   string      `json:"name"`
	Secret seal.Secret `json:"secret"`
}

const (
	credentialNameMax = 80
	catalogMax        = 80
	urlBytesMax       = 2000
	secretBytesMax    = 8192
	firstCredential   = "default"
	maxConcurrencyMax = 1_000_000
	queueLengthMax    = 100_000
	queueWaitMSMax    = 600_000
)

// clean trims the input, fills in the catalog and says what is wrong.
func (in Input) clean() (Input, error) {
	var wrong fault.Fields
	in.Name = input.Slug(&wrong, "name", in.Name)
	if !in.Credential.IsZero() {
		in.Credential = cleanSecret(&wrong, "credential", in.Kind, in.Credential)
	}
	in.locate()
	in.BaseURL = cleanURL(&wrong, in.BaseURL, in.PrivateNetwork)
	in.cleanKind(&wrong)
	if in.Catalog != "" {
		in.Catalog = input.Name(&wrong, "catalog", in.Catalog, catalogMax)
	}
	in.cleanQueue(&wrong)
	return in, wrong.Err()
}

// cleanQueue refuses a queue that nobody would ever leave or enter.
func (in *Input) cleanQueue(wrong *fault.Fields) {
	if in.MaxConcurrency < 0 || in.MaxConcurrency > maxConcurrencyMax {
		wrong.Add("max_concurrency", "enter a number between 1 and %d, or 0 for no limit", maxConcurrencyMax)
	}
	if in.QueueLength < 0 || in.QueueLength > queueLengthMax {
		wrong.Add("queue_length", "enter a number between 0 and %d", queueLengthMax)
	} else if in.QueueLength > 0 && in.MaxConcurrency == 0 {
		wrong.Add("queue_length", "nobody waits where there is no limit; set max_concurrency too, or 0 here")
	}
	if in.QueueWaitMS < 0 || in.QueueWaitMS > queueWaitMSMax {
		wrong.Add("queue_wait_ms", "enter a number of milliseconds between 0 and %d", queueWaitMSMax)
	} else if in.QueueLength > 0 && in.QueueWaitMS == 0 {
		wrong.Add("queue_wait_ms", "say how long a call may wait, for example 30000")
	}
}

// clean trims the input and says what is wrong with it at a kind of provider.
func (in CredentialInput) clean(kind Kind) (CredentialInput, error) {
	var wrong fault.Fields
	in.Name = input.Name(&wrong, "name", in.Name, credentialNameMax)
	in.Secret = cleanSecret(&wrong, "secret", kind, in.Secret)
	return in, wrong.Err()
}

// cleanURL brings the base URL into the form that the edges expect. Its messages never repeat the text: people paste secrets.
func cleanURL(wrong *fault.Fields, text string, private bool) string {
	const field = "base_url"
	text = strings.TrimSpace(text)
	parsed, err := url.Parse(text)
	switch {
	case text == "" || err != nil || len(text) > urlBytesMax || parsed.Hostname() == "" || parsed.Opaque != "":
		wrong.Add(field, "enter an address such as https://api.openai.com")
		return text
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		wrong.Add(field, "begin it with https://")
	case parsed.Scheme == "http" && !private:
		wrong.Add(field, "use https://, or mark the provider as being on a private network")
	case parsed.User != nil:
		wrong.Add(field, "leave out the user name and password; put the secret into the credential")
	case parsed.RawQuery != "" || parsed.ForceQuery || strings.Contains(text, "#"):
		wrong.Add(field, "leave out everything from ? or # on")
	case strings.Contains(parsed.EscapedPath(), ".."):
		wrong.Add(field, "leave out .. in the path")
	}
	parsed.Scheme, parsed.Host = strings.ToLower(parsed.Scheme), strings.ToLower(parsed.Host)
	return strings.TrimRight(parsed.String(), "/")
}

// cleanSecret trims what pasting adds and refuses what cannot stand in a header.
func cleanSecret(wrong *fault.Fields, field string, kind Kind, secret seal.Secret) seal.Secret {
	text := strings.TrimSpace(secret.Reveal())
	if wire.IsCredentialObject(text) && len(text) <= secretBytesMax {
		return cleanObject(wrong, field, kind, text)
	}
	switch {
	case kind == Vertex:
		wrong.Add(field, "paste the JSON key of a service account, with its braces")
	case text == "":
		wrong.Add(field, "paste the provider's API key")
	case len(text) > secretBytesMax:
		wrong.Add(field, "is longer than %d characters; paste the key alone", secretBytesMax)
	case strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) || r == ' ' }):
		wrong.Add(field, "contains spaces, line breaks or letters that no key has; paste the key alone")
	}
	return seal.NewSecret(text)
}
