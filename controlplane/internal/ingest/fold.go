package ingest

import (
	"context"
	"time"
)

const (
	foldEvery = 5 * time.Minute
	foldMax   = 10 * time.Minute // one hour of one organization
)

// Folder adds hours that are over to their days. Sums by day are exact without it: they are read from the hours until then.
type Folder struct{ service *Service }

// Folder returns the folder of the service's hours.
func (s *Service) Folder() *Folder { return &Folder{service: s} }

// Run folds at once and then every few minutes, until ctx ends. What fails is logged and tried again.
func (f *Folder) Run(ctx context.Context) error {
	tick := time.NewTicker(foldEvery)
	defer tick.Stop()
	for {
		if err := f.Fold(ctx); err != nil && ctx.Err() == nil {
			f.service.logger.ErrorContext(ctx, "hours are not folded into days; the next round tries again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Fold folds every hour that is over, each in a transaction of its own. Several replicas may do so at once.
func (f *Folder) Fold(ctx context.Context) error {
	until, err := overUntil(ctx, f.service.pool)
	if err != nil {
		return err
	}
	orgs, err := foldOrgs(ctx, f.service.pool)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		for again := true; again; {
			calling, cancel := context.WithTimeout(ctx, foldMax)
			again, err = foldOne(calling, f.service.pool, org, until)
			cancel()
			if err != nil {
				return err
			}
		}
	}
	return nil
}
