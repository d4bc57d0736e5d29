package provider

import (
	"regexp"
	"strings"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/dataplane/wire"
)

// Kind is the wire format that a provider speaks, and how it is asked.
type Kind string

// The kinds of provider.
const (
	OpenAI    Kind = "openai"
	Anthropic Kind = "anthropic"
	Gemini    Kind = "gemini"  // Google's Gemini API
	Azure     Kind = "azure"   // Azure OpenAI
	Bedrock   Kind = "bedrock" // Amazon Bedrock's Converse
	Mistral   Kind = "mistral"
	Cohere    Kind = "cohere"
)

// Kinds returns all kinds in the order in which they are offered.
func Kinds() []Kind { return []Kind{OpenAI, Anthropic, Gemini, Bedrock, Azure, Mistral, Cohere} }

// known says whether edges know the kind.
func (k Kind) known() bool {
	for _, each := range Kinds() {
		if k == each {
			return true
		}
	}
	return false
}

// catalog returns the kind's own name in the price catalog.
func (k Kind) catalog() string {
	switch k {
	case Gemini:
		return "google"
	case Bedrock:
		return "amazon-bedrock"
	default:
		return string(k)
	}
}

var (
	regionForm  = regexp.MustCompile(`^[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$`)
	regionHost  = regexp.MustCompile(`bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.`)
	versionForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?$`)
)

// cleanKind says what is wrong with the settings that only some kinds have, and fills in those that follow from others.
func (in *Input) cleanKind(wrong *fault.Fields) {
	if !in.Kind.known() {
		wrong.Add("kind", "choose one of %v: the wire format that the provider speaks", Kinds())
	}
	if strings.TrimSpace(in.Catalog) == "" {
		in.Catalog = in.Kind.catalog()
	}
	in.Region, in.APIVersion = strings.TrimSpace(in.Region), strings.TrimSpace(in.APIVersion)
	if found := regionHost.FindStringSubmatch(in.BaseURL); in.Kind == Bedrock && in.Region == "" && found != nil {
		in.Region = found[1]
	}
	switch {
	case in.Kind == Bedrock && !regionForm.MatchString(in.Region):
		wrong.Add("region", "enter the region of Amazon's that signatures are for, such as eu-central-1")
	case in.Kind != Bedrock && in.Region != "":
		wrong.Add("region", "leave it empty: only Bedrock has one")
	}
	switch {
	case in.Kind != Azure && in.APIVersion != "":
		wrong.Add("api_version", "leave it empty: only Azure OpenAI has one")
	case in.APIVersion != "" && !versionForm.MatchString(in.APIVersion):
		wrong.Add("api_version", "enter a date such as 2024-10-21, or leave it empty for the API without dates")
	}
	if in.Kind == Azure {
		in.BaseURL = strings.TrimSuffix(strings.TrimSuffix(in.BaseURL, "/v1"), "/openai")
	}
	if in.Compatible == nil {
		compatible := in.Kind == OpenAI && in.Catalog != string(OpenAI)
		in.Compatible = &compatible
	}
	if *in.Compatible && in.Kind != OpenAI {
		wrong.Add("compatible", "leave it out: only servers of OpenAI's format differ in how much of it they know")
	}
	if in.ChatOnly && in.Kind != OpenAI {
		wrong.Add("chat_only", "leave it out: it is for servers of OpenAI's format that have no Responses API")
	}
}

// cleanObject reads a credential that is an object, which only some kinds have, into the one line that is sealed.
func cleanObject(wrong *fault.Fields, field string, kind Kind, text string) seal.Secret {
	switch kind {
	case Bedrock:
		key, err := wire.ParseAWSKey(text)
		if err == nil {
			return seal.NewSecret(key.Compact())
		}
		wrong.Add(field, "%v", err)
	case Azure:
		app, err := wire.ParseEntraApp(text)
		if err == nil {
			return seal.NewSecret(app.Compact())
		}
		wrong.Add(field, "%v", err)
	default:
		wrong.Add(field, "paste the provider's API key alone, without braces")
	}
	return seal.NewSecret(text)
}
