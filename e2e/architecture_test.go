package e2e

import (
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tollgate.dev/e2e/internal/house"
)

// The rooms of the control plane by what they are to each other.
var (
	foundations = []string{ // no noun below them, every noun above them
		"controlplane/internal/fault", "controlplane/internal/ident", "controlplane/internal/money", "controlplane/internal/input",
		"controlplane/internal/authz", "controlplane/internal/audit", "controlplane/internal/tenant", "controlplane/internal/seal",
		"controlplane/internal/scope", "controlplane/internal/work",
	}
	nouns = []string{
		"controlplane/internal/org", "controlplane/internal/member", "controlplane/internal/workspace", "controlplane/internal/agent",
		"controlplane/internal/virtualkey", "controlplane/internal/provider", "controlplane/internal/route", "controlplane/internal/price",
		"controlplane/internal/budget", "controlplane/internal/guardrail", "controlplane/internal/ratelimit", "controlplane/internal/usage", "controlplane/internal/edge", "controlplane/internal/authn",
		"controlplane/internal/apitoken", "controlplane/internal/channel", "controlplane/internal/alert", "controlplane/internal/reprice", "controlplane/internal/dryrun",
	}
	contract = []string{"dataplane/wire", "dataplane/wire/wireconnect", "dataplane/wire/lease", "dataplane/wire/condition", "dataplane/wire/plan"}
	carriers = []string{ // what every stage of an edge handles a request with; they decide nothing
		"dataplane/internal/dialect", "dataplane/internal/refusal", "dataplane/internal/scan", "dataplane/internal/sse", "dataplane/internal/buffer",
		"dataplane/internal/direct",
	}
)

// walls says who may import whom within the module. The first row that fits a folder is its wall; what is below a folder it may
// always import.
var walls = []house.Wall{
	// the contract and the leaves
	{Room: "dataplane/wire", May: nil},
	{Room: "dataplane/wire/wireconnect", May: []string{"dataplane/wire"}},
	{Room: "dataplane/egress", May: nil}, // both planes dial through it
	{Room: "dataplane/ask", May: list(contract, carriers, "dataplane/internal/pipeline", "dataplane/internal/state", "dataplane/internal/translate")}, // a dry run reads requests with it
	{Room: "dataplane/wire/lease", May: nil},
	{Room: "dataplane/wire/condition", May: nil},
	{Room: "dataplane/wire/plan", May: []string{"dataplane/wire", "dataplane/wire/condition"}},
	{Room: "migrations", May: nil},
	{Room: "web/...", May: []string{"web/..."}},
	{Room: "controlplane/internal/fault", May: nil},
	{Room: "controlplane/internal/ident", May: nil},
	{Room: "controlplane/internal/money", May: nil},

	// the control plane, from the ground up
	{Room: "controlplane/internal/*/internal/*", May: []string{"controlplane/internal/ident", "controlplane/internal/money"}},
	{Room: "controlplane/internal/input", May: list("controlplane/internal/fault")},
	{Room: "controlplane/internal/authz", May: list("controlplane/internal/fault", "controlplane/internal/ident")},
	{Room: "controlplane/internal/audit", May: list("controlplane/internal/fault", "controlplane/internal/ident", "controlplane/internal/authz")},
	{Room: "controlplane/internal/tenant", May: list("controlplane/internal/fault", "controlplane/internal/ident", "controlplane/internal/authz", "controlplane/internal/audit")},
	{Room: "controlplane/internal/seal", May: list("controlplane/internal/fault", "controlplane/internal/ident", "controlplane/internal/tenant")},
	{Room: "controlplane/internal/scope", May: list("controlplane/internal/fault", "controlplane/internal/ident")},
	{Room: "controlplane/internal/work", May: nil},
	{Room: "controlplane/internal/telemetry", May: nil},
	{Room: "controlplane/internal/pgtest", May: list(foundations, "migrations")},
	{Room: "controlplane/internal/publish", May: list(foundations, nouns, contract)},
	{Room: "controlplane/internal/console", May: list(foundations, nouns, "web/...", "dataplane/ask")}, // to ask in tests: the root hands it to dryrun
	{Room: "controlplane/internal/api", May: list(foundations, nouns, "dataplane/ask")},                // likewise
	{Room: "controlplane/internal/notice", May: nil},
	{Room: "controlplane/internal/ledger", May: list(foundations, contract)},
	{Room: "controlplane/internal/edges", May: list(foundations, nouns, contract, "controlplane/internal/publish", "controlplane/internal/ledger", "controlplane/internal/notice")},
	{Room: "controlplane/internal/ingest", May: list(foundations, nouns, contract, "controlplane/internal/ledger")},
	{Room: "controlplane/internal/reprice", May: list(foundations, contract, "controlplane/internal/price", "controlplane/internal/ledger")},
	{Room: "controlplane/internal/dryrun", May: list(foundations, contract, "controlplane/internal/route", "controlplane/internal/price", "controlplane/internal/provider", "controlplane/internal/virtualkey", "controlplane/internal/edge", "dataplane/ask")}, // likewise
	{Room: "controlplane/internal/budget", May: list(foundations, contract, "controlplane/internal/ledger")},
	{Room: "controlplane/internal/channel", May: list(foundations, "dataplane/egress")},
	{Room: "controlplane/internal/alert", May: list(foundations, "controlplane/internal/channel")},
	{Room: "controlplane/internal/usage", May: list(foundations, contract, "controlplane/internal/notice")},
	{Room: "controlplane/internal/*", May: list(foundations, contract)}, // the nouns
	{Room: "controlplane", May: list("controlplane/internal/*", contract, "dataplane/egress", "dataplane/ask", "migrations", "web/...")},

	// the edge
	{Room: "dataplane/internal/state", May: list(contract)},
	{Room: "dataplane/internal/subscription", May: list(contract, "dataplane/internal/state")},
	{Room: "dataplane/internal/pipeline", May: list(contract, "dataplane/internal/*", "dataplane/egress")},
	{Room: "dataplane/internal/ingress", May: list(contract, carriers, "dataplane/internal/door", "dataplane/internal/pipeline", "dataplane/internal/state")},
	{Room: "dataplane/internal/refusal", May: list(contract, "dataplane/internal/dialect")},
	{Room: "dataplane/internal/state/statetest", May: list(contract, "dataplane/internal/state")},
	{Room: "dataplane/internal/report", May: list(contract, "dataplane/internal/spool")},                                 // reads what the spool holds
	{Room: "dataplane/internal/upstream", May: list(contract, carriers, "dataplane/internal/state", "dataplane/egress")}, // dials through it
	{Room: "dataplane/internal/aws", May: list(contract, carriers, "dataplane/internal/token")},
	{Room: "dataplane/internal/azure", May: list(contract, "dataplane/internal/token")},
	{Room: "dataplane/internal/google", May: list(contract, "dataplane/internal/token")},
	{Room: "dataplane/internal/*", May: list(contract, carriers, "dataplane/internal/state")}, // the stages: none imports another
	{Room: "dataplane", May: list(contract, "dataplane/internal/*", "dataplane/egress")},

	// programs and proofs
	{Room: "cmd/controlplane", May: list("controlplane")},
	{Room: "cmd/edge", May: list("dataplane")},
	{Room: "cmd/tollgate/...", May: list("controlplane", "dataplane", "cmd/tollgate/...", contract)},
	{Room: "e2e/...", May: list("controlplane", "dataplane", "e2e/...", contract)},
}

// owners says which files may import a library.
var owners = []house.Owner{
	{Dependency: "github.com/jackc/pgx/v5", Rooms: []string{
		"controlplane/internal/*/store*.go", "controlplane/internal/*/service.go", "controlplane/internal/pgtest/*.go",
		"controlplane/*.go", "e2e/internal/rig/*.go", "cmd/tollgate/internal/postgres/*.go",
	}},
	{Dependency: "cel.dev/cel-go", Rooms: []string{"dataplane/wire/condition/*.go"}},
	{Dependency: "github.com/stripe/stripe-go", Rooms: []string{"controlplane/internal/billing/*.go"}},
	{Dependency: "github.com/coder/websocket", Rooms: []string{"dataplane/internal/socket/*.go", "cmd/tollgate/internal/simulator/realtime.go", "dataplane/internal/pipeline/*_test.go", "e2e/*_test.go"}},
	{Dependency: "github.com/redis/go-redis/v9", Rooms: []string{"dataplane/internal/limit/*.go", "dataplane/internal/cache/redis.go"}}, // two clients: a long answer on its way must not delay a count
	{Dependency: "github.com/riverqueue/river", Rooms: []string{"controlplane/internal/work/*.go"}},
	{Dependency: "github.com/wneessen/go-mail", Rooms: []string{"controlplane/internal/channel/mail.go"}},
	{Dependency: "github.com/emersion/go-smtp", Rooms: []string{"controlplane/internal/channel/*_test.go", "e2e/*_test.go"}},
	{Dependency: "github.com/alicebob/miniredis/v2", Rooms: []string{"cmd/tollgate/internal/redis/*.go"}},
	{Dependency: "github.com/labstack/echo/v4", Rooms: []string{
		"controlplane/*.go", "controlplane/internal/console/*.go", "controlplane/internal/api/*.go", "controlplane/internal/edges/*.go", "controlplane/internal/ingest/*.go",
	}},
	{Dependency: "github.com/a-h/templ", Rooms: []string{"web/*.go", "web/*/*.go", "controlplane/internal/console/*.go"}},
	{Dependency: "github.com/pressly/goose/v3", Rooms: []string{"controlplane/*.go", "migrations/*.go", "controlplane/internal/pgtest/*.go"}},
	{Dependency: "github.com/alexedwards/scs", Rooms: []string{"controlplane/internal/authn/*.go"}},
	{Dependency: "github.com/alexedwards/argon2id", Rooms: []string{"controlplane/internal/authn/*.go", "controlplane/internal/member/*.go", "controlplane/internal/org/*.go"}},
	{Dependency: "github.com/playwright-community/playwright-go", Rooms: []string{"e2e/*_test.go"}},
	{Dependency: "go.opentelemetry.io/otel/exporters", Rooms: []string{"controlplane/internal/telemetry/*.go", "dataplane/internal/telemetry/*.go"}},
	{Dependency: "database/sql", Rooms: []string{"controlplane/internal/ident/*.go", "controlplane/internal/money/*.go", "migrations/*.go", "controlplane/*.go", "controlplane/internal/pgtest/*.go"}},
}

// tableOwners says which query file owns a table.
var tableOwners = map[string]string{
	"org": "org.sql", "member": "member.sql", "app_user": "member.sql", "api_token": "apitoken.sql",
	"sessions":   "authn.sql",
	"generation": "tenant.sql", "audit_entry": "audit.sql", "org_key": "seal.sql",
	"workspace": "workspace.sql", "agent": "agent.sql", "virtual_key": "virtualkey.sql",
	"provider": "provider.sql", "credential": "provider.sql", "route": "route.sql", "route_target": "route.sql", "route_version": "route.sql", "route_name": "route.sql",
	"guardrail": "guardrail.sql", "rate_limit": "ratelimit.sql", "model_price": "price.sql", "org_price": "price.sql", "reprice": "reprice.sql", "usage_correction": "reprice.sql",
	"budget": "budget.sql", "budget_raise": "budget.sql", "budget_period": "ledger.sql", "budget_lease": "ledger.sql", "budget_doubt": "ledger.sql", "vouched": "ledger.sql", "edge_told": "ledger.sql",
	"usage_event": "ingest.sql", "usage_hour": "ingest.sql", "usage_reject": "ingest.sql", "awaited": "ingest.sql", "publish_problem": "publish.sql",
	"channel": "channel.sql", "delivery": "channel.sql", "alert": "alert.sql", "alert_rule": "alert.sql",
	"river_job": "work.sql", "river_leader": "work.sql", "river_queue": "work.sql", "river_notification": "work.sql",
	"usage_day": "ingest.sql", "usage_tag_hour": "ingest.sql", "usage_tag_day": "ingest.sql", "usage_run": "ingest.sql", "usage_fold": "ingest.sql", "usage_slice": "ingest.sql", "usage_gap": "edges.sql", "usage_pending": "ingest.sql",
	"edge": "edges.sql", "edge_epoch": "edges.sql", "edge_generation": "edges.sql",
}

// foreignTables are the joins and writes across owners, each with its reason.
var foreignTables = []house.Foreign{
	{File: "usage.sql", Table: "usage_slice", Reason: "ingest writes the sums that usage reads"},
	{File: "usage.sql", Table: "usage_tag_hour", Reason: "the names of labels are looked for one after the other, by the key"},
	{File: "usage.sql", Table: "usage_hour", Reason: "hours that have hits are looked for in what is not folded, too"},
	{File: "usage.sql", Table: "usage_day", Reason: "days in which calls have things in common are looked for one after the other, by the key"},
	{File: "usage.sql", Table: "usage_fold", Reason: "says from where on hours are not folded"},
	{File: "usage.sql", Table: "usage_pending", Reason: "a batch that has a value is found without taking it apart"},
	{File: "ledger.sql", Table: "edge", Reason: "nothing is lent until the edges have told what they know"},
	{File: "ledger.sql", Table: "edge_epoch", Reason: "a fenced edge is not waited for"},
	{File: "publish.sql", Table: "org", Reason: "the organization itself is an item of its fragment"},
	{File: "publish.sql", Table: "generation", Reason: "a fragment carries the generation that it was read at"},
	{File: "edge.sql", Table: "edge", Reason: "edges writes what edge reads"},
	{File: "edge.sql", Table: "edge_generation", Reason: "edges writes what edge reads"},
	{File: "edge.sql", Table: "usage_gap", Reason: "edges writes what edge reads"},
	{File: "edge.sql", Table: "usage_reject", Reason: "ingest writes what edge reads"},
	{File: "edge.sql", Table: "generation", Reason: "an edge's generation is shown beside the current one"},
	{File: "edge.sql", Table: "publish_problem", Reason: "publish writes what edge reads"},
	{File: "edges.sql", Table: "generation", Reason: "a revocation holds until the generation of its commit is applied"},
	{File: "budget.sql", Table: "generation", Reason: "a raise that turned since the last generation is published by the next one"},
	{File: "budget.sql", Table: "budget_lease", Reason: "shows which edges hold of a budget"},
	{File: "ratelimit.sql", Table: "edge", Reason: "edges writes down what edges say is used of limits"},
	{File: "budget.sql", Table: "edge", Reason: "shows the names of edges that hold of a budget"},
	{File: "ledger.sql", Table: "generation", Reason: "its rows are the list of organizations, whose accounts that are over are folded"},
	{File: "ledger.sql", Table: "budget", Reason: "the guarded grant compares with the limit in one statement"},
	{File: "ingest.sql", Table: "org", Reason: "a record of no organization goes to usage_reject, decided inside the batch's transaction"},
	{File: "ingest.sql", Table: "generation", Reason: "its rows are the list of organizations, which the folder goes through"},
	{File: "ingest.sql", Table: "edge", Reason: "an epoch belongs to a known edge"},
	{File: "ingest.sql", Table: "edge_epoch", Reason: "the committed seq advances in the batch's transaction"},
	{File: "usage.sql", Table: "usage_event", Reason: "ingest writes what usage reads"},
	{File: "reprice.sql", Table: "usage_event", Reason: "what is priced again, read in the transaction that corrects"},
	{File: "reprice.sql", Table: "provider", Reason: "the catalog that an event's provider has its prices in"},
	{File: "usage.sql", Table: "org_price", Reason: "an event is shown with the price that it was charged at"},
	{File: "usage.sql", Table: "usage_correction", Reason: "reprice writes what usage reads"},
	{File: "usage.sql", Table: "reprice", Reason: "reprice writes what usage reads"},
	{File: "price.sql", Table: "generation", Reason: "its rows are the list of organizations, whose audit notes an operator's import"},
	{File: "price.sql", Table: "org", Reason: "the organization's row names the lock of its prices"},
	{File: "price.sql", Table: "route", Reason: "models of routes that have no price are shown"},
	{File: "price.sql", Table: "route_target", Reason: "models of routes that have no price are shown"},
	{File: "price.sql", Table: "provider", Reason: "models of routes that have no price are shown"},
	{File: "usage.sql", Table: "model_price", Reason: "an event is shown with the price that it was charged at"},
	{File: "usage.sql", Table: "workspace", Reason: "groups of costs are shown by name"},
	{File: "usage.sql", Table: "agent", Reason: "groups of costs are shown by name"},
	{File: "usage.sql", Table: "virtual_key", Reason: "groups of costs are shown by name"},
	{File: "usage.sql", Table: "provider", Reason: "groups of costs are shown by name"},
	{File: "usage.sql", Table: "route", Reason: "groups of costs are shown by name"},
	{File: "agent.sql", Table: "workspace", Reason: "shows the workspace's name and refuses a foreign one"},
	{File: "virtualkey.sql", Table: "workspace", Reason: "shows the workspace's name and refuses a foreign one"},
	{File: "virtualkey.sql", Table: "agent", Reason: "shows the agent's name and refuses one of another workspace"},
	{File: "virtualkey.sql", Table: "route", Reason: "allowed models are names of the workspace's routes"},
	{File: "route.sql", Table: "workspace", Reason: "shows the workspace's name and refuses a foreign one"},
	{File: "route.sql", Table: "provider", Reason: "shows the provider's name and locks it against being archived meanwhile"},
	{File: "route.sql", Table: "model_price", Reason: "a model whose words have a price does not embed"},
	{File: "provider.sql", Table: "route", Reason: "a provider that a route targets is not archived"},
	{File: "provider.sql", Table: "route_target", Reason: "a provider that a route targets is not archived"},
	{File: "budget.sql", Table: "budget_period", Reason: "shows the account of the current period beside the limit"},
	{File: "budget.sql", Table: "workspace", Reason: "shows the name of its scope"},
	{File: "budget.sql", Table: "agent", Reason: "shows the name of its scope"},
	{File: "budget.sql", Table: "virtual_key", Reason: "shows the name of its scope"},
	{File: "guardrail.sql", Table: "workspace", Reason: "shows the name of its scope"},
	{File: "guardrail.sql", Table: "agent", Reason: "shows the name of its scope"},
	{File: "guardrail.sql", Table: "virtual_key", Reason: "shows the name of its scope"},
	{File: "ratelimit.sql", Table: "workspace", Reason: "shows the name of its scope"},
	{File: "ratelimit.sql", Table: "agent", Reason: "shows the name of its scope"},
	{File: "ratelimit.sql", Table: "virtual_key", Reason: "shows the name of its scope"},
	{File: "scope.sql", Table: "workspace", Reason: "refuses a scope that is not the organization's"},
	{File: "scope.sql", Table: "agent", Reason: "refuses a scope that is not the organization's"},
	{File: "scope.sql", Table: "route", Reason: "a model is the name of a route"},
	{File: "scope.sql", Table: "virtual_key", Reason: "refuses a scope that is not the organization's"},
	{File: "channel.sql", Table: "org", Reason: "a message says whose it is"},
	{File: "alert.sql", Table: "generation", Reason: "it holds a row for every organization"},
	{File: "member.sql", Table: "org", Reason: "shows the names of a person's organizations"},
}

// unchanging are functions whose results nobody can change.
var unchanging = []string{"uuid.MustParse", "netip.MustParsePrefix", "netip.MustParseAddr", "strings.NewReplacer", "big.NewInt"}

// refusedNames are packages named for nothing.
var refusedNames = []string{"util", "utils", "common", "helper", "helpers", "shared", "base", "types", "models", "misc"}

// notMoney are names that hold a word of money and are no amount.
var notMoney = regexp.MustCompile(`(?i)(ratio|share|percent|seconds|millis|ms)$`)

const (
	fileLinesMax = 400
	depthMax     = 9
)

// edgeRefuses is what the edge must not link.
var edgeRefuses = []string{
	"github.com/jackc", "github.com/riverqueue", "github.com/wneessen", "github.com/stripe", "github.com/a-h/templ", "github.com/labstack", "github.com/pressly/goose", "github.com/alexedwards",
	"github.com/alicebob", "tollgate.dev/controlplane", "tollgate.dev/web", "tollgate.dev/migrations",
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) { report(t, readHouse(t).Walls(walls)) }

func TestEachDependencyHasItsOwner(t *testing.T) { report(t, readHouse(t).Owners(owners)) }

func TestOnlyStoresSeeGeneratedRows(t *testing.T) {
	report(t, readHouse(t).Rows([]string{"store*.go"}))
}

func TestImportsAreShallow(t *testing.T) { report(t, readHouse(t).Depth(depthMax)) }

func TestPackagesAreNamedForWhatTheyProvide(t *testing.T) {
	report(t, readHouse(t).Names(refusedNames))
}

func TestFilesAreShort(t *testing.T) { report(t, readHouse(t).Length(fileLinesMax)) }

func TestNothingHappensByImport(t *testing.T) { report(t, readHouse(t).Inits()) }

func TestPackageVariablesNeverChange(t *testing.T) { report(t, readHouse(t).Mutables(unchanging)) }

func TestTestsDoNotSleep(t *testing.T) { report(t, readHouse(t).Sleeps([]string{"e2e/..."})) }

func TestSourcesCarryNoLicenceHeader(t *testing.T) { report(t, readHouse(t).Licences()) }

func TestMoneyIsNoFloat(t *testing.T) {
	// Prometheus counts in floats; nothing reads them back.
	report(t, readHouse(t).Floats(notMoney, []string{"dataplane/internal/pipeline/metrics.go"}))
}

func TestPlanesStartNoPrograms(t *testing.T) {
	report(t, readHouse(t).Executes([]string{"cmd/tollgate/...", "e2e/..."}))
}

func TestPlanesDialThroughEgress(t *testing.T) {
	// An edge's way to its own control plane is the operator's, private networks included.
	report(t, readHouse(t).Dials([]string{"dataplane/egress", "dataplane/edge.go", "e2e/..."}))
}

func TestPackagesSayTheirPurposeAndWhatTheyRefuse(t *testing.T) {
	report(t, readHouse(t).PackageComments())
}

func TestExportedNamesAreDocumented(t *testing.T) { report(t, readHouse(t).Undocumented()) }

func TestEachTableHasOneOwner(t *testing.T) {
	found, err := readHouse(t).Queries(tableOwners, foreignTables)
	if err != nil {
		t.Fatal(err)
	}
	report(t, found)
}

func TestWaiversOfTheTenantRuleHaveAReason(t *testing.T) {
	found, err := readHouse(t).Waivers()
	if err != nil {
		t.Fatal(err)
	}
	report(t, found)
}

func TestQueriesAreInTheirFolder(t *testing.T) {
	report(t, readHouse(t).Statements([]string{
		"cmd/tollgate/internal/postgres/*.go", "e2e/internal/*/*.go", "controlplane/internal/pgtest/*.go",
		"controlplane/database.go",               // asks the server about the role, no table of ours
		"controlplane/internal/publish/store.go", // the platform's row, whose zero id the typed query would send as NULL
	}))
}

func TestDisabledLintersHaveAReason(t *testing.T) {
	text, err := os.ReadFile("../.golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	report(t, house.Unexplained(string(text)))
}

func TestTheEdgeLinksNoPartOfTheControlPlane(t *testing.T) {
	linker, err := house.NewLinker("..", moduleCache())
	if err != nil {
		t.Fatal(err)
	}
	links, err := linker.Links("cmd/edge")
	if err != nil {
		t.Fatal(err)
	}
	if _, whole := links["tollgate.dev/dataplane"]; !whole {
		t.Errorf("the walk from cmd/edge missed the data plane: %d packages", len(links))
	}
	report(t, house.Unwanted(links, edgeRefuses))
}

func moduleCache() string {
	if cache := os.Getenv("GOMODCACHE"); cache != "" {
		return cache
	}
	return filepath.Join(filepath.SplitList(build.Default.GOPATH)[0], "pkg", "mod")
}

func readHouse(t *testing.T) *house.Tree {
	t.Helper()
	tree, err := house.Read("tollgate.dev", os.DirFS(".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Packages) < 10 {
		t.Fatalf("only %d packages were read", len(tree.Packages))
	}
	return tree
}

func report(t *testing.T, found []house.Finding) {
	t.Helper()
	for _, finding := range found {
		t.Error(finding)
	}
}

// list joins folders and lists of folders.
func list(parts ...any) []string {
	var all []string
	for _, part := range parts {
		switch p := part.(type) {
		case string:
			all = append(all, p)
		case []string:
			all = append(all, p...)
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return strings.TrimSpace(s) == "" })
}
