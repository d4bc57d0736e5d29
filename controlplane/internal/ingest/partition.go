package ingest

import (
	"context"
	"errors"
	"time"
)

const (
	daysAhead = 3         // partitions are made for today and so many days after it
	keepEvery = time.Hour // a day has 24 tries before its partition is needed
	keepMax   = 25 * time.Second
	dropsMax  = 1000 // calls in one round
	day       = 24 * time.Hour
)

// Keeper makes the daily partitions of usage events ahead of time and drops those that are older than the retention.
// Sums by hour are never dropped. What was rejected it tries again.
type Keeper struct {
	service   *Service
	retention time.Duration
}

// Keeper returns the keeper of the service's partitions. Events of days (UTC) that ended longer ago than the retention, in
// whole days, are dropped; 0: none ever.
func (s *Service) Keeper(retention time.Duration) *Keeper {
	return &Keeper{service: s, retention: retention.Truncate(day)}
}

// Run keeps house at once and then every hour, until ctx ends. What fails is logged and tried again.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		if err := k.Keep(ctx); err != nil && ctx.Err() == nil {
			k.service.logger.ErrorContext(ctx, "usage is not kept as it should be; the next round tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Keep makes the partitions that are missing, drops what is too old, also of what providers keep, and takes in what was rejected and can be read now.
// A day whose rows are in the default partition already stays there.
func (k *Keeper) Keep(ctx context.Context) error {
	return errors.Join(k.keepDays(ctx), k.service.retake(ctx))
}

func (k *Keeper) keepDays(ctx context.Context) error {
	today := k.service.now().UTC().Truncate(day)
	for ahead := range daysAhead + 1 {
		at := today.AddDate(0, 0, ahead)
		calling, cancel := context.WithTimeout(ctx, keepMax)
		made, err := makePartition(calling, k.service.pool, at)
		cancel()
		if err != nil {
			return err
		}
		if made {
			k.service.logger.InfoContext(ctx, "a usage partition is made", "day", at.Format(time.DateOnly))
		}
	}
	if err := dropAwaited(ctx, k.service.pool); err != nil || k.retention <= 0 {
		return err
	}
	return k.drop(ctx, today.Add(-k.retention))
}

// drop calls until nothing is left, since one call takes a bounded number of rows.
func (k *Keeper) drop(ctx context.Context, before time.Time) error {
	for range dropsMax {
		calling, cancel := context.WithTimeout(ctx, keepMax)
		from, err := dropBefore(calling, k.service.pool, before)
		cancel()
		if err != nil || len(from) == 0 {
			return err
		}
		k.service.logger.WarnContext(ctx, "usage events past their retention are dropped; the sums by hour stay",
			"before", before.Format(time.DateOnly), "retention", k.retention, "partitions", from)
	}
	return nil
}
