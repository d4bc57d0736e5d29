package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
	"tollgate.dev/controlplane/internal/tenant"
)

// enterSource makes the records visible that were rejected for an organization, or for none.
func enterSource(ctx context.Context, tx pgx.Tx, org ident.Org) error {
	if org.IsZero() {
		return tenant.EnterNobody(ctx, tx)
	}
	return tenant.Enter(ctx, tx, org)
}

// rejectSources lists what wrote records that were rejected for an organization; for the zero one, for none that there was.
func rejectSources(ctx context.Context, pool *pgxpool.Pool, org ident.Org) (all []rejectSource, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := enterSource(ctx, tx, org); err != nil {
			return err
		}
		rows, err := ingestdb.New(tx).ListRejectSources(ctx, org)
		if err != nil {
			return fmt.Errorf("list what wrote rejected records of %s: %w", org, err)
		}
		for _, row := range rows {
			all = append(all, rejectSource{org, row.EdgeID, row.Epoch})
		}
		return nil
	})
	return all, err
}

// rejectsAfter returns a bounded number of records beyond a number, in order.
func rejectsAfter(ctx context.Context, pool *pgxpool.Pool, from rejectSource, seq int64) (all []record, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := enterSource(ctx, tx, from.org); err != nil {
			return err
		}
		rows, err := ingestdb.New(tx).ListRejects(ctx, ingestdb.ListRejectsParams{OrgID: from.org, EdgeID: from.edge, Epoch: from.epoch, AfterSeq: seq, Limit: retakeMax})
		if err != nil {
			return fmt.Errorf("list rejected records of %s: %w", from.org, err)
		}
		for _, row := range rows {
			all = append(all, record{uint64(row.Seq), row.Record})
		}
		return nil
	})
	return all, err
}

// dropRejects takes the records of events away from those that are rejected, and says which numbers were there.
func dropRejects(ctx context.Context, tx pgx.Tx, from rejectSource, events []*event) (there map[uint64]bool, err error) {
	if err := enterSource(ctx, tx, from.org); err != nil {
		return nil, err
	}
	seqs, err := ingestdb.New(tx).DropRejects(ctx, ingestdb.DropRejectsParams{
		OrgID: from.org, EdgeID: from.edge, Epoch: from.epoch, Numbers: column(events, func(e *event) int64 { return int64(e.seq) }),
	})
	if err != nil {
		return nil, fmt.Errorf("take rejected records of %s away: %w", from.org, err)
	}
	there = make(map[uint64]bool, len(seqs))
	for _, seq := range seqs {
		there[uint64(seq)] = true
	}
	return there, nil
}

// retakeOnce takes in, in one transaction, those of some events that are rejected still.
func (s *Service) retakeOnce(ctx context.Context, from rejectSource, good []*event) error {
	ctx, cancel := context.WithTimeout(ctx, commitMax)
	defer cancel()
	var taken []*event
	var left []*pending
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		quicken(tx.Conn())
		if err := begin(ctx, tx, span{edge: from.edge, epoch: from.epoch}); err != nil {
			return err
		}
		there, err := dropRejects(ctx, tx, from, good)
		if err != nil {
			return err
		}
		taken = slices.DeleteFunc(slices.Clone(good), func(e *event) bool { return !there[e.seq] }) // another has taken the rest in
		waiting, refused, err := s.book(ctx, tx, from.edge, taken)
		if err == nil && len(refused) > 0 {
			err = errors.New(refused[0].reason)
		}
		left = waiting
		return err
	})
	if err != nil || len(taken) == 0 {
		return err
	}
	s.booked(left)
	s.logger.InfoContext(ctx, "usage that was rejected is taken in", "edge_id", from.edge, "org_id", from.org, "records", len(taken), "last_seq", taken[len(taken)-1].seq)
	s.tell(ctx, from.edge, taken, nil)
	return nil
}
