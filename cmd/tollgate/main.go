// Command tollgate runs the whole product on one machine (up), the servers that tests need (services) and the provider simulator.
// It refuses to hold any rule of the product: the planes are programs of their own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

const usage = `tollgate: the control layer between AI agents and what they call

  tollgate up         start everything on this machine, with a demo organization
  tollgate services   run a command with a throwaway Postgres and Redis
  tollgate simulator  run the provider simulator alone
  tollgate postgres   run a Postgres alone, for tests that kill it
  tollgate redis      run a Redis alone, for tests that kill it
  tollgate version    print the version

"tollgate <command> --help" lists the flags of a command.
`

// errUsage says that the arguments were wrong and that this has been said.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, errUsage) {
		fmt.Fprintln(os.Stderr, "tollgate: "+err.Error())
	}
	os.Exit(code)
}

// run carries out the command line and returns the exit code; an error comes with a code other than 0.
func run(ctx context.Context, args []string) (int, error) {
	command, rest := "--help", []string(nil)
	if len(args) > 0 {
		command, rest = args[0], args[1:]
	}
	switch command {
	case "up":
		return up(ctx, rest)
	case "services":
		return services(ctx, rest)
	case "simulator":
		return simulate(ctx, rest)
	case "postgres":
		return postgresAlone(ctx, rest)
	case "redis":
		return redisAlone(ctx, rest)
	case "version", "--version":
		fmt.Println("tollgate " + version())
		return 0, nil
	case "help", "--help", "-h":
		fmt.Print(usage)
		return 0, nil
	default:
		fmt.Fprint(os.Stderr, usage)
		return 2, fmt.Errorf("there is no command %q", command)
	}
}

// parse reads the flags of a command; what follows them is left to the caller.
func parse(flags *flag.FlagSet, args []string) (done bool, err error) {
	flags.SetOutput(os.Stderr)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return true, nil
	case err != nil:
		return true, errUsage // the flag package has said what is wrong
	default:
		return false, nil
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(unknown)"
	}
	return info.Main.Version
}
