package state

import (
	"net/url"
	"strings"
	"time"

	"tollgate.dev/dataplane/wire"
)

// Provider is an account at a model provider.
type Provider struct {
	ID             wire.ID
	Name           string
	Kind           wire.ProviderKind
	BaseURL        *url.URL // no trailing slash, no query
	Credentials    []Credential
	PrivateNetwork bool   // its address may be loopback or private
	Catalog        string // its name in the price catalog
	MaxConcurrency int    // calls at a time over all edges; 0: no limit
	QueueLength    int    // calls that may wait on this edge
	QueueWait      time.Duration
	Breaker        Breaker // of each of its models
	Region         string  // of Bedrock and Vertex AI
	Project        string  // of Vertex AI
	APIVersion     string  // of Azure OpenAI; empty: its API without dates
	Compatible     bool    // of the kind OpenAI: not OpenAI itself, so that what it has in common with others is all that is asked of it
	ChatOnly       bool    // of the kind OpenAI: it has Chat Completions, but no Responses
}

// Credential is one secret of a provider, opened: an API key, or what is exchanged for the right to call.
type Credential struct {
	ID     wire.ID
	Secret Secret               // of an API key
	AWS    *wire.AWSKey         // nil: none
	Entra  *wire.EntraApp       // nil: none
	Google *wire.ServiceAccount // nil: none
}

// IsGoogles says whether the provider is called at a host of Google Cloud's own.
func (p *Provider) IsGoogles() bool {
	return strings.HasSuffix(p.BaseURL.Hostname(), ".googleapis.com")
}

func (c *compiler) provider(in *wire.Provider) {
	out := &Provider{
		ID: c.id("id", in.GetId()), Name: c.text("name", in.GetName()), Kind: in.GetKind(),
		Catalog: in.GetCatalog(), PrivateNetwork: in.GetPrivateNetwork(), BaseURL: c.baseURL(in.GetBaseUrl()),
		MaxConcurrency: int(in.GetMaxConcurrency()), QueueLength: int(in.GetQueueLength()), QueueWait: time.Duration(in.GetQueueWaitMs()) * time.Millisecond,
		Region: in.GetRegion(), Project: in.GetProject(), APIVersion: in.GetApiVersion(), Compatible: in.GetCompatible(), ChatOnly: in.GetChatOnly(),
	}
	out.Breaker = usualBreaker()
	switch out.Kind {
	case wire.ProviderKind_PROVIDER_KIND_BEDROCK:
		c.text("region", out.Region)
	case wire.ProviderKind_PROVIDER_KIND_VERTEX:
		c.vertex(out)
	}
	if _, known := wire.ProviderKind_name[int32(out.Kind)]; !known || out.Kind == wire.ProviderKind_PROVIDER_KIND_UNSPECIFIED {
		c.fail("kind", "the kind %d is not known here", in.GetKind())
	}
	for i, credential := range in.GetCredentials() {
		out.Credentials = append(out.Credentials, c.credential(i, out, credential))
	}
	c.unique("id", "provider "+string(out.ID[:]))
	c.unique("name", "provider name "+out.Name)
	c.base.providers[out.ID] = out
}

func (c *compiler) credential(i int, provider *Provider, in *wire.Credential) Credential {
	id := c.id(indexed("credentials", i, "id"), in.GetId())
	plain, err := c.credentials.Open(nil, nil, in.GetSealed(), wire.CredentialData(c.orgID, provider.ID, id))
	if err != nil {
		c.fail(indexed("credentials", i, "sealed"), "the credential does not open with this fleet's key")
	}
	if len(plain) == 0 {
		c.fail(indexed("credentials", i, "sealed"), "the credential is empty")
	}
	made := Credential{ID: id, Secret: NewSecret(string(plain))}
	if wire.IsCredentialObject(string(plain)) {
		switch provider.Kind {
		case wire.ProviderKind_PROVIDER_KIND_BEDROCK:
			made.AWS, err = wire.ParseAWSKey(string(plain))
		case wire.ProviderKind_PROVIDER_KIND_AZURE:
			made.Entra, err = wire.ParseEntraApp(string(plain))
		case wire.ProviderKind_PROVIDER_KIND_VERTEX:
			made.Google, err = wire.ParseServiceAccount(string(plain))
		}
		if made.AWS != nil || made.Entra != nil || made.Google != nil {
			made.Secret = Secret{}
		}
		if err != nil {
			c.fail(indexed("credentials", i, "sealed"), "the credential is not one of its provider's kind: %v", err)
		}
	}
	return made
}

// vertex checks what Vertex AI needs. A token for all of Google Cloud goes to hosts of Google's, or to what stands in for them.
func (c *compiler) vertex(p *Provider) {
	c.text("region", p.Region)
	if !wire.IsProject(p.Project) {
		c.fail("project", "this is no project of Google Cloud's")
	}
	if !p.IsGoogles() && !p.PrivateNetwork {
		c.fail("base_url", "the host must be one of googleapis.com")
	}
}

func (c *compiler) baseURL(text string) *url.URL {
	parsed, err := url.Parse(text)
	switch {
	case err != nil:
		c.fail("base_url", "this is not a URL")
	case parsed.Scheme != "http" && parsed.Scheme != "https":
		c.fail("base_url", "the scheme must be http or https")
	case parsed.Hostname() == "":
		c.fail("base_url", "the host is missing")
	case parsed.User != nil || parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "":
		c.fail("base_url", "only scheme, host, port and path may be given")
	case strings.HasSuffix(parsed.Path, "/"):
		c.fail("base_url", "the URL must not end with a slash")
	}
	return parsed
}
