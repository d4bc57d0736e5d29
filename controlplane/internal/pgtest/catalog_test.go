package pgtest_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/pgtest"
	"tollgate.dev/migrations"
)

// unowned lists the tables without org_id and without a row policy, each with the reason why no tenant's data is in it.
var unowned = map[string]string{
	"app_user":           "people belong to no organization; memberships tie them to several",
	"sessions":           "a session belongs to a person, and is looked up before the organization is known",
	"edge":               "edges serve every organization",
	"edge_epoch":         "edges serve every organization",
	"edge_told":          "edges serve every organization",
	"vouched":            "says of the books as a whole that they may be lent from",
	"model_price":        "the price catalog is the platform's",
	"goose_db_version":   "the migrations' own",
	"river_job":          "a job's arguments are ids; what it does enters the organization",
	"river_leader":       "which replica leads",
	"river_queue":        "names of queues",
	"river_notification": "River's outbox, unused on Postgres",
}

// unpoliced lists the tables with org_id and without a row policy.
var unpoliced = map[string]string{
	"generation": "publish follows the numbers of all organizations; they hold nothing but a number and a time",
	"awaited":    "edges, which serve every organization, ask for what is due of all; a row is ids, a model's name and what edges alone can open, and every other query names the organization",
}

// definers lists the functions that run with their owner's rights, each with the reason why that is safe.
var definers = map[string]string{
	"make_usage_partition": "makes one empty partition of a day near today under its parent's row policy; the app's role owns no table",
	"drop_usage_before":    "drops whole days of usage events that are over, which is the platform's retention; what remains is untouched",
}

type table struct {
	Name                    string
	HasOrg, Enabled, Forced bool
	Policies                int
	OwnedByApp              bool
	IsUnbound, IsView       bool // a view that is read as its owner; any view
}

func TestEveryTenantTableIsUnderAForcedRowPolicy(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	tables := tablesOf(t, db)
	if len(tables) < 25 {
		t.Fatalf("only %d tables found", len(tables))
	}
	seen := map[string]bool{}
	for _, table := range tables {
		seen[table.Name] = true
		_, mayLackOrg := unowned[table.Name]
		_, mayLackPolicy := unpoliced[table.Name]
		switch {
		case table.IsUnbound:
			t.Errorf("%s is a view, which row policies of its tables do not bind", table.Name)
		case table.IsView && table.HasOrg && !table.OwnedByApp: // read as whom it is read by, under its tables' policies
		case table.OwnedByApp:
			t.Errorf("%s is owned by the app's role", table.Name)
		case !table.HasOrg && !mayLackOrg:
			t.Errorf("%s has no org_id and no reason for that", table.Name)
		case table.HasOrg && mayLackOrg:
			t.Errorf("%s has an org_id and is listed as having none", table.Name)
		case table.HasOrg && !mayLackPolicy && (!table.Enabled || !table.Forced || table.Policies == 0):
			t.Errorf("%s: row level security enabled %v, forced %v, policies %d", table.Name, table.Enabled, table.Forced, table.Policies)
		}
	}
	for name := range unowned {
		if !seen[name] {
			t.Errorf("%s is listed and does not exist", name)
		}
	}
}

func TestWithoutAnOrganizationNoTenantTableShowsARow(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Org(t, "a")
	for _, table := range tablesOf(t, db) {
		if _, free := unpoliced[table.Name]; !table.HasOrg || free {
			continue
		}
		var count int
		err := db.Pool.QueryRow(t.Context(), "SELECT count(*) FROM "+pgx.Identifier{table.Name}.Sanitize()).Scan(&count)
		if err == nil && count != 0 {
			t.Errorf("%s shows %d rows to nobody", table.Name, count)
		}
	}
}

func TestAnotherOrganizationsRowCannotBeWritten(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	err := db.Tenant.Write(t.Context(), b.Org, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO workspace (org_id, workspace_id, name, slug) VALUES ($1, gen_random_uuid(), 'x', 'x')", a.Org)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("b wrote into a: %v", err)
	}
	err = db.Tenant.Write(t.Context(), b.Org, func(tx pgx.Tx) error {
		tag, err := tx.Exec(t.Context(), "UPDATE org SET name = 'mine'")
		if tag.RowsAffected() != 1 {
			t.Errorf("b changed %d organizations", tag.RowsAffected())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestTheTenantEndsWithItsTransaction(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	config, err := pgxpool.ParseConfig(db.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1 // the next query meets the same connection
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT set_config('app.org', $1, true)", a.Org.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var count int
	if err := pool.QueryRow(t.Context(), "SELECT count(*) FROM org").Scan(&count); err == nil && count != 0 {
		t.Errorf("%d organizations are visible after the transaction", count)
	}
}

func TestTheAppsRoleHasNoPowerOverRowPolicies(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a := db.Org(t, "a")
	var super, bypass, create, ownsDatabase bool
	err := db.Pool.QueryRow(t.Context(), `SELECT r.rolsuper, r.rolbypassrls, r.rolcreatedb OR r.rolcreaterole, d.datdba = r.oid
		FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`).Scan(&super, &bypass, &create, &ownsDatabase)
	if err != nil {
		t.Fatal(err)
	}
	if super || bypass || create || ownsDatabase {
		t.Errorf("superuser %v, bypassrls %v, creates %v, owns the database %v", super, bypass, create, ownsDatabase)
	}
	for _, never := range []string{"UPDATE audit_entry SET action = ''", "DELETE FROM audit_entry", "UPDATE usage_event SET cost_pico = 0", "TRUNCATE org", "ALTER TABLE org DISABLE ROW LEVEL SECURITY"} {
		err := db.Tenant.Write(t.Context(), a.Org, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), never)
			return err
		})
		if err == nil || !(strings.Contains(err.Error(), "permission denied") || strings.Contains(err.Error(), "must be owner")) {
			t.Errorf("%s: %v", never, err)
		}
	}
}

func TestFunctionsWithTheirOwnersRightsAreListedAndPinned(t *testing.T) {
	t.Parallel()
	rows, err := pgtest.New(t).Owner(t).Query(t.Context(), `SELECT p.proname, coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false),
		pg_get_userbyid(p.proowner) = 'tollgate_app', EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public' AND p.prosecdef`)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var name string
	var pinned, ownedByApp, public bool
	_, err = pgx.ForEachRow(rows, []any{&name, &pinned, &ownedByApp, &public}, func() error {
		seen[name] = true
		if _, listed := definers[name]; !listed || !pinned || ownedByApp || public {
			t.Errorf("%s: listed %v, search_path pinned %v, owned by the app's role %v, anybody may call it %v", name, listed, pinned, ownedByApp, public)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range definers {
		if !seen[name] {
			t.Errorf("%s is listed and does not exist", name)
		}
	}
}

func TestAPartitionIsUnderItsParentsRowPolicyAndReachedThroughItOnly(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	a, b := db.Org(t, "a"), db.Org(t, "b")
	var made bool
	if err := db.Pool.QueryRow(t.Context(), "SELECT make_usage_partition((now() AT TIME ZONE 'UTC')::date)").Scan(&made); err != nil || !made {
		t.Fatalf("made %v, %v", made, err)
	}
	partitions := 0
	for _, table := range tablesOf(t, db) {
		if !strings.HasPrefix(table.Name, "usage_event_") {
			continue
		}
		partitions++
		if !table.HasOrg || !table.Enabled || !table.Forced || table.Policies != 1 || table.OwnedByApp {
			t.Errorf("%+v", table)
		}
		for _, org := range []authz.Actor{a, b} {
			err := db.Tenant.Read(t.Context(), org.Org, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), "SELECT FROM "+pgx.Identifier{table.Name}.Sanitize())
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "permission denied") {
				t.Errorf("%s is reached past its parent: %v", table.Name, err)
			}
		}
	}
	if partitions != 2 {
		t.Errorf("%d partitions, want the default and today's", partitions)
	}
}

func TestMigrationsGoUpDownUp(t *testing.T) {
	t.Parallel()
	ownerURL := pgtest.Empty(t)
	db, err := sql.Open("pgx", ownerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files)
	if err != nil {
		t.Fatal(err)
	}
	up := func() []string {
		if _, err := provider.Up(t.Context()); err != nil {
			t.Fatalf("up: %v", err)
		}
		return schemaOf(t, ownerURL)
	}
	first := up()
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatalf("down: %v", err)
	}
	if left := schemaOf(t, ownerURL); len(left) > 6 { // goose's own table
		t.Errorf("down leaves %v", left)
	}
	if second := up(); !slices.Equal(first, second) {
		t.Errorf("the second up gives another schema")
	}
	owner, err := pgx.Connect(t.Context(), ownerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close(t.Context()) }()
	if _, err := owner.Exec(t.Context(), "SELECT make_usage_partition((now() AT TIME ZONE 'UTC')::date)"); err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatalf("down with a partition: %v", err)
	}
	if left := schemaOf(t, ownerURL); len(left) > 6 {
		t.Errorf("down with a partition leaves %v", left)
	}
	if third := up(); !slices.Equal(first, third) {
		t.Errorf("the third up gives another schema")
	}
}

// schemaOf lists columns, constraints and indexes as text.
func schemaOf(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `
		SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS line FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION ALL SELECT proname || pg_get_function_arguments(oid) || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL SELECT tablename || ' ' || policyname || coalesce(qual, '') FROM pg_policies WHERE schemaname = 'public'
		ORDER BY line`)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func tablesOf(t *testing.T, db *pgtest.DB) []table {
	t.Helper()
	rows, err := db.Owner(t).Query(t.Context(), `
		SELECT c.relname,
		  EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped),
		  c.relrowsecurity, c.relforcerowsecurity,
		  (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid),
		  pg_get_userbyid(c.relowner) = 'tollgate_app', c.relkind = 'm' OR c.relkind = 'v' AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false), c.relkind = 'v'
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		ORDER BY c.relname`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		t.Fatal(err)
	}
	return tables
}
