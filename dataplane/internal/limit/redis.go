package limit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"tollgate.dev/dataplane/wire"
)

const (
	promptly     = 4 * time.Millisecond  // an answer that takes longer is slow
	answerWithin = 50 * time.Millisecond // a call waits no longer, and when none is answered in that time the circuit opens
	socketWithin = 100 * time.Millisecond
	edgeSeconds  = 5 // an edge that has not said for so long that it lives is not counted, and its slots are free
	slotLease    = edgeSeconds * time.Second
	refreshEvery = time.Second
	gather       = 10 * time.Millisecond // corrections collect before they go out
	batchShare   = 125                   // all edges together take at most one part of so many ahead: 0.8 %
	pipelineMost = 64                    // scripts in one round trip
	flightsMost  = 4                     // round trips at a time
)

// ask is what to take from one meter's limit.
type ask struct {
	meter  *meter
	amount int64
	need   int64
	want   int64
	mine   int64 // units that this edge surely took within the window, or slots that it holds
	batch  bool
}

// answer is Redis' word on the asks of one call.
type answer struct {
	refuses int // which ask, from 1; 0: none
	wait    time.Duration
	grants  []grant
}

type grant struct{ granted, free, bucket int64 }

var errNoAnswer = errors.New("redis does not answer")

// Redis counts for all edges that share a Redis.
type Redis struct {
	client   *redis.Client
	scripts  scripts
	edge     string
	late     func([]ask, answer)
	socket   time.Duration // a round trip waits no longer
	patience time.Duration // a call waits no longer
	loaded   bool          // the scripts are there; of Run alone
	prompt   time.Duration // an answer that takes longer is slow
	circuit  circuit
	line     line
	alive    atomic.Int64 // edges
	before   atomic.Int64 // edges that come before this one by name
}

// NewRedis returns a counter over the Redis at the URL (redis://…). It connects when it is first asked. Edge names this edge.
func NewRedis(url string, edge wire.ID) (*Redis, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	r := newRedis(options, edge, socketWithin, answerWithin)
	r.prompt = promptly
	return r, nil
}

func newRedis(options *redis.Options, edge wire.ID, socket, patience time.Duration) *Redis {
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = socket, socket, socket, socket
	options.MaxRetries = -1
	options.MinIdleConns = flightsMost + 1 // a burst finds them open
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.ContextTimeoutEnabled = true
	r := &Redis{client: redis.NewClient(options), scripts: newScripts(), edge: edge.String(), socket: socket, patience: patience, prompt: patience, late: func([]ask, answer) {}}
	r.alive.Store(1)
	return r
}

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Run tells the other edges every second that this one lives, and while Redis is away looks every 100 ms whether it is back, until ctx
// ends.
func (r *Redis) Run(ctx context.Context) error {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for told := (time.Time{}); ; {
		if now := time.Now(); !r.up() || now.Sub(told) >= refreshEvery {
			told = now
			r.announce(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// announce keeps the last known number of edges when Redis does not answer. An answer that is too late for calls counts as none.
func (r *Redis) announce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.socket)
	defer cancel()
	begin := time.Now()
	if !r.loaded {
		r.loaded = r.load(ctx) == nil
	}
	answer, err := r.scripts.live.Run(ctx, r.client, []string{"tollgate:edges"}, r.edge, strconv.Itoa(edgeSeconds)).Int64Slice()
	now := time.Now()
	if err != nil || len(answer) != 2 || answer[0] < 1 || answer[1] < 0 || answer[1] >= answer[0] {
		r.circuit.failed(now)
		r.loaded = false
		return
	}
	r.alive.Store(answer[0])
	r.before.Store(answer[1])
	if now.Sub(begin) <= r.prompt {
		r.circuit.answered()
	} else {
		r.circuit.slow(now)
	}
}

// load sends the scripts ahead, so that no call has to.
func (r *Redis) load(ctx context.Context) error {
	for _, script := range []*redis.Script{r.scripts.take, r.scripts.settle, r.scripts.hold} {
		if err := script.Load(ctx, r.client).Err(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Redis) up() bool { return !r.circuit.isOpen() }

// share gives each live edge an equal part, the first by name one more, and none less than one.
func (r *Redis) share(amount int64) int64 {
	edges, before := r.alive.Load(), r.before.Load()
	share := amount / edges
	if before < amount%edges {
		share++
	}
	return max(share, 1)
}

func (r *Redis) batch(amount int64) int64 { return amount / (batchShare * r.alive.Load()) }

func (r *Redis) take(asks []ask) (answer, error) {
	f := &flight{asks: asks, done: make(chan struct{})}
	r.line.join(f, r.fly)
	patience := time.NewTimer(r.patience)
	defer patience.Stop()
	select {
	case <-f.done:
	case <-patience.C:
		if f.state.CompareAndSwap(flightOpen, flightLeft) {
			r.circuit.failed(time.Now())
			return answer{}, errNoAnswer
		}
		<-f.done
	}
	return f.answer, f.err
}

// fly carries the questions of several calls to Redis and back in one round trip.
func (r *Redis) fly(flights []*flight) {
	ctx, cancel := context.WithTimeout(context.Background(), r.socket)
	defer cancel()
	began := time.Now()
	script := r.scripts.take
	results := make([]*redis.Cmd, len(flights))
	send := func(run func(redis.Pipeliner, *flight) *redis.Cmd) error {
		_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i, f := range flights {
				results[i] = run(pipe, f)
			}
			return nil
		})
		return err
	}
	err := send(func(pipe redis.Pipeliner, f *flight) *redis.Cmd {
		return script.EvalSha(ctx, pipe, f.keys(), f.args(r.edge)...)
	})
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		_ = send(func(pipe redis.Pipeliner, f *flight) *redis.Cmd {
			return script.Eval(ctx, pipe, f.keys(), f.args(r.edge)...)
		})
	}
	for i, f := range flights {
		raw, err := results[i].Int64Slice()
		f.answer, f.err = read(raw, len(f.asks), err)
		inTime := f.state.CompareAndSwap(flightOpen, flightLanded)
		switch {
		case f.err != nil:
			r.circuit.failed(time.Now())
		case inTime && time.Since(began) <= r.prompt:
			r.circuit.answered()
		case inTime:
			r.circuit.slow(time.Now())
		default:
			r.late(f.asks, f.answer)
		}
		close(f.done)
	}
}

// read checks an answer of the take script.
func read(raw []int64, asks int, err error) (answer, error) {
	if err != nil {
		return answer{}, fmt.Errorf("count in Redis: %w", err)
	}
	if len(raw) != 2+3*asks || raw[0] < 0 || raw[0] > int64(asks) {
		return answer{}, fmt.Errorf("count in Redis: an answer of %d numbers", len(raw))
	}
	a := answer{refuses: int(raw[0]), wait: time.Duration(raw[1]) * time.Microsecond, grants: make([]grant, asks)}
	for i := range a.grants {
		a.grants[i] = grant{raw[2+3*i], raw[3+3*i], raw[4+3*i]}
	}
	return a, nil
}

// settle sends corrections in as few round trips as fit. What does not arrive is lost: counters expire by themselves, and slots are told
// again.
func (r *Redis) settle(ctx context.Context, corrections []correction) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.socket)
	defer cancel()
	for len(corrections) > 0 {
		some := corrections[:min(len(corrections), pipelineMost)]
		corrections = corrections[len(some):]
		send := func(run func(*redis.Script) runner) error {
			_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
				for _, c := range some {
					script, args := r.correct(c)
					run(script)(ctx, pipe, []string{c.meter.name}, args...)
				}
				return nil
			})
			return err
		}
		err := send(func(s *redis.Script) runner { return s.EvalSha })
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			err = send(func(s *redis.Script) runner { return s.Eval })
		}
		if err != nil {
			r.circuit.failed(time.Now())
			return
		}
	}
}

type runner = func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

func (r *Redis) correct(c correction) (*redis.Script, []any) {
	if c.slots {
		return r.scripts.hold, []any{r.edge, slotLease.Microseconds(), c.held}
	}
	s := c.meter.shape
	return r.scripts.settle, []any{s.length.Microseconds(), s.buckets, c.bucket, c.back, c.more}
}
