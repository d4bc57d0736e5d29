package route

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire/condition"
)

// Service is what people do with routes.
type Service struct {
	db       *tenant.DB
	language func() (*condition.Language, error) // made when it is first needed
}

// New returns a Service over the tenants' database.
func New(db *tenant.DB) *Service {
	return &Service{db: db, language: sync.OnceValues(condition.New)}
}

// Create adds a route. A name that is taken in the same place is a Conflict that names the field.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created Route, err error) {
	if err := actor.Require(authz.RouteWrite); err != nil {
		return Route{}, err
	}
	in, wrong := s.clean(in)
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := judgeWorkspace(ctx, tx, &wrong, actor.Org, in.WorkspaceID); err != nil {
			return audit.Entry{}, err
		}
		if err := judgeTargets(ctx, tx, &wrong, actor.Org, &in); err != nil {
			return audit.Entry{}, err
		}
		if err := judgeCache(ctx, tx, &wrong, actor.Org, &in); err != nil {
			return audit.Entry{}, err
		}
		if err := wrong.Err(); err != nil {
			return audit.Entry{}, err
		}
		if created, err = insert(ctx, tx, actor, in); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "route.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	return created, err
}

// clean cleans the input and compiles what it would be, so that nothing is saved that an edge refuses.
func (s *Service) clean(in Input) (Input, fault.Fields) {
	in, wrong := in.clean()
	if len(wrong) == 0 {
		s.compile(&wrong, routeOf(in))
	}
	return in, wrong
}

func routeOf(in Input) Route {
	return Route{
		WorkspaceID: in.WorkspaceID, Name: in.Name, Aliases: in.Aliases, Strategy: in.Strategy, Targets: in.Targets, StickyBy: in.StickyBy, Trial: in.Trial,
		TimeZone: in.TimeZone, Reliability: in.Reliability, Cache: in.Cache, Mirror: in.Mirror,
	}
}

// Update makes another version of a route; in.WorkspaceID is not looked at. A Conflict about "version" says that it is no more the one that in
// was made from.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.Route, in Input) (Route, error) {
	return s.save(ctx, actor, id, "route.update", func(pgx.Tx) (Input, int, error) { return in, 0, nil })
}

// save makes of what is read a new version.
func (s *Service) save(ctx context.Context, actor authz.Actor, id ident.Route, action string, read func(pgx.Tx) (in Input, restores int, err error)) (updated Route, err error) {
	if err := actor.Require(authz.RouteWrite); err != nil {
		return Route{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		in, restores, err := read(tx)
		if err != nil {
			return audit.Entry{}, err
		}
		if in.Version != 0 && in.Version != before.Version {
			return audit.Entry{}, fault.Taken("version", "the route was changed meanwhile: version %d is in force, and this change began from version %d; "+
				"look at what changed, then send it with the version in force", before.Version, in.Version)
		}
		in, wrong := s.clean(in)
		in.WorkspaceID = before.WorkspaceID
		if err := judgeTargets(ctx, tx, &wrong, actor.Org, &in); err != nil {
			return audit.Entry{}, err
		}
		if err := judgeCache(ctx, tx, &wrong, actor.Org, &in); err != nil {
			return audit.Entry{}, err
		}
		if err := wrong.Err(); err != nil {
			return audit.Entry{}, err
		}
		if updated, err = update(ctx, tx, actor, id, in, restores); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: action, SubjectID: id.UUID, SubjectName: updated.Name, Before: before, After: updated}, nil
	})
	return updated, err
}

// Resume makes another version of a route, as it is: edges try its canaries anew that they have stopped.
func (s *Service) Resume(ctx context.Context, actor authz.Actor, id ident.Route) (Route, error) {
	return s.save(ctx, actor, id, "route.resume", func(tx pgx.Tx) (Input, int, error) {
		found, err := get(ctx, tx, actor.Org, id)
		return found.Input(), 0, err
	})
}

// Archive takes a route away: its name is an unknown model from then on.
func (s *Service) Archive(ctx context.Context, actor authz.Actor, id ident.Route) error {
	if err := actor.Require(authz.RouteWrite); err != nil {
		return err
	}
	return s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := getForUpdate(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if err := archive(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "route.archive", SubjectID: id.UUID, SubjectName: before.Name, Before: before}, nil
	})
}

// Purge forgets every answer that edges keep for a route. It is no new version: canaries go on.
func (s *Service) Purge(ctx context.Context, actor authz.Actor, id ident.Route) (purged Route, err error) {
	if err := actor.Require(authz.RouteWrite); err != nil {
		return Route{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if _, err := getForUpdate(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		if purged, err = forgetAnswers(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "route.purge_cache", SubjectID: id.UUID, SubjectName: purged.Name}, nil
	})
	return purged, err
}

// Get returns one route, archived ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.Route) (found Route, err error) {
	if err := actor.Require(authz.RouteRead); err != nil {
		return Route{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, id)
		return err
	})
	return found, err
}

// List returns the routes that are not archived, by name.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []Route, err error) {
	if err := actor.Require(authz.RouteRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = List(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

// Embedders returns the names of routes that lead to a model that embeds, by name.
func (s *Service) Embedders(ctx context.Context, actor authz.Actor) (all []Embedder, err error) {
	if err := actor.Require(authz.RouteRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		named, err := embedders(ctx, tx, actor.Org, "")
		for _, each := range named {
			if each.embeds {
				all = append(all, each.Embedder)
			}
		}
		return err
	})
	return all, err
}

// Versions returns at most limit of what a route was saved as, newest first, from before a version (0: the newest).
func (s *Service) Versions(ctx context.Context, actor authz.Actor, id ident.Route, before, limit int) (page VersionPage, err error) {
	if err := actor.Require(authz.RouteRead); err != nil {
		return VersionPage{}, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		if _, err := get(ctx, tx, actor.Org, id); err != nil {
			return err
		}
		page.Items, err = versions(ctx, tx, actor.Org, id, before, limit)
		return err
	})
	if len(page.Items) > limit { // one more was read, for the changes of the last
		page.Items = page.Items[:limit]
		page.Next = page.Items[limit-1].Version
	}
	return page, err
}

// Restore makes an older version of a route its newest one.
func (s *Service) Restore(ctx context.Context, actor authz.Actor, id ident.Route, number int) (Route, error) {
	return s.save(ctx, actor, id, "route.restore", func(tx pgx.Tx) (Input, int, error) {
		found, err := version(ctx, tx, actor.Org, id, number)
		return found.Route, number, err
	})
}
