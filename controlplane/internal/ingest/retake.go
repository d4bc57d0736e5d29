package ingest

import (
	"context"

	"tollgate.dev/controlplane/internal/ident"
)

const retakeMax = 1000 // records that are tried again in one transaction

// rejectSource is what wrote records that are rejected: one process of an edge, for one organization; the zero one: for none that there was.
type rejectSource struct {
	org   ident.Org
	edge  ident.Edge
	epoch uint64
}

// retake tries all records again that were rejected: what an older version could not read, or a database refused. Those that the books take are rejected
// no more, in one transaction; the others stay as they are.
func (s *Service) retake(ctx context.Context) error {
	orgs, err := foldOrgs(ctx, s.pool)
	if err != nil {
		return err
	}
	exists := make(map[ident.Org]bool, len(orgs))
	for _, org := range orgs {
		exists[org] = true
	}
	for _, org := range append(orgs, ident.Org{}) {
		sources, err := rejectSources(ctx, s.pool, org)
		if err != nil {
			return err
		}
		for _, from := range sources {
			if err := s.retakeFrom(ctx, from, exists); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) retakeFrom(ctx context.Context, from rejectSource, exists map[ident.Org]bool) error {
	for after := int64(-1); ; {
		records, err := rejectsAfter(ctx, s.pool, from, after)
		if err != nil || len(records) == 0 {
			return err
		}
		after = int64(records[len(records)-1].seq)
		var good []*event
		for _, each := range records {
			if parsed, err := read(each, new(room)); err == nil && exists[parsed.org] {
				good = append(good, parsed)
			}
		}
		if err := s.retakeAll(ctx, from, good); err != nil {
			return err
		}
	}
}

// retakeAll takes in events that were rejected, one by one if there is a value among them that Postgres refuses.
func (s *Service) retakeAll(ctx context.Context, from rejectSource, good []*event) error {
	if len(good) == 0 {
		return nil
	}
	err := s.retakeOnce(ctx, from, good)
	if !blames(err) {
		return err
	}
	if len(good) == 1 {
		return nil
	}
	for _, each := range good {
		if err := s.retakeAll(ctx, from, []*event{each}); err != nil {
			return err
		}
	}
	return nil
}
