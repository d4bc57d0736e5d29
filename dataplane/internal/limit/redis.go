package limit

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"tollgate.dev/dataplane/wire"
)

const (
	answerWithin = 80 * time.Millisecond  // a silence opens the circuit, and no call waits any longer
	socketWithin = time.Second            // an answer is read for so long, lest what it grants is lost
	probeWithin  = 100 * time.Millisecond // while the circuit is open
	edgeSeconds  = 5                      // an edge that has not said for so long that it lives is not counted, and its slots are free
	slotLease    = edgeSeconds * time.Second
	refreshEvery = time.Second
	gather       = 10 * time.Millisecond // corrections collect before they go out
	batchShare   = 125                   // all edges together take at most one part of so many ahead: 0.8 %
	pipelineMost = 64                    // scripts in one round trip
	flightsMost  = 4                     // round trips at a time
	bufferBytes  = 8 << 10               // of a connection, each way
)

// ask is what to take from one meter's limit.
type ask struct {
	meter  *meter
	amount int64
	need   int64
	want   int64
	mine   int64  // units that this edge surely took within the window, or slots that it holds
	owned  int64  // units that it took against its own share
	own    string // the same, as window.text writes them
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
	client  *redis.Client
	scripts scripts
	edge    string
	late    func([]ask, answer)
	socket  time.Duration // a round trip waits no longer
	fewer   time.Time     // since when fewer edges live than it counts; of Warm and then of Run alone
	loaded  bool          // the scripts are there; of Warm and then of Run alone
	circuit circuit
	line    line
	alive   atomic.Int64 // edges
	before  atomic.Int64 // edges that come before this one by name
}

// NewRedis returns a counter over the Redis at the URL (redis://…). It connects when it is first asked. Edge names this edge.
func NewRedis(url string, edge wire.ID) (*Redis, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	return newRedis(options, edge, socketWithin, answerWithin), nil
}

func newRedis(options *redis.Options, edge wire.ID, socket, patience time.Duration) *Redis {
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = socket, socket, socket, socket
	options.ReadBufferSize, options.WriteBufferSize = bufferBytes, bufferBytes
	options.MaxRetries = -1
	options.MinIdleConns = flightsMost + 1 // a burst finds them open
	options.PoolSize = 4 * flightsMost     // those that still wait for a late answer beside those that are in use
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.ContextTimeoutEnabled = true
	r := &Redis{client: redis.NewClient(options), scripts: newScripts(), edge: edge.String(), socket: socket, late: func([]ask, answer) {}}
	r.circuit.patience = patience
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

// Warm opens the connections, sends the scripts ahead and says that this edge lives, so that the first burst finds all of it done. It takes
// no longer than an answer may take; without Redis it changes nothing.
func (r *Redis) Warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.socket)
	defer cancel()
	var connections sync.WaitGroup
	for range flightsMost + 1 {
		connections.Go(func() { _ = r.client.Ping(ctx).Err() })
	}
	connections.Wait()
	r.announce(ctx)
}

// announce keeps the last known number of edges when Redis does not answer.
func (r *Redis) announce(ctx context.Context) {
	loaded := r.loaded
	var answer []int64
	err := r.ask(ctx, r.within(), func(ctx context.Context) error {
		if !loaded {
			if err := r.load(ctx); err != nil {
				return err
			}
		}
		var err error
		answer, err = r.scripts.live.Run(ctx, r.client, []string{"tollgate:edges"}, r.edge, strconv.Itoa(edgeSeconds)).Int64Slice()
		if err == nil && (len(answer) != 2 || answer[0] < 1 || answer[1] < 0 || answer[1] >= answer[0]) {
			err = fmt.Errorf("count edges in Redis: an answer of %d numbers", len(answer))
		}
		return err
	})
	if r.loaded = err == nil; r.loaded {
		r.count(answer[0], answer[1], time.Now())
	}
}

// count takes the number of edges that live, and of those that come before this one by name. That there are fewer is believed only after so long
// as an edge may be silent: a Redis that has lost its data knows of one at first, and shares must not become too large.
func (r *Redis) count(alive, before int64, now time.Time) {
	if alive >= r.alive.Load() {
		r.fewer = time.Time{}
	} else if r.fewer.IsZero() {
		r.fewer = now
	}
	if r.fewer.IsZero() || now.Sub(r.fewer) >= slotLease {
		r.alive.Store(alive)
		r.before.Store(before)
		r.fewer = time.Time{}
	}
}

// within says how long what no call waits for may take: while the circuit is open, not long, lest connections pile up.
func (r *Redis) within() time.Duration {
	if r.up() {
		return r.socket
	}
	return min(r.socket, probeWithin)
}

// ask makes one round trip, and tells the circuit how it went. After a silence it returns errNoAnswer, and the round trip goes on.
func (r *Redis) ask(ctx context.Context, within time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	answered := make(chan struct{})
	var err error
	go func() {
		defer close(answered)
		defer cancel()
		err = run(ctx)
	}()
	took, inTime := r.circuit.watch(answered)
	switch {
	case !inTime:
		return errNoAnswer
	case err != nil:
		r.circuit.failed(time.Now())
	case took < slowAfter:
		r.circuit.answered(time.Now())
	default:
		r.circuit.slow(time.Now())
	}
	return err
}

// load sends the scripts ahead, so that no call has to.
func (r *Redis) load(ctx context.Context) error {
	for _, script := range []*redis.Script{r.scripts.take, r.scripts.settle, r.scripts.hold, r.scripts.own} {
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

// away returns a channel that is closed once Redis does not answer.
func (r *Redis) away() <-chan struct{} { return r.circuit.away() }

// take waits for Redis' answer until the circuit opens: late is not away.
func (r *Redis) take(asks []ask) (answer, error) {
	f := &flight{asks: asks, done: make(chan struct{})}
	r.line.join(f, r.fly)
	select {
	case <-f.done:
	case <-r.circuit.away():
		if f.state.CompareAndSwap(flightOpen, flightLeft) {
			return answer{}, errNoAnswer
		}
		<-f.done
	}
	return f.answer, f.err
}

// fly carries the questions of several calls to Redis and back in one round trip. Whose call has left already stays here.
func (r *Redis) fly(flights []*flight) {
	flights = slices.DeleteFunc(slices.Clone(flights), func(f *flight) bool { return f.state.Load() == flightLeft })
	if len(flights) > 0 {
		_ = r.ask(context.Background(), r.socket, func(ctx context.Context) error { return r.carry(ctx, flights) })
	}
}

func (r *Redis) carry(ctx context.Context, flights []*flight) error {
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
		err = send(func(pipe redis.Pipeliner, f *flight) *redis.Cmd {
			return script.Eval(ctx, pipe, f.keys(), f.args(r.edge)...)
		})
	}
	for i, f := range flights {
		raw, failed := results[i].Int64Slice()
		f.answer, f.err = read(raw, len(f.asks), failed)
		if err == nil {
			err = f.err
		}
		if !f.state.CompareAndSwap(flightOpen, flightLanded) && f.err == nil {
			r.late(f.asks, f.answer)
		}
		close(f.done)
	}
	return err
}

// read checks an answer of the take script.
func read(raw []int64, asks int, err error) (answer, error) {
	if err != nil {
		return answer{}, fmt.Errorf("count in Redis: %w", err)
	}
	if len(raw) != 2+3*asks || raw[0] < 0 || raw[0] > int64(asks) || raw[1] < 0 || raw[1] > math.MaxInt64/1000 {
		return answer{}, fmt.Errorf("count in Redis: an answer of %d numbers", len(raw))
	}
	a := answer{refuses: int(raw[0]), wait: time.Duration(raw[1]) * time.Microsecond, grants: make([]grant, asks)}
	for i := range a.grants {
		a.grants[i] = grant{raw[2+3*i], raw[3+3*i], raw[4+3*i]}
		if a.grants[i].granted < 0 {
			return answer{}, errors.New("count in Redis: less than nothing was granted")
		}
	}
	return a, nil
}

// settle sends corrections in as few round trips as fit, and reports whether all arrived. What does not arrive is lost, but for what is told
// as an absolute number: counters expire by themselves, and nothing may be taken back twice.
func (r *Redis) settle(ctx context.Context, corrections []correction) bool {
	ctx, within := context.WithoutCancel(ctx), r.within()
	for len(corrections) > 0 {
		some := corrections[:min(len(corrections), pipelineMost)]
		corrections = corrections[len(some):]
		if r.ask(ctx, within, func(ctx context.Context) error { return r.correct(ctx, some) }) != nil {
			return false
		}
	}
	return true
}

func (r *Redis) correct(ctx context.Context, corrections []correction) error {
	send := func(run func(*redis.Script) runner) error {
		_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, c := range corrections {
				script, args := r.script(c)
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
	return err
}

type runner = func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

func (r *Redis) script(c correction) (*redis.Script, []any) {
	s := c.meter.shape
	switch {
	case c.slots:
		return r.scripts.hold, []any{r.edge, slotLease.Microseconds(), c.held}
	case c.tells:
		return r.scripts.own, []any{r.edge, s.length.Microseconds(), s.buckets, c.own}
	default:
		return r.scripts.settle, []any{s.length.Microseconds(), s.buckets, c.bucket, c.back, c.more}
	}
}
