package provider

import (
	"cmp"
	"net/url"
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
	Vertex    Kind = "vertex"  // Google Cloud's Vertex AI
	Azure     Kind = "azure"   // Azure OpenAI
	Bedrock   Kind = "bedrock" // Amazon Bedrock's Converse
	Mistral   Kind = "mistral"
	Cohere    Kind = "cohere"
)

// Kinds returns all kinds in the order in which they are offered.
func Kinds() []Kind {
	return []Kind{OpenAI, Anthropic, Gemini, Vertex, Bedrock, Azure, Mistral, Cohere}
}

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
	case Vertex:
		return "google-vertex"
	case Bedrock:
		return "amazon-bedrock"
	default:
		return string(k)
	}
}

var (
	regionForm  = regexp.MustCompile(`^[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$`)
	regionHost  = regexp.MustCompile(`bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.`)
	placeForm   = regexp.MustCompile(`^(global|eu|us|[a-z]{2,14}-[a-z]{4,12}[0-9]{1,2})$`)
	placeHost   = regexp.MustCompile(`^https://(?:([a-z0-9-]+)-)?aiplatform\.(?:(eu|us)\.rep\.)?googleapis\.com/?$`)
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
	in.APIVersion = strings.TrimSpace(in.APIVersion)
	if found := regionHost.FindStringSubmatch(in.BaseURL); in.Kind == Bedrock && in.Region == "" && found != nil {
		in.Region = found[1]
	}
	in.cleanPlace(wrong)
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

// cleanPlace says what is wrong with where a cloud is called.
func (in *Input) cleanPlace(wrong *fault.Fields) {
	switch {
	case in.Kind == Bedrock && !regionForm.MatchString(in.Region):
		wrong.Add("region", "enter the region of Amazon's that signatures are for, such as eu-central-1")
	case in.Kind == Vertex && !placeForm.MatchString(in.Region):
		wrong.Add("region", "enter a location of Google Cloud's, such as europe-west4, or global")
	case in.Kind != Bedrock && in.Kind != Vertex && in.Region != "":
		wrong.Add("region", "leave it empty: only Bedrock and Vertex AI have one")
	}
	switch {
	case in.Kind == Vertex && !wire.IsProject(in.Project):
		wrong.Add("project", "enter the id of a project of Google Cloud's, such as my-project-1")
	case in.Kind != Vertex && in.Project != "":
		wrong.Add("project", "leave it empty: only Vertex AI has one")
	}
	if in.Kind != Vertex || in.PrivateNetwork {
		return
	}
	if at, err := url.Parse(in.BaseURL); err == nil && !strings.HasSuffix(at.Hostname(), ".googleapis.com") {
		wrong.Add("base_url", "enter an address of Google's, such as https://europe-west4-aiplatform.googleapis.com: a token for Google Cloud goes nowhere else")
	}
}

// locate fills in where Vertex AI is called: the address of a region, the region of an address, and the project of a service account.
func (in *Input) locate() {
	if in.Region, in.Project = strings.TrimSpace(in.Region), strings.TrimSpace(in.Project); in.Kind != Vertex {
		return
	}
	if account, err := wire.ParseServiceAccount(in.Credential.Reveal()); err == nil && in.Project == "" {
		in.Project = account.ProjectID
	}
	if found := placeHost.FindStringSubmatch(strings.TrimSpace(in.BaseURL)); in.Region == "" && found != nil {
		if in.Region = found[1] + found[2]; in.Region == "" {
			in.Region = "global"
		}
	}
	if strings.TrimSpace(in.BaseURL) == "" && placeForm.MatchString(in.Region) {
		in.BaseURL = vertexAddress(in.Region)
	}
}

// vertexAddress is that of a location (https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations).
func vertexAddress(place string) string {
	switch place {
	case "global":
		return "https://aiplatform.googleapis.com"
	case "eu", "us":
		return "https://aiplatform." + place + ".rep.googleapis.com"
	default:
		return "https://" + place + "-aiplatform.googleapis.com"
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
	case Vertex:
		account, err := wire.ParseServiceAccount(text)
		if err == nil {
			return seal.NewSecret(account.Compact())
		}
		wrong.Add(field, "%v", err)
	default:
		wrong.Add(field, "paste the provider's API key alone, without braces")
	}
	return seal.NewSecret(text)
}

// identity returns who calls by a credential, where it says so in words that are no secret.
func identity(kind Kind, secret seal.Secret) string {
	text := secret.Reveal()
	if !wire.IsCredentialObject(text) {
		return ""
	}
	switch kind {
	case Bedrock:
		if key, err := wire.ParseAWSKey(text); err == nil {
			return cmp.Or(key.RoleARN, key.AccessKeyID)
		}
	case Azure:
		if app, err := wire.ParseEntraApp(text); err == nil {
			return app.ClientID
		}
	case Vertex:
		if account, err := wire.ParseServiceAccount(text); err == nil {
			return account.ClientEmail
		}
	}
	return ""
}
