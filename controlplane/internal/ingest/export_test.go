package ingest

import (
	"context"
	"time"
)

// FoldTaken folds what the process took in, due or not.
func (f *Folder) FoldTaken(ctx context.Context) error {
	for {
		if more, err := f.foldNext(ctx, time.Now().Add(foldAfter)); err != nil || !more {
			return err
		}
	}
}

// Sweep folds what the process does not keep the sums of.
func (f *Folder) Sweep(ctx context.Context) error { return f.sweep(ctx) }
