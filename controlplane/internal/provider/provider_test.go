package provider_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/controlplane/internal/provider"
	"tollgate.dev/controlplane/internal/seal"
)

const canary = "sk-canary-0815"

func TestAnotherOrganizationsProviderIsNotFound(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db)
	made := create(t, service, a, "openai")

	if _, err := service.Get(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("get: %v", err)
	}
	if _, err := service.Update(t.Context(), b, made.ID, provider.Input{Name: "mine", BaseURL: "https://evil.example"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("update: %v", err)
	}
	if err := service.Archive(t.Context(), b, made.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("archive: %v", err)
	}
	if _, err := service.AddCredential(t.Context(), b, made.ID, provider.CredentialInput{Name: "x", Secret: seal.NewSecret("x")}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("add credential: %v", err)
	}
	if err := service.RetireCredential(t.Context(), b, made.ID, made.Credentials[0].ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("retire credential: %v", err)
	}
	if all, err := service.List(t.Context(), b); err != nil || len(all) != 0 {
		t.Errorf("list: %v, %v", all, err)
	}
	if opened := openAll(t, db, service, b.Org); len(opened) != 0 {
		t.Errorf("b opens %v", opened)
	}
}

func TestCredentialIsSealedAndOnlyOpensForPublish(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db)
	made := create(t, service, a, "openai")

	shown, err := json.Marshal(made)
	if err != nil || bytes.Contains(shown, []byte("canary")) {
		t.Errorf("shown: %s, %v", shown, err)
	}
	var stored, audited string
	owner := db.Owner(t)
	if err := owner.QueryRow(t.Context(), "SELECT encode(sealed, 'escape') FROM credential").Scan(&stored); err != nil || strings.Contains(stored, canary) {
		t.Errorf("stored: %v", err)
	}
	if err := owner.QueryRow(t.Context(), "SELECT string_agg(a::text, '') FROM audit_entry a").Scan(&audited); err != nil || strings.Contains(audited, canary) || !strings.Contains(audited, "provider.create") {
		t.Errorf("audited: %s, %v", audited, err)
	}
	opened := openAll(t, db, service, a.Org)
	if len(opened) != 1 || opened[0].Secret.Reveal() != canary || opened[0].ProviderID != made.ID || opened[0].ID != made.Credentials[0].ID {
		t.Errorf("opened %v", opened)
	}
}

func TestRetiredCredentialIsNoLongerOpened(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db)
	made := create(t, service, a, "openai")
	added, err := service.AddCredential(t.Context(), a, made.ID, provider.CredentialInput{Name: "second", Secret: seal.NewSecret("  sk-second\n")})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.RetireCredential(t.Context(), a, made.ID, made.Credentials[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := service.RetireCredential(t.Context(), a, made.ID, made.Credentials[0].ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("retired twice: %v", err)
	}
	opened := openAll(t, db, service, a.Org)
	if len(opened) != 1 || opened[0].ID != added.ID || opened[0].Secret.Reveal() != "sk-second" {
		t.Errorf("opened %v", opened)
	}
}

func TestProviderInputIsJudged(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db)
	good := provider.Input{Name: "p", Kind: provider.OpenAI, BaseURL: "https://api.example"}
	for name, test := range map[string]struct {
		change func(*provider.Input)
		field  string
	}{
		"no name":              {func(in *provider.Input) { in.Name = "" }, "name"},
		"a name with capitals": {func(in *provider.Input) { in.Name = "OpenAI" }, "name"},
		"an unknown kind":      {func(in *provider.Input) { in.Kind = "telepathy" }, "kind"},
		"no address":           {func(in *provider.Input) { in.BaseURL = "" }, "base_url"},
		"no scheme":            {func(in *provider.Input) { in.BaseURL = "api.example" }, "base_url"},
		"another scheme":       {func(in *provider.Input) { in.BaseURL = "file:///etc/passwd" }, "base_url"},
		"gopher":               {func(in *provider.Input) { in.BaseURL = "gopher://host/" }, "base_url"},
		"plain http":           {func(in *provider.Input) { in.BaseURL = "http://api.example" }, "base_url"},
		"user info":            {func(in *provider.Input) { in.BaseURL = "https://a:b@api.example" }, "base_url"},
		"a query":              {func(in *provider.Input) { in.BaseURL = "https://api.example/?key=1" }, "base_url"},
		"an empty query":       {func(in *provider.Input) { in.BaseURL = "https://api.example/?" }, "base_url"},
		"a fragment":           {func(in *provider.Input) { in.BaseURL = "https://api.example/#x" }, "base_url"},
		"climbing":             {func(in *provider.Input) { in.BaseURL = "https://api.example/a/../b" }, "base_url"},
		"a credential of two":  {func(in *provider.Input) { in.Credential = seal.NewSecret("a b") }, "credential"},
	} {
		in := good
		test.change(&in)
		_, err := service.Create(t.Context(), a, in)
		found := fault.Of(err)
		if err == nil || found.Kind != fault.Invalid || len(found.Fields) != 1 || found.Fields[0].Name != test.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBaseURLIsBroughtIntoItsForm(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	made, err := newService(t, db).Create(t.Context(), db.Org(t, "a"), provider.Input{
		Name: "local", Kind: provider.Anthropic, BaseURL: " HTTP://LocalHost:8080/anthropic// ", PrivateNetwork: true,
	})
	if err != nil || made.BaseURL != "http://localhost:8080/anthropic" || made.Catalog != "anthropic" || len(made.Credentials) != 0 {
		t.Errorf("%+v, %v", made, err)
	}
}

func TestTakenProviderNameIsAConflict(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	service := newService(t, db)
	made := create(t, service, a, "openai")
	create(t, service, b, "openai")
	_, err := service.Create(t.Context(), a, provider.Input{Name: "openai", Kind: provider.OpenAI, BaseURL: "https://api.example"})
	if found := fault.Of(err); found.Kind != fault.Conflict || found.Fields[0].Name != "name" {
		t.Errorf("%v", err)
	}
	if err := service.Archive(t.Context(), a, made.ID); err != nil {
		t.Fatal(err)
	}
	create(t, service, a, "openai")
}

func create(t *testing.T, service *provider.Service, actor authz.Actor, name string) provider.Provider {
	t.Helper()
	made, err := service.Create(t.Context(), actor, provider.Input{
		Name: name, Kind: provider.OpenAI, BaseURL: "https://api.openai.com", Credential: seal.NewSecret(canary),
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func newService(t *testing.T, db *pgtest.DB) *provider.Service {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{7}, seal.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return provider.New(db.Tenant, box)
}

func openAll(t *testing.T, db *pgtest.DB, service *provider.Service, org ident.Org) (opened []provider.Opened) {
	t.Helper()
	err := db.Tenant.Read(t.Context(), org, func(tx pgx.Tx) (err error) {
		opened, err = service.OpenCredentials(t.Context(), tx, org)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

func TestAQueueIsRefusedThatNobodyCouldUse(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db)
	made := create(t, service, a, "openai")
	for name, test := range map[string]struct {
		places, length, wait int
		field                string
	}{
		"waiting without a limit": {0, 5, 1000, "queue_length"},
		"no time to wait":         {5, 5, 0, "queue_wait_ms"},
		"fewer than none":         {-1, 0, 0, "max_concurrency"},
		"for ever":                {5, 5, 600_001, "queue_wait_ms"},
		"none waits":              {5, 0, 0, ""},
		"good":                    {5, 7, 1000, ""},
	} {
		in := provider.Input{Name: "openai", BaseURL: "https://api.example", MaxConcurrency: test.places, QueueLength: test.length, QueueWaitMS: test.wait}
		changed, err := service.Update(t.Context(), a, made.ID, in)
		if test.field == "" {
			if err != nil || changed.MaxConcurrency != 5 || changed.QueueLength != test.length || changed.QueueWaitMS != test.wait {
				t.Errorf("%s: %+v, %v", name, changed, err)
			}
			continue
		}
		if fields := fault.Of(err).Fields; len(fields) != 1 || fields[0].Name != test.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettingsOfAKindAreJudgedAndFilledIn(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db)
	aws := `{"access_key_id":"AKIAIOSFODNN7EXAMPLE",` + "\n" + `"secret_access_key":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}`
	made, err := service.Create(t.Context(), a, provider.Input{
		Name: "aws", Kind: provider.Bedrock, BaseURL: "https://bedrock-runtime.eu-central-1.amazonaws.com", Credential: seal.NewSecret(aws),
	})
	if err != nil || made.Region != "eu-central-1" || made.Catalog != "amazon-bedrock" || made.Compatible {
		t.Fatalf("%+v %v", made, err)
	}
	if opened := openAll(t, db, service, a.Org); len(opened) != 1 || strings.Contains(opened[0].Secret.Reveal(), "\n") {
		t.Error("the credential is not sealed in one line")
	}
	azure, err := service.Create(t.Context(), a, provider.Input{Name: "azure", Kind: provider.Azure, BaseURL: "https://r.openai.azure.com/openai/v1/", APIVersion: "2024-10-21"})
	if err != nil || azure.BaseURL != "https://r.openai.azure.com" || azure.APIVersion != "2024-10-21" {
		t.Errorf("%+v %v", azure, err)
	}
	local, err := service.Create(t.Context(), a, provider.Input{Name: "groq", Kind: provider.OpenAI, BaseURL: "https://api.groq.com/openai", Catalog: "groq"})
	if err != nil || !local.Compatible {
		t.Errorf("%+v %v", local, err)
	}
	chat := provider.Input{Name: "cerebras", Kind: provider.OpenAI, BaseURL: "https://api.cerebras.ai", Catalog: "cerebras", ChatOnly: true}
	only, err := service.Create(t.Context(), a, chat)
	if err != nil || !only.ChatOnly || local.ChatOnly {
		t.Errorf("%+v %v", only, err)
	}
	chat.ChatOnly = false
	if only, err = service.Update(t.Context(), a, only.ID, chat); err != nil || only.ChatOnly {
		t.Errorf("changed: %+v %v", only, err)
	}
	yes := true
	for field, in := range map[string]provider.Input{
		"region":      {Name: "x", Kind: provider.Bedrock, BaseURL: "https://proxy.example"},
		"api_version": {Name: "x", Kind: provider.Azure, BaseURL: "https://r.openai.azure.com", APIVersion: "v1"},
		"compatible":  {Name: "x", Kind: provider.Cohere, BaseURL: "https://api.cohere.com", Compatible: &yes},
		"chat_only":   {Name: "x", Kind: provider.Azure, BaseURL: "https://r.openai.azure.com", ChatOnly: true},
		"credential":  {Name: "x", Kind: provider.Bedrock, BaseURL: "https://bedrock-runtime.eu-central-1.amazonaws.com", Credential: seal.NewSecret(`{"access_key_id":"x"}`)},
	} {
		_, err := service.Create(t.Context(), a, in)
		if found := fault.Of(err); found.Kind != fault.Invalid || found.Fields[0].Name != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := service.AddCredential(t.Context(), a, azure.ID, provider.CredentialInput{Name: "x", Secret: seal.NewSecret(`{"tenant_id":"t"}`)}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a credential without its fields: %v", err)
	}
}

func TestVertexIsPlacedByWhatIsSaidAndItsKeyIsShownByItsAddressAlone(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	service := newService(t, db)
	key := serviceAccount(t, nil)
	made, err := service.Create(t.Context(), a, provider.Input{Name: "vertex", Kind: provider.Vertex, Region: "europe-west4", Credential: seal.NewSecret(key)})
	if err != nil || made.BaseURL != "https://europe-west4-aiplatform.googleapis.com" || made.Project != "project-1" || made.Catalog != "google-vertex" {
		t.Fatalf("%+v %v", made, err)
	}
	if got := made.Credentials[0].Identity; got != "caller@project-1.iam.gserviceaccount.com" {
		t.Errorf("identity %q", got)
	}
	if shown, err := json.Marshal(made); err != nil || bytes.Contains(shown, []byte("PRIVATE")) || bytes.Contains(shown, []byte("private_key")) {
		t.Errorf("%s %v", shown, err)
	}
	if opened := openAll(t, db, service, a.Org); len(opened) != 1 || strings.Contains(opened[0].Secret.Reveal(), "client_id") || !strings.Contains(opened[0].Secret.Reveal(), "BEGIN PRIVATE KEY") {
		t.Error("more or less is sealed than callers need")
	}
	for address, region := range map[string]string{
		"https://aiplatform.googleapis.com": "global", "https://us-central1-aiplatform.googleapis.com/": "us-central1", "https://aiplatform.eu.rep.googleapis.com": "eu",
	} {
		changed, err := service.Update(t.Context(), a, made.ID, provider.Input{Name: "vertex", BaseURL: address, Project: "p-12345"})
		if err != nil || changed.Region != region || changed.Project != "p-12345" {
			t.Errorf("%s: %+v %v", address, changed, err)
		}
	}
	good := provider.Input{Name: "x", Kind: provider.Vertex, Region: "global", Project: "project-1"}
	for name, test := range map[string]struct {
		change func(*provider.Input)
		field  string
	}{
		"a host of somebody's":  {func(in *provider.Input) { in.BaseURL = "https://vertex.example" }, "base_url"},
		"a host that looks so":  {func(in *provider.Input) { in.BaseURL = "https://googleapis.com.evil.example" }, "base_url"},
		"no project":            {func(in *provider.Input) { in.Project = "" }, "project"},
		"a project that climbs": {func(in *provider.Input) { in.Project = "../other" }, "project"},
		"a region that climbs":  {func(in *provider.Input) { in.Region, in.BaseURL = "../x", "https://aiplatform.googleapis.com" }, "region"},
		"an API key":            {func(in *provider.Input) { in.Credential = seal.NewSecret("AIza-simulated") }, "credential"},
		"tokens from elsewhere": {func(in *provider.Input) {
			in.Credential = seal.NewSecret(serviceAccount(t, map[string]string{"token_uri": "http://169.254.169.254/token"}))
		}, "credential"},
		"another kind's project": {func(in *provider.Input) {
			in.Kind, in.Region, in.BaseURL = provider.Gemini, "", "https://generativelanguage.googleapis.com"
		}, "project"},
	} {
		in := good
		test.change(&in)
		_, err := service.Create(t.Context(), a, in)
		if found := fault.Of(err); err == nil || found.Kind != fault.Invalid || len(found.Fields) != 1 || found.Fields[0].Name != test.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	local := good
	local.BaseURL, local.PrivateNetwork, local.Credential = "http://127.0.0.1:8420/vertex", true, seal.NewSecret(key)
	if _, err := service.Create(t.Context(), a, local); err != nil {
		t.Errorf("what stands in on a private network: %v", err)
	}
}

// serviceAccount returns a key file with some of its fields changed.
func serviceAccount(t *testing.T, changed map[string]string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := map[string]string{
		"type": "service_account", "project_id": "project-1", "private_key_id": "1", "client_email": "caller@project-1.iam.gserviceaccount.com", "client_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})), "token_uri": "https://oauth2.googleapis.com/token",
	}
	maps.Copy(file, changed)
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
