// Package providerui draws providers and their credentials.
// It refuses to show a credential's secret.
package providerui

import (
	"tollgate.dev/web/component"
	"tollgate.dev/web/edgeui"
)

// List is the page of all providers.
type List struct {
	Rows   []Row
	Sifted component.Sifted
	MayAdd bool
}

// Row is one provider.
type Row struct {
	Name        string
	Href        string
	Kind        string
	BaseURL     string
	Credentials component.Badge
	Held        string // which edges hold calls of a model of it back; empty: none does
	Created     component.Moment
}

// Detail is the page of one provider.
type Detail struct {
	Row
	Catalog        string
	Network        string
	Place          string // of Vertex AI: project and location; empty: none is shown
	Queue          string // "20 at a time; 100 may wait on each edge, up to 30s"
	MayChange      bool
	EditHref       string
	ArchiveHref    string
	Credentials    []Credential // those in use first
	InUse          bool         // at least one is
	Refused        bool         // at least one of those in use is, by the provider
	CredentialForm CredentialForm
	HeldBack       []edgeui.OpenTarget // its models from which edges hold calls back
}

// Credential is one secret of a provider, by its name alone.
type Credential struct {
	ID           string
	Name         string
	Identity     string // who calls by it; empty: it does not say
	State        component.Badge
	Created      component.Moment
	Retired      component.Moment // zero: in use
	Refused      string           // "status 401 at edge-1, since"; empty: it is not
	RefusedSince component.Moment
	RetireHref   string // empty: may not be retired
}

// CredentialForm adds a credential.
type CredentialForm struct {
	component.Form
	Name    component.Field
	Secret  component.Field // zero Name: the account stands for it
	Account component.Field // a service account's key; zero Name: not asked for
}

// Form creates or changes a provider.
type Form struct {
	component.Form
	Title          string
	Name           component.Field
	Kind           component.Field
	BaseURL        component.Field
	Catalog        component.Field
	PrivateNetwork component.Field
	MaxConcurrency component.Field
	QueueLength    component.Field
	QueueWait      component.Field
	Region         component.Field // of Bedrock and Vertex AI
	Project        component.Field // of Vertex AI
	APIVersion     component.Field // of Azure OpenAI
	Compatible     component.Field
	ChatOnly       component.Field // it has no Responses
	Credential     component.Field // zero Name: not asked for
	Account        component.Field // the same of Vertex AI
	Presets        []Preset        // empty: none are offered
}

// Preset is a known provider, whose link fills in the form.
type Preset struct {
	Label   string
	Href    string
	Current bool
}
