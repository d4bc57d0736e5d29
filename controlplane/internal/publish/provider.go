package publish

import (
	"bytes"
	"fmt"
	"slices"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/dataplane/wire"
)

// providerBody seals the provider's credentials for the fleet. The same credential always seals to the same bytes.
func providerBody(fleet wire.FleetKey, org ident.Org, in provider.Provider, opened []provider.Opened) (*wire.ItemBody, error) {
	out := &wire.Provider{
		Id: in.ID.Bytes(), Name: in.Name, Kind: providerKind(in.Kind), BaseUrl: in.BaseURL, Catalog: in.Catalog, PrivateNetwork: in.PrivateNetwork,
		MaxConcurrency: uint32(max(in.MaxConcurrency, 0)), QueueLength: uint32(max(in.QueueLength, 0)), QueueWaitMs: uint32(max(in.QueueWaitMS, 0)),
		Region: in.Region, Project: in.Project, ApiVersion: in.APIVersion, Compatible: in.Compatible, ChatOnly: in.ChatOnly,
	}
	for _, each := range opened {
		if each.ProviderID != in.ID {
			continue
		}
		sealed, err := fleet.SealCredential(wire.ID(org.UUID), wire.ID(in.ID.UUID), wire.ID(each.ID.UUID), []byte(each.Secret.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("seal credential %s for the fleet: %w", each.ID, err)
		}
		out.Credentials = append(out.Credentials, &wire.Credential{Id: each.ID.Bytes(), Sealed: sealed})
	}
	slices.SortFunc(out.Credentials, func(a, b *wire.Credential) int { return bytes.Compare(a.GetId(), b.GetId()) })
	return &wire.ItemBody{Body: &wire.ItemBody_Provider{Provider: out}}, nil
}

func providerKind(kind provider.Kind) wire.ProviderKind {
	switch kind {
	case provider.OpenAI:
		return wire.ProviderKind_PROVIDER_KIND_OPENAI
	case provider.Anthropic:
		return wire.ProviderKind_PROVIDER_KIND_ANTHROPIC
	case provider.Gemini:
		return wire.ProviderKind_PROVIDER_KIND_GEMINI
	case provider.Vertex:
		return wire.ProviderKind_PROVIDER_KIND_VERTEX
	case provider.Azure:
		return wire.ProviderKind_PROVIDER_KIND_AZURE
	case provider.Bedrock:
		return wire.ProviderKind_PROVIDER_KIND_BEDROCK
	case provider.Mistral:
		return wire.ProviderKind_PROVIDER_KIND_MISTRAL
	case provider.Cohere:
		return wire.ProviderKind_PROVIDER_KIND_COHERE
	default:
		return wire.ProviderKind_PROVIDER_KIND_UNSPECIFIED
	}
}
