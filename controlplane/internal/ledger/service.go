package ledger

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/tenant"
)

const (
	recallWait  = 50 * time.Millisecond  // how long a claim waits for what other edges hand back
	recallApart = 200 * time.Millisecond // between two recalls of one account
	activeFor   = 10 * time.Minute       // an edge that used an account so lately gets a share of what is left
)

// Service answers the claims of edges.
type Service struct {
	db      *tenant.DB
	now     func() time.Time
	logger  *slog.Logger
	returns *returns

	granted, exhausted, unknown atomic.Uint64
}

// Counts are the answers to claims that asked for money, of this process since its start.
type Counts struct{ Granted, Exhausted, UnknownBudget uint64 }

// Counts returns the process's figures, for metrics.
func (s *Service) Counts() Counts {
	return Counts{Granted: s.granted.Load(), Exhausted: s.exhausted.Load(), UnknownBudget: s.unknown.Load()}
}

func (s *Service) count(claims []Claim, grants []Grant) {
	for i := range grants {
		switch {
		case grants[i].Verdict == Exhausted:
			s.exhausted.Add(1)
		case grants[i].Verdict == UnknownBudget:
			s.unknown.Add(1)
		case claims[i].Need > 0:
			s.granted.Add(1)
		}
	}
}

// New returns a Service over the tenants' database.
func New(db *tenant.DB, now func() time.Time, logger *slog.Logger) *Service {
	return &Service{db: db, now: now, logger: logger, returns: newReturns()}
}

// Claim answers an edge's claims in their order. A budget without enough left is Exhausted only after the other edges that hold
// leases of it were asked to hand back and have had a moment to do so.
func (s *Service) Claim(ctx context.Context, edge ident.Edge, claims []Claim) ([]Grant, error) {
	grants := make([]Grant, len(claims))
	order := lockOrder(claims)
	for len(order) > 0 {
		n := 1
		for n < len(order) && claims[order[n]].Org == claims[order[0]].Org {
			n++
		}
		if err := s.claimOrg(ctx, edge, claims, order[:n], grants); err != nil {
			return nil, err
		}
		order = order[n:]
	}
	for i := range grants {
		if grants[i].Verdict == Exhausted {
			if err := s.retry(ctx, edge, claims, i, grants); err != nil {
				return nil, err
			}
		}
	}
	s.count(claims, grants)
	return grants, nil
}

// claimOrg answers the claims with those indexes, all of one organization, in one transaction.
func (s *Service) claimOrg(ctx context.Context, edge ident.Edge, claims []Claim, order []int, grants []Grant) error {
	var returned []Key
	err := s.db.Write(ctx, claims[order[0]].Org, func(tx pgx.Tx) error {
		returned = returned[:0]
		for _, i := range order {
			grant, back, err := s.claim(ctx, tx, edge, claims[i])
			if err != nil {
				return err
			}
			if back > 0 {
				returned = append(returned, claims[i].Key)
			}
			grants[i] = grant
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range returned {
		s.returns.announce(key)
	}
	return nil
}

func (s *Service) claim(ctx context.Context, tx pgx.Tx, edge ident.Edge, claim Claim) (grant Grant, back int64, err error) {
	e, err := openEntry(ctx, tx, claim.Key, edge, s.now(), true)
	if errors.Is(err, errUnknownBudget) {
		return Grant{Key: claim.Key, Verdict: UnknownBudget, GrantedTotal: claim.GrantedTotal, ReturnedTotal: claim.ReturnedTotal}, 0, nil
	}
	if err != nil {
		return Grant{}, 0, err
	}
	adopted := e.book.adopt(&e.lease, claim.GrantedTotal)
	if adopted > 0 {
		s.logger.WarnContext(ctx, "an edge remembers a grant that the ledger does not", "org_id", claim.Org, "budget_id", claim.Budget, "edge_id", edge, "pico_usd", adopted)
	}
	back = e.book.takeBack(&e.lease, claim.ReturnedTotal)
	if adopted > 0 || back > 0 {
		if err := e.save(ctx, true); err != nil {
			return Grant{}, 0, err
		}
	}
	verdict, err := s.decide(ctx, e, claim)
	if err != nil {
		return Grant{}, 0, err
	}
	return Grant{
		Key: claim.Key, Verdict: verdict, GrantedTotal: e.lease.granted, ReturnedTotal: e.lease.returned, Remaining: max(e.book.free().Pico(), 0),
	}, back, nil
}

// decide grants what may be granted. An edge that does not know of its last grant is told of it and gets nothing more.
func (s *Service) decide(ctx context.Context, e *entry, claim Claim) (Verdict, error) {
	switch {
	case e.archived:
		return UnknownBudget, nil
	case claim.Need <= 0, claim.GrantedTotal < e.lease.granted:
		return OK, nil
	}
	edges, err := e.edges(ctx)
	if err != nil {
		return 0, err
	}
	amount := e.book.grantable(e.lease, claim, edges)
	if amount == 0 {
		return Exhausted, nil
	}
	granted, err := e.grant(ctx, amount)
	if err != nil {
		return 0, err
	}
	if !granted {
		return Exhausted, nil
	}
	return OK, e.save(ctx, false)
}

// retry recalls the account's other leases and claims again whenever something came back, until the wait is over.
func (s *Service) retry(ctx context.Context, edge ident.Edge, claims []Claim, i int, grants []Grant) error {
	key := claims[i].Key
	if !s.returns.mayRecall(key, s.now()) {
		return nil
	}
	back := s.returns.next(key)
	holders := 0
	err := s.db.Write(ctx, key.Org, func(tx pgx.Tx) (err error) {
		holders, err = recall(ctx, tx, key, edge)
		return err
	})
	if err != nil || holders == 0 {
		return err
	}
	over := time.NewTimer(recallWait)
	defer over.Stop()
	for last := false; !last && grants[i].Verdict == Exhausted; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over.C:
			last = true
		case <-back:
			back = s.returns.next(key)
		}
		if err := s.claimOrg(ctx, edge, claims, []int{i}, grants); err != nil {
			return err
		}
	}
	return nil
}

// Forfeit puts what a lost edge holds of one organization's budgets in doubt, with an audit entry, and returns the sum. The edge must have
// been fenced before. Nothing leaves doubt by itself: usage that the edge has left behind does, when it arrives.
func (s *Service) Forfeit(ctx context.Context, actor authz.Actor, edge ident.Edge, name string) (sum money.Amount, err error) {
	nothing := errors.New("the edge holds nothing")
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		sum = money.Amount{}
		keys, err := outstanding(ctx, tx, actor.Org, edge)
		if err != nil {
			return audit.Entry{}, err
		}
		for _, key := range keys {
			e, err := openEntry(ctx, tx, key, edge, s.now(), false)
			if err != nil {
				return audit.Entry{}, err
			}
			sum = sum.Add(money.FromPico(e.book.doubt(&e.lease)))
			if err := e.save(ctx, true); err != nil {
				return audit.Entry{}, err
			}
		}
		if sum.Sign() == 0 {
			return audit.Entry{}, nothing
		}
		return audit.Entry{Action: "edge.fence", SubjectID: edge.UUID, SubjectName: name, After: map[string]money.Amount{"in_doubt_pico": sum}}, nil
	})
	if errors.Is(err, nothing) {
		return money.Amount{}, nil
	}
	return sum, err
}

// lockOrder returns the indexes of the claims in the order in which their accounts are locked.
func lockOrder(claims []Claim) []int {
	order := make([]int, len(claims))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return claims[a].compare(claims[b].Key) })
	return order
}

// Sum adds up charges to one for each account, in the lock order.
func Sum(charges []Charge) []Charge {
	sorted := slices.Clone(charges)
	slices.SortStableFunc(sorted, func(a, b Charge) int { return a.compare(b.Key) })
	var sums []Charge
	for _, charge := range sorted {
		if n := len(sums); n > 0 && sums[n-1].Key == charge.Key {
			sums[n-1].Spent = saturated(sums[n-1].Spent, charge.Spent)
			sums[n-1].InDoubt = saturated(sums[n-1].InDoubt, charge.InDoubt)
			continue
		}
		sums = append(sums, charge)
	}
	return sums
}
