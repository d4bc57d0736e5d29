package edges

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ledger"
	"tollgate.dev/dataplane/wire"
	"tollgate.dev/dataplane/wire/lease"
)

const (
	claimsMax = 1000            // in one call
	sentMax   = 5 * time.Minute // on its way; an older call may be of a lease that nobody remembers
)

// Lease answers an edge's claims. Only the edge's current process may claim.
func (s *Service) Lease(ctx context.Context, request *connect.Request[wire.LeaseRequest]) (*connect.Response[wire.LeaseResponse], error) {
	edge, claims, err := readClaims(request.Msg)
	if err != nil {
		return nil, connect.NewError(connect.CodeInvalidArgument, err)
	}
	if sent := request.Msg.GetSentUnixMs(); sent != 0 && s.now().Sub(time.UnixMilli(sent)) > sentMax {
		return nil, connect.NewError(connect.CodeDeadlineExceeded, fmt.Errorf("the call was sent at %s", time.UnixMilli(sent).UTC().Format(time.RFC3339)))
	}
	if err := checkEpoch(ctx, s.pool, edge, request.Msg.GetEpoch()); err != nil {
		return nil, refusal(err)
	}
	grants, err := s.lender.Claim(ctx, edge, claims)
	if err != nil {
		s.logger.ErrorContext(ctx, "claims are not answered", "edge_id", edge, "error", err)
		return nil, connect.NewError(connect.CodeUnavailable, errors.New("the ledger cannot be reached now"))
	}
	out := &wire.LeaseResponse{Grants: make([]*wire.LeaseGrant, len(grants))}
	for i, grant := range grants {
		out.Grants[i] = &wire.LeaseGrant{
			OrgId: grant.Org.Bytes(), BudgetId: grant.Budget.Bytes(), PeriodStartUnixMs: grant.PeriodStart.UnixMilli(), Verdict: verdictOf(grant.Verdict),
			GrantedTotalPico: grant.GrantedTotal, ReturnedTotalPico: grant.ReturnedTotal, RemainingPico: grant.Remaining,
			Subject: grant.Subject, LeaseNo: grant.LeaseNo, Closed: grant.Closed,
		}
	}
	return connect.NewResponse(out), nil
}

func readClaims(in *wire.LeaseRequest) (ident.Edge, []ledger.Claim, error) {
	edge, err := ident.FromBytes[ident.Edge](in.GetEdgeId())
	if err != nil || edge.IsZero() {
		return ident.Edge{}, nil, errors.New("edge_id must have 16 bytes")
	}
	if len(in.GetClaims()) > claimsMax {
		return ident.Edge{}, nil, fmt.Errorf("at most %d claims in one call", claimsMax)
	}
	claims := make([]ledger.Claim, len(in.GetClaims()))
	for i, each := range in.GetClaims() {
		org, orgErr := ident.FromBytes[ident.Org](each.GetOrgId())
		budget, budgetErr := ident.FromBytes[ident.Budget](each.GetBudgetId())
		if orgErr != nil || budgetErr != nil || org.IsZero() || budget.IsZero() {
			return ident.Edge{}, nil, fmt.Errorf("claims[%d]: org_id and budget_id must have 16 bytes", i)
		}
		if min(each.GetGrantedTotalPico(), each.GetReturnedTotalPico(), each.GetSettledTotalPico(), each.GetNeedPico(), each.GetWantPico()) < 0 {
			return ident.Edge{}, nil, fmt.Errorf("claims[%d]: an amount is negative", i)
		}
		if !wire.ValidSubject(each.GetSubject()) {
			return ident.Edge{}, nil, fmt.Errorf("claims[%d]: subject must be text of at most %d bytes", i, wire.SubjectBytesMax)
		}
		key := ledger.Key{Org: org, Budget: budget, PeriodStart: time.UnixMilli(each.GetPeriodStartUnixMs()).UTC(), Subject: each.GetSubject()}
		claims[i] = ledger.Claim{Line: ledger.Line{Key: key, LeaseNo: each.GetLeaseNo()}, Claim: lease.Claim{
			GrantedTotal: each.GetGrantedTotalPico(), ReturnedTotal: each.GetReturnedTotalPico(), Need: each.GetNeedPico(), Want: each.GetWantPico(),
			SettledTotal: each.GetSettledTotalPico(), Closing: each.GetClosing(),
		}}
	}
	return edge, claims, nil
}

func verdictOf(verdict ledger.Verdict) wire.LeaseVerdict {
	switch verdict {
	case ledger.OK:
		return wire.LeaseVerdict_LEASE_VERDICT_OK
	case ledger.Exhausted:
		return wire.LeaseVerdict_LEASE_VERDICT_EXHAUSTED
	case ledger.Later:
		return wire.LeaseVerdict_LEASE_VERDICT_LATER
	default:
		return wire.LeaseVerdict_LEASE_VERDICT_UNKNOWN_BUDGET
	}
}
