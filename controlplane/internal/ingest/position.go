package ingest

import (
	"context"
	"errors"
	"fmt"

	"connectrpc.com/connect"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

const epochsMax = 10_000 // in one question

// Positions says how far the books have the epochs of an edge. Books that were restored to an older state have less than they once acked.
func (s *Service) Positions(ctx context.Context, in *wire.PositionsRequest) (*wire.PositionsResponse, error) {
	edge, err := ident.FromBytes[ident.Edge](in.GetEdgeId())
	if err != nil || edge.IsZero() || len(in.GetEpochs()) > epochsMax {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("edge_id must have 16 bytes, and at most %d epochs are asked for at once", epochsMax))
	}
	known, err := positions(ctx, s.pool, edge)
	if err != nil {
		s.logger.ErrorContext(ctx, "the position of an edge cannot be read", "edge_id", edge, "error", err)
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("the books cannot be read now"))
	}
	out := &wire.PositionsResponse{}
	for _, epoch := range in.GetEpochs() {
		out.Positions = append(out.Positions, &wire.Position{Epoch: epoch, Seq: known[epoch]})
	}
	return out, nil
}
