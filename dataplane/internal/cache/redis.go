package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis is a store in a Redis. It has connections of its own: a long answer on one must not delay the shared counters.
type Redis struct{ client *redis.Client }

// NewRedis returns the store at the URL (redis://…). It connects when it is first asked.
func NewRedis(url string) (*Redis, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("read the Redis URL: %w", err)
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = keepWithin, keepWithin, keepWithin, keepWithin
	options.MaxRetries = -1
	options.PoolSize = findsMost
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	options.ContextTimeoutEnabled = true
	return &Redis{redis.NewClient(options)}, nil
}

// Get implements Store.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, error) {
	value, err := r.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) || redis.HasErrorPrefix(err, "WRONGTYPE") { // what stands there is not ours
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get from Redis: %w", err)
	}
	return value, nil
}

// Set implements Store.
func (r *Redis) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := r.client.Set(ctx, key, value, ttl).Err(); err != nil {
		return fmt.Errorf("set in Redis: %w", err)
	}
	return nil
}

const entryField = "v" // of an entry of a stream

// Add implements Store. A list is a stream: it numbers its entries itself, so that edges with clocks of their own read on where they were.
func (r *Redis) Add(ctx context.Context, key string, value []byte, most int, ttl time.Duration) error {
	_, err := r.client.TxPipelined(ctx, func(all redis.Pipeliner) error {
		all.XAdd(ctx, &redis.XAddArgs{Stream: key, MaxLen: int64(most), Values: []any{entryField, value}})
		all.PExpire(ctx, key, ttl)
		return nil
	})
	if err != nil {
		return fmt.Errorf("add to a stream in Redis: %w", err)
	}
	return nil
}

// After implements Store.
func (r *Redis) After(ctx context.Context, key, id string) ([]Entry, error) {
	from := "-"
	if id != "" {
		from = "(" + id
	}
	rows, err := r.client.XRange(ctx, key, from, "+").Result()
	if redis.HasErrorPrefix(err, "WRONGTYPE") { // what stands there is not ours
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a stream in Redis: %w", err)
	}
	entries := make([]Entry, len(rows))
	for i, row := range rows {
		text, _ := row.Values[entryField].(string) // what is none opens as nothing
		entries[i] = Entry{row.ID, []byte(text)}
	}
	return entries, nil
}
