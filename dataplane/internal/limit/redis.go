package limit

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"tollgate.dev/dataplane/wire"
)

const (
	answerWithin = 5 * time.Millisecond
	edgeSeconds  = 5 // an edge that has not said for so long that it lives is not counted
)

// takeScript counts in buckets of one second by Redis' own clock, so that edges need not agree on the time: never more than the
// limit in any 60 seconds, never fewer than 60/61 of it. All numbers stay small integers, because real Redis prints larger ones
// with 14 digits only.
const takeScript = `
local now = tonumber(redis.call('TIME')[1])
local limit, want = tonumber(ARGV[1]), tonumber(ARGV[2])
local counts, used, live = redis.call('HGETALL', KEYS[1]), 0, {}
for i = 1, #counts, 2 do
  local second = tonumber(counts[i])
  if second < now - 60 then
    redis.call('HDEL', KEYS[1], counts[i])
  else
    local n = tonumber(counts[i + 1])
    used = used + n
    live[#live + 1] = {second, n}
  end -- of a bucket that still counts
end
local granted = math.min(want, limit - used)
if granted > 0 then
  redis.call('HINCRBY', KEYS[1], string.format('%.0f', now), string.format('%.0f', granted))
  redis.call('EXPIRE', KEYS[1], 62)
  return {granted, 0}
end
table.sort(live, function(a, b) return a[1] < b[1] end)
for _, bucket in ipairs(live) do
  used = used - bucket[2]
  if used < limit then return {0, bucket[1] + 61 - now} end -- the wait
end
return {0, 60}
`

// liveScript says that an edge lives and counts those that do.
const liveScript = `
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - tonumber(ARGV[2])))
return redis.call('ZCARD', KEYS[1])
`

// Redis counts for all edges that share a Redis.
type Redis struct {
	client *redis.Client
	script *redis.Script
	live   *redis.Script
	edge   string
	alive  atomic.Int64
}

// NewRedis returns a counter over the Redis at the URL (redis://…). It connects when it is first asked. Edge names this edge.
func NewRedis(url string, edge wire.ID) (*Redis, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = answerWithin, answerWithin, answerWithin, answerWithin
	options.MaxRetries = -1
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.ContextTimeoutEnabled = true
	r := &Redis{client: redis.NewClient(options), script: redis.NewScript(takeScript), live: redis.NewScript(liveScript), edge: edge.String()}
	r.alive.Store(1)
	return r, nil
}

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Run tells the other edges every second that this one lives, until ctx ends.
func (r *Redis) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		r.announce(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// announce keeps the last known number of edges when Redis does not answer.
func (r *Redis) announce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if n, err := r.live.Run(ctx, r.client, []string{"tollgate:edges"}, r.edge, strconv.Itoa(edgeSeconds)).Int64(); err == nil && n > 0 {
		r.alive.Store(n)
	}
}

func (r *Redis) edges() int { return int(r.alive.Load()) }

func (r *Redis) take(ctx context.Context, key wire.ID, limit, want int) (int, time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerWithin)
	defer cancel()
	name := "tollgate:rpm:{" + key.String() + "}"
	answer, err := r.script.Run(ctx, r.client, []string{name}, strconv.Itoa(limit), strconv.Itoa(want)).Int64Slice()
	if err != nil {
		return 0, 0, fmt.Errorf("count in Redis: %w", err)
	}
	if len(answer) != 2 {
		return 0, 0, fmt.Errorf("count in Redis: %d numbers", len(answer))
	}
	return int(answer[0]), time.Duration(answer[1]) * time.Second, nil
}
