package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tollgate.dev/cmd/tollgate/internal/supervisor"
)

// EdgesMax is how many edges fit between the console's port and the simulator's.
const EdgesMax = 10

// ports lays the listeners out from a base.
type ports struct{ base int }

func (p ports) console() int            { return p.base }
func (p ports) edge(number int) int     { return p.base + 9 + number }
func (p ports) simulator() int          { return p.base + 20 }
func (p ports) postgres() int           { return p.base + 30 }
func (p ports) redis() int              { return p.base + 31 }
func (p ports) address(port int) string { return supervisor.Loopback(port) }
func (p ports) url(port int) string     { return "http://" + supervisor.Loopback(port) }

// free checks that all ports which this run needs can be had. The processes of a killed run have a moment to end.
func (p ports) free(ctx context.Context, config Config) error {
	const patience = 3 * time.Second
	type need struct {
		port int
		what string
	}
	needs := []need{{p.console(), "console"}, {p.simulator(), "simulator"}}
	for number := 1; number <= config.Edges; number++ {
		needs = append(needs, need{p.edge(number), fmt.Sprintf("edge %d", number)})
	}
	if config.DatabaseURL == "" {
		needs = append(needs, need{p.postgres(), "postgres"})
	}
	if config.RedisURL == "" {
		needs = append(needs, need{p.redis(), "redis"})
	}
	for _, one := range needs {
		err := supervisor.Free(ctx, one.port, one.what, patience)
		var taken *supervisor.PortError
		if errors.As(err, &taken) {
			return fmt.Errorf("%w: free it, or choose other ports with --port-base %d", err, p.base+100)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
