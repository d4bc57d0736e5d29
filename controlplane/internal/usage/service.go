package usage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/money"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what people ask about usage.
type Service struct {
	db   *tenant.DB
	feed *Feed
	now  func() time.Time
}

// New returns a Service over the tenants' database and a feed of changes.
func New(db *tenant.DB, feed *Feed, now func() time.Time) *Service {
	return &Service{db: db, feed: feed, now: now}
}

// Changes returns a channel that receives after new usage of the organization, at most twice a second, until ctx ends; then it is closed.
func (s *Service) Changes(ctx context.Context, org ident.Org) <-chan struct{} {
	return s.feed.Changes(ctx, org)
}

// Hours returns the sums of each hour and group, by hour and then by group.
func (s *Service) Hours(ctx context.Context, actor authz.Actor, query HoursQuery) (all []HourCost, err error) {
	if err := query.check(); err != nil {
		return nil, err
	}
	err = s.sums(ctx, actor, func(tx pgx.Tx) error {
		all, err = hours(ctx, tx, actor.Org, query)
		return err
	})
	return all, err
}

// CostsBy returns what each agent, workspace and so on cost in the hours of a range, and nothing else of them: it is for who looks at many hours
// often. From is rounded down to its hour.
func (s *Service) CostsBy(ctx context.Context, actor authz.Actor, groups []Group, from, to time.Time) (all []Hourly, err error) {
	err = s.sums(ctx, actor, func(tx pgx.Tx) error {
		all, err = costsBy(ctx, tx, actor.Org, groups, from, to)
		return err
	})
	return all, err
}

// Totals returns the sums of a range of whole hours; from is rounded down to its hour.
func (s *Service) Totals(ctx context.Context, actor authz.Actor, from, to time.Time) (sums Totals, err error) {
	err = s.sums(ctx, actor, func(tx pgx.Tx) error {
		sums, err = totals(ctx, tx, actor.Org, from, to)
		return err
	})
	return sums, err
}

// Spend returns what was spent in a range and on what.
func (s *Service) Spend(ctx context.Context, actor authz.Actor, query SpendQuery) (found Spend, err error) {
	q, names, err := s.prepare(ctx, actor, query)
	if err != nil {
		return Spend{}, err
	}
	err = s.sums(ctx, actor, func(tx pgx.Tx) error {
		fill := found.fromSlices
		if q.Where != (Where{}) {
			fill = found.fromParts
		}
		if err := fill(ctx, tx, actor.Org, q, names); err != nil || q.GroupBy != ByRun {
			return err
		}
		all, err := dearestRuns(ctx, tx, actor.Org, q)
		found.Groups = make([]Share, len(all))
		for i := range all {
			found.Groups[i] = Share{GroupID: all[i].RunID, GroupName: all[i].RunID, Figures: all[i].Figures}
		}
		return err
	})
	found.Others.add(&found.Total.Figures, 1)
	for i := range found.Groups {
		found.Others.add(&found.Groups[i].Figures, -1)
	}
	return found, err
}

// prepare checks a query and looks up what its groups are called.
func (s *Service) prepare(ctx context.Context, actor authz.Actor, query SpendQuery) (q SpendQuery, names names, err error) {
	if q, err = query.normal(); err != nil {
		return q, nil, err
	}
	err = s.read(ctx, actor, func(tx pgx.Tx) error {
		names, err = namesOf(ctx, tx, actor.Org, q.GroupBy)
		return err
	})
	return q, names, err
}

// piece reads the next rows of an export.
func (s *Service) piece(ctx context.Context, actor authz.Actor, q SpendQuery, names names, after row) (rows []row, err error) {
	err = s.sums(ctx, actor, func(tx pgx.Tx) error {
		rows, err = exported(ctx, tx, actor.Org, q, names, after, exportedAtOnce)
		return err
	})
	return rows, err
}

// Labels returns the names of the labels that calls of a range had, by name.
func (s *Service) Labels(ctx context.Context, actor authz.Actor, from, to time.Time) (all []string, err error) {
	err = s.read(ctx, actor, func(tx pgx.Tx) error {
		all, err = tagNames(ctx, tx, actor.Org, from, to)
		return err
	})
	return all, err
}

// Runs returns runs that began in a range, the dearest first. The query's Where may name a workspace, an agent and a virtual key.
func (s *Service) Runs(ctx context.Context, actor authz.Actor, query SpendQuery) (all []Run, err error) {
	query.GroupBy = ByRun
	q, _, err := s.prepare(ctx, actor, query)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, actor, func(tx pgx.Tx) error {
		all, err = dearestRuns(ctx, tx, actor.Org, q)
		return err
	})
	return all, err
}

// Run returns a run with its calls, as far as single calls are still kept.
func (s *Service) Run(ctx context.Context, actor authz.Actor, id string) (detail RunDetail, err error) {
	calls, place, err := Filter{Limit: limitMax, RunID: id}.normal(s.now())
	if err != nil {
		return RunDetail{}, err
	}
	err = s.read(ctx, actor, func(tx pgx.Tx) error {
		found, err := runs(ctx, tx, actor.Org, SpendQuery{To: s.now().Add(farAhead), Limit: 1}, id)
		if err != nil {
			return err
		}
		if id == "" || len(found) == 0 {
			return fault.New(fault.NotFound, "there is no run %q", id)
		}
		detail.Run = found[0]
		calls.From, calls.To = detail.FirstAt, detail.LastAt.Add(time.Microsecond)
		detail.Calls, err = events(ctx, tx, actor.Org, calls, place, ident.Event{})
		slices.Reverse(detail.Calls)
		return err
	})
	return detail, err
}

// Kept returns since when single calls are kept; zero: there are none. What is older has its sums alone.
func (s *Service) Kept(ctx context.Context, actor authz.Actor) (since time.Time, err error) {
	err = s.read(ctx, actor, func(tx pgx.Tx) error {
		since, err = oldest(ctx, tx, actor.Org)
		return err
	})
	return since, err
}

// Refusals returns how often each code refused in a range of whole hours, the most frequent first.
func (s *Service) Refusals(ctx context.Context, actor authz.Actor, from, to time.Time) (all []Refusal, err error) {
	err = s.sums(ctx, actor, func(tx pgx.Tx) error {
		all, err = refusals(ctx, tx, actor.Org, from, to)
		return err
	})
	return all, err
}

// Events returns a page of events, newest first. A page may end early, even without items, where long nothing was found: its Next goes on.
func (s *Service) Events(ctx context.Context, actor authz.Actor, filter Filter) (page Page, err error) {
	filter, from, err := filter.normal(s.now())
	if err != nil {
		return Page{}, err
	}
	limit := filter.Limit
	filter.Limit++ // one more says whether there is another page
	var rest place
	err = s.read(ctx, actor, func(tx pgx.Tx) error {
		there, err := filter.within(ctx, tx, actor.Org)
		if err != nil || !there {
			return err
		}
		page.Items, rest, err = filter.matching(ctx, tx, actor.Org, from)
		return err
	})
	if len(page.Items) > limit {
		page.Items = page.Items[:limit]
		last := page.Items[limit-1]
		rest = place{at: last.StartedAt, event: last.ID.UUID}
	}
	if !rest.at.IsZero() {
		page.Next = rest.cursor()
	}
	return page, err
}

// Event returns one event with its price and the attempts of its request.
func (s *Service) Event(ctx context.Context, actor authz.Actor, id ident.Event) (detail Detail, err error) {
	if id.IsZero() {
		return Detail{}, fault.New(fault.NotFound, "there is no usage event without an id")
	}
	anything, from, err := Filter{Limit: limitMax}.normal(s.now())
	if err != nil {
		return Detail{}, err
	}
	err = s.read(ctx, actor, func(tx pgx.Tx) error {
		at, err := whenStarted(ctx, tx, actor.Org, id)
		if err != nil {
			return err
		}
		only := anything
		only.From, only.To = at, at.Add(time.Microsecond)
		found, err := events(ctx, tx, actor.Org, only, from, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fault.New(fault.NotFound, "there is no usage event %s", id)
		}
		detail.Event = found[0]
		if detail.Price, err = price(ctx, tx, actor.Org, detail.PriceID); err != nil {
			return err
		}
		if detail.Discount, err = price(ctx, tx, actor.Org, detail.DiscountID); err != nil {
			return err
		}
		siblings := anything
		siblings.RequestID = detail.RequestID
		siblings.From, siblings.To = detail.StartedAt.Add(-requestMax), detail.StartedAt.Add(requestMax)
		detail.Attempts, err = events(ctx, tx, actor.Org, siblings, from, ident.Event{})
		slices.SortFunc(detail.Attempts, func(a, b Event) int { return cmp.Or(a.StartedAt.Compare(b.StartedAt), a.Attempt-b.Attempt) })
		return err
	})
	return detail, err
}

// CostByPlace returns what calls cost in each hour (UTC) by where they were made, for the rooms that keep rules of places. From is rounded down
// to its hour; hours without cost are left out. A place with a value for each is the sum of all of them.
func (s *Service) CostByPlace(ctx context.Context, org ident.Org, places []scope.Place, from, to time.Time) (all map[scope.Place]map[time.Time]money.Amount, err error) {
	err = s.ranges(ctx, org, func(tx pgx.Tx) error {
		if err := planForSums(ctx, tx); err != nil {
			return err
		}
		all, err = costByPlace(ctx, tx, org, places, from, to)
		return err
	})
	return all, err
}

func (s *Service) read(ctx context.Context, actor authz.Actor, do func(pgx.Tx) error) error {
	if err := actor.Require(authz.UsageRead); err != nil {
		return err
	}
	return s.ranges(ctx, actor.Org, do)
}

// sums reads in a transaction that is planned for sums alone.
func (s *Service) sums(ctx context.Context, actor authz.Actor, do func(pgx.Tx) error) error {
	return s.read(ctx, actor, func(tx pgx.Tx) error {
		if err := planForSums(ctx, tx); err != nil {
			return err
		}
		return do(tx)
	})
}

// ranges runs do in a transaction that is planned for sums and lists of one organization.
func (s *Service) ranges(ctx context.Context, org ident.Org, do func(pgx.Tx) error) error {
	return s.db.Read(ctx, org, func(tx pgx.Tx) error {
		if err := planForRanges(ctx, tx); err != nil {
			return err
		}
		return do(tx)
	})
}
