package edges

import (
	"context"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/dataplane/wire"
)

// noteGaps writes down how many calls of which organization the edge has served without a record, where that has changed since the last time.
// What fails is written with the next status.
func (s *Service) noteGaps(ctx context.Context, session *session, all []*wire.Unrecorded) {
	for _, each := range all {
		org, err := ident.FromBytes[ident.Org](each.GetOrgId())
		known, had := session.gaps[org]
		if err != nil || org.IsZero() || known == each.GetCalls() && (had || known == 0) {
			continue
		}
		storing, cancel := context.WithTimeout(ctx, storeMax)
		err = s.db.Write(storing, org, func(tx pgx.Tx) error {
			return saveGap(storing, tx, session.hello.edge, session.hello.epoch, org, each.GetCalls(), s.now())
		})
		cancel()
		if err != nil {
			s.logger.ErrorContext(ctx, "calls without a record are not written down", "edge_id", session.hello.edge, "org_id", org, "calls", each.GetCalls(), "error", err)
			continue
		}
		session.gaps[org] = each.GetCalls()
	}
}
