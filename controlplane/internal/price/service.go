package price

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
)

// Service is what is done with prices.
type Service struct {
	pool *pgxpool.Pool
	db   *tenant.DB
	now  func() time.Time
}

// New returns a Service over the app's pool, for the catalog belongs to no organization, and a clock.
func New(pool *pgxpool.Pool, now func() time.Time) *Service {
	return &Service{pool: pool, db: tenant.New(pool), now: now}
}

// Load brings the embedded table into the catalog, but for models of which the operator has imported prices. Only when that changes
// something the platform's generation is bumped, in the same transaction; so any number of replicas may load at their start.
func (s *Service) Load(ctx context.Context) (changed bool, err error) {
	table, err := Embedded()
	if err != nil {
		return false, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if changed, err = load(ctx, tx, table); err != nil || !changed {
			return err
		}
		return tenant.BumpPlatform(ctx, tx)
	})
	return changed && err == nil, err
}

// Import puts the operator's table into the catalog, for every organization. What it says of a model goes before the embedded table, also
// at later starts. A dry run only says what would change.
func (s *Service) Import(ctx context.Context, table io.Reader, dryRun bool) (found Difference, err error) {
	prices, err := Parse(table)
	if err != nil {
		return Difference{}, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		held, err := list(ctx, tx, "")
		if err != nil {
			return err
		}
		found = compareCatalog(held, prices)
		if err := found.arranges(held); err != nil || dryRun {
			return err
		}
		if err := take(ctx, tx, prices); err != nil {
			return err
		}
		if err := recordEverywhere(ctx, tx, found); err != nil {
			return err
		}
		return tenant.BumpPlatform(ctx, tx)
	})
	return found, err
}

// Catalog returns the whole catalog, for the operator.
func (s *Service) Catalog(ctx context.Context) (all []Price, err error) {
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, "")
		return err
	})
	return all, err
}

// List returns the prices whose catalog and model contain the text, every date of them.
func (s *Service) List(ctx context.Context, actor authz.Actor, search string) (all []Price, err error) {
	if err := actor.Require(authz.PriceRead); err != nil {
		return nil, err
	}
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		all, err = list(ctx, tx, search)
		return err
	})
	return all, err
}

// Own returns what the organization pays instead of the catalog's prices and what it ever paid, ceilings too, by kind, catalog, model and
// date, the newest first.
func (s *Service) Own(ctx context.Context, actor authz.Actor) (all []Own, err error) {
	if err := actor.Require(authz.PriceRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = ListOwn(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// Add adds a price of the organization's own. A time in the past changes nothing that has been charged; a re-price job does.
func (s *Service) Add(ctx context.Context, actor authz.Actor, in Input) (added Own, err error) {
	if err := actor.Require(authz.PriceWrite); err != nil {
		return Own{}, err
	}
	added, wrong := in.clean(s.now())
	if err := wrong.Err(); err != nil {
		return Own{}, err
	}
	added.ID, added.CreatedBy = ident.New[ident.Price](), actor.Name
	err = s.change(ctx, actor, func(tx pgx.Tx, held []Own) (audit.Entry, error) {
		if err := arranged(append(slices.Clone(held), added)); err != nil {
			return audit.Entry{}, err
		}
		added.CreatedAt = s.now()
		return entry("price.create", added, nil, added), insertOwn(ctx, tx, actor.Org, added)
	})
	return added, err
}

// End ends a price of the organization's own at a time, with its tiers and services; the zero time is now. One that has not begun is
// taken back. It may be ended in the past; what has been charged changes only by a re-price job.
func (s *Service) End(ctx context.Context, actor authz.Actor, id ident.Price, at time.Time) (ended Own, err error) {
	if err := actor.Require(authz.PriceWrite); err != nil {
		return Own{}, err
	}
	if at.IsZero() {
		at = s.now()
	}
	at = at.UTC().Truncate(time.Millisecond)
	err = s.change(ctx, actor, func(tx pgx.Tx, held []Own) (audit.Entry, error) {
		i := slices.IndexFunc(held, func(o Own) bool { return o.ID == id && o.Kind != Ceiling })
		if i < 0 {
			return audit.Entry{}, fault.New(fault.NotFound, "there is no own price %s", id)
		}
		before := held[i]
		if before.EndedAt != nil && !at.Before(*before.EndedAt) {
			return audit.Entry{}, fault.New(fault.Conflict, "this price has ended already")
		}
		end := at
		if end.Before(before.EffectiveAt) {
			end = before.EffectiveAt
		}
		for _, each := range held {
			if each.family() == before.family() && (each.EndedAt == nil || end.Before(*each.EndedAt)) {
				if err := endOwn(ctx, tx, actor.Org, each.ID, end); err != nil {
					return audit.Entry{}, err
				}
			}
		}
		ended = before
		ended.EndedAt = &end
		return entry("price.end", ended, before, ended), nil
	})
	return ended, err
}

// Unknown returns what happens to calls of models that have no price, and which of the organization's models those are.
func (s *Service) Unknown(ctx context.Context, actor authz.Actor) (found Unknown, err error) {
	if err := actor.Require(authz.PriceRead); err != nil {
		return Unknown{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		held, err := ListOwn(ctx, tx, actor.Org)
		if err != nil {
			return err
		}
		found, err = s.unknown(ctx, tx, actor.Org, held)
		return err
	})
	return found, err
}

func (s *Service) unknown(ctx context.Context, tx pgx.Tx, org ident.Org, held []Own) (found Unknown, err error) {
	now := s.now()
	found.Policy = Refuse
	if i := slices.IndexFunc(held, func(o Own) bool { return o.Kind == Ceiling && o.Holds(now) }); i >= 0 {
		found.Policy, found.Ceiling = ChargeCeiling, &held[i]
	}
	found.Models, err = unpriced(ctx, tx, org, now)
	return found, err
}

// SetUnknown decides what happens from now on to calls of models that have no price: they are refused or charged at a ceiling.
func (s *Service) SetUnknown(ctx context.Context, actor authz.Actor, in UnknownInput) (found Unknown, err error) {
	if err := actor.Require(authz.PriceWrite); err != nil {
		return Unknown{}, err
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	ceiling, wrong := in.cleanCeiling(now)
	if err := wrong.Err(); err != nil {
		return Unknown{}, err
	}
	err = s.change(ctx, actor, func(tx pgx.Tx, held []Own) (audit.Entry, error) {
		before, err := s.unknown(ctx, tx, actor.Org, held)
		if err != nil {
			return audit.Entry{}, err
		}
		for _, each := range held {
			if each.Kind == Ceiling && each.EndedAt == nil {
				if err := endOwn(ctx, tx, actor.Org, each.ID, later(now, each.EffectiveAt)); err != nil {
					return audit.Entry{}, err
				}
			}
		}
		found = Unknown{Policy: in.Policy, Ceiling: ceiling, Models: before.Models}
		done := audit.Entry{Action: "price.unknown", SubjectID: actor.Org.UUID, SubjectName: string(in.Policy), Before: before, After: found}
		if ceiling == nil {
			return done, nil
		}
		ceiling.ID, ceiling.CreatedBy, ceiling.CreatedAt = ident.New[ident.Price](), actor.Name, now
		return done, insertOwn(ctx, tx, actor.Org, *ceiling)
	})
	return found, err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ImportOwn adds and changes prices of the organization's own from a table, all or none, with one audit entry. A price that the table says
// otherwise is taken back and added anew. A dry run only says what would change.
func (s *Service) ImportOwn(ctx context.Context, actor authz.Actor, table io.Reader, dryRun bool) (found Difference, err error) {
	if err := actor.Require(authz.PriceWrite); err != nil {
		return Difference{}, err
	}
	lines, err := parse(table, true)
	if err != nil {
		return Difference{}, err
	}
	if dryRun {
		err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
			held, err := ListOwn(ctx, tx, actor.Org)
			if err != nil {
				return err
			}
			found = compare(held, lines)
			return arranged(found.over(held))
		})
		return found, err
	}
	err = s.change(ctx, actor, func(tx pgx.Tx, held []Own) (audit.Entry, error) {
		found = compare(held, lines)
		if err := arranged(found.over(held)); err != nil {
			return audit.Entry{}, err
		}
		for i := range found.Changes {
			each := &found.Changes[i]
			if each.Before != nil {
				if err := endOwn(ctx, tx, actor.Org, each.Before.ID, each.Before.EffectiveAt); err != nil {
					return audit.Entry{}, err
				}
			}
			each.After.ID, each.After.CreatedBy, each.After.CreatedAt = ident.New[ident.Price](), actor.Name, s.now()
			if err := insertOwn(ctx, tx, actor.Org, each.After); err != nil {
				return audit.Entry{}, err
			}
		}
		return audit.Entry{Action: "price.import", SubjectID: actor.Org.UUID, SubjectName: "prices", After: found.brief()}, nil
	})
	return found, err
}

// change runs do with the organization's prices, no other change of them in between.
func (s *Service) change(ctx context.Context, actor authz.Actor, do func(pgx.Tx, []Own) (audit.Entry, error)) error {
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := lockOwn(ctx, tx, actor.Org); err != nil {
			return audit.Entry{}, err
		}
		held, err := ListOwn(ctx, tx, actor.Org)
		if err != nil {
			return audit.Entry{}, err
		}
		return do(tx, held)
	})
}

// entry is the audit entry of a change to one price.
func entry(action string, subject Own, before, after any) audit.Entry {
	name := subject.Catalog
	if subject.Model != "" {
		name += "/" + subject.Model
	}
	return audit.Entry{Action: action, SubjectID: subject.ID.UUID, SubjectName: name, Before: before, After: after}
}
