package console

import (
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/web/component"
	"tollgate.dev/web/providerui"
)

// kindText is what people call a kind of provider.
func kindText(kind provider.Kind) string {
	label, _ := kindWords(kind)
	return label
}

func kindWords(kind provider.Kind) (label, help string) {
	switch kind {
	case provider.Anthropic:
		return "Anthropic", "The Messages API."
	case provider.Gemini:
		return "Gemini", "Google's generateContent, with an API key."
	case provider.Vertex:
		return "Google Vertex AI", "Gemini and Claude at Google Cloud, with a service account."
	case provider.Bedrock:
		return "Amazon Bedrock", "Converse: Claude, Nova, Llama and others."
	case provider.Azure:
		return "Azure OpenAI", "OpenAI's models, deployed in a resource of yours."
	case provider.Mistral:
		return "Mistral", "Chat Completions and embeddings of Mistral's own."
	case provider.Cohere:
		return "Cohere", "Chat, version 2."
	default:
		return "OpenAI", "Also any compatible server: vLLM, Ollama, Groq …"
	}
}

func kindOptions() []component.Option {
	var all []component.Option
	for _, kind := range provider.Kinds() {
		label, help := kindWords(kind)
		all = append(all, component.Option{Value: string(kind), Label: label, Help: help})
	}
	return all
}

// presets fills in what is known of the chosen one, and returns the links to all.
func presets(chosen string, in *provider.Input) []providerui.Preset {
	var all []providerui.Preset
	for _, one := range provider.Presets() {
		current := one.ID == chosen
		if current {
			in.Kind, in.BaseURL, in.Catalog, in.PrivateNetwork = one.Kind, one.BaseURL, one.Catalog, one.PrivateNetwork
			in.Name, in.Compatible, in.ChatOnly = one.ID, &one.Compatible, one.ChatOnly
		}
		all = append(all, providerui.Preset{Label: one.Label, Href: "/providers/new?preset=" + one.ID, Current: current})
	}
	return all
}

// secretOf reads a credential from a form: of Vertex AI from a text area of its own, since a key file has many lines.
func secretOf(v *visit, name string, kind provider.Kind) seal.Secret {
	if kind == provider.Vertex {
		name += accountSuffix
	}
	return seal.NewSecret(v.FormValue(name))
}

const accountSuffix = "_account"

// accountField takes the key file of a service account. It never comes back with what was in it.
func accountField(name string) component.Field {
	return component.Field{
		Name: name + accountSuffix, Label: "Service account's key", Rows: 6, Mono: true, Optional: name == "credential", Placeholder: `{"type": "service_account", …}`,
		Help: "The JSON file that Google Cloud gives for a key. Stored encrypted, what callers need of it alone; never shown again.",
	}
}
