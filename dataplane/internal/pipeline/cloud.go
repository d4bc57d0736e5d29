package pipeline

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"tollgate.dev/dataplane/internal/aws"
	"tollgate.dev/dataplane/internal/dialect"
	"tollgate.dev/dataplane/internal/state"
	"tollgate.dev/dataplane/internal/upstream"
)

// admitBearer is for keys that are sent as they are.
func admitBearer(_ context.Context, _ *Pipeline, c *call, _ *upstream.Request, credential *state.Credential) error {
	c.field("Authorization", "Bearer "+credential.Secret.Reveal())
	return nil
}

func mistralPath(_ *call, a *attempt) string {
	if a.spoken == dialect.MistralEmbed {
		return dialect.OpenAIEmbeddings.Path()
	}
	return dialect.OpenAIChat.Path()
}

func coherePath(_ *call, a *attempt) string {
	if a.spoken == dialect.CohereEmbed {
		return "/v2/embed"
	}
	return "/v2/chat"
}

func bedrockPath(c *call, a *attempt) string {
	if a.spoken.Embeds() {
		return aws.InvokePath(a.target.Model)
	}
	return aws.ConversePath(a.target.Model, c.ask.Stream)
}

// admitBedrock signs a request, unless the credential is one of Bedrock's own API keys.
func admitBedrock(ctx context.Context, p *Pipeline, c *call, request *upstream.Request, credential *state.Credential) error {
	if credential.AWS == nil {
		c.field("Authorization", "Bearer "+credential.Secret.Reveal())
		return nil
	}
	if request.Method != "" && request.Method != http.MethodPost || strings.Contains(request.Path, "?") {
		return &upstream.Error{Reason: "with an access key it can be asked by POST and without a query alone; a key of Bedrock's own has no such bound"}
	}
	provider := request.Provider
	key, err := p.Roles.Key(ctx, credential.ID, credential.AWS, provider.Region, standIn(provider, "sts", ".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
	if err != nil {
		return exchanged(ctx, "its role could not be assumed", err)
	}
	signed := aws.Sign(key, &aws.Request{
		Region: provider.Region, Service: "bedrock", Host: provider.BaseURL.Host, Path: provider.BaseURL.EscapedPath() + request.Path,
		ContentType: c.sentType(), Body: request.Body,
	}, p.Now())
	c.field("Authorization", signed.Authorization)
	c.field("X-Amz-Date", signed.Date)
	if signed.Token != "" {
		c.field("X-Amz-Security-Token", signed.Token)
	}
	return nil
}

// sentType returns the type of the body as it is sent.
func (c *call) sentType() string {
	for _, field := range c.fields {
		if field.Name == "Content-Type" {
			return field.Value
		}
	}
	return ""
}

// azurePath is that of Azure's API without dates, where the body names the deployment, or of the dated one, where mostly the path does.
func azurePath(_ *call, a *attempt) string {
	version := a.target.Provider.APIVersion
	if a.spoken == dialect.OpenAIRealtime {
		return realtimePath(a)
	}
	if version == "" {
		return "/openai" + a.spoken.Path()
	}
	path := strings.TrimPrefix(a.spoken.Path(), "/v1")
	if a.spoken != dialect.OpenAIResponses {
		path = "/deployments/" + url.PathEscape(a.target.Model) + path
	}
	return "/openai" + path + "?api-version=" + url.QueryEscape(version)
}

func admitAzure(ctx context.Context, p *Pipeline, c *call, request *upstream.Request, credential *state.Credential) error {
	if credential.Entra == nil {
		c.field("Api-Key", credential.Secret.Reveal())
		return nil
	}
	provider := request.Provider
	token, err := p.Apps.Token(ctx, credential.ID, credential.Entra, provider.BaseURL.Hostname(), standIn(provider, "entra", ".azure.com", ".azure.us", ".azure.cn"))
	if err != nil {
		return exchanged(ctx, "its application got no token", err)
	}
	c.field("Authorization", "Bearer "+token)
	return nil
}

// standIn returns where a provider on a private network that is not the cloud itself gives what the cloud's own service of that name does:
// below the provider's base URL. Elsewhere it is nil, so that no credential goes to a host that somebody chose.
func standIn(provider *state.Provider, service string, clouds ...string) *url.URL {
	host := provider.BaseURL.Hostname()
	for _, cloud := range clouds {
		if strings.HasSuffix(host, cloud) {
			return nil
		}
	}
	if !provider.PrivateNetwork {
		return nil
	}
	return provider.BaseURL.JoinPath(service)
}

// exchanged is the failure to get what a request must carry. Nothing was sent.
func exchanged(ctx context.Context, reason string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &upstream.Error{Reason: reason, Cause: err}
}

// Exchange returns what calls a cloud's service for tokens and keys by clients for public and for private addresses.
func Exchange(public, private *http.Client) func(bool, *http.Request) (*http.Response, error) {
	return func(isPrivate bool, request *http.Request) (*http.Response, error) {
		if isPrivate {
			return private.Do(request)
		}
		return public.Do(request)
	}
}
