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
