package virtualkey

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/seal"
	"tollgate.dev/controlplane/internal/tenant"
	"tollgate.dev/dataplane/wire"
)

// Service is what people do with virtual keys.
type Service struct {
	db     *tenant.DB
	pepper seal.Secret
	now    func() time.Time
}

// New returns a Service over the tenants' database, the pepper of the key hashes (its raw bytes) and a clock.
func New(db *tenant.DB, pepper seal.Secret, now func() time.Time) *Service {
	return &Service{db: db, pepper: pepper, now: now}
}

// Create makes a key. The returned text is the only copy there will ever be.
func (s *Service) Create(ctx context.Context, actor authz.Actor, in Input) (created VirtualKey, text seal.Secret, err error) {
	if err := actor.Require(authz.VirtualKeyWrite); err != nil {
		return VirtualKey{}, seal.Secret{}, err
	}
	in, wrong := in.clean(s.now())
	text, prefix := generate()
	hash := wire.KeyHash([]byte(s.pepper.Reveal()), text.Reveal())
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		if err := judge(ctx, tx, actor.Org, in, wrong); err != nil {
			return audit.Entry{}, err
		}
		if created, err = insert(ctx, tx, actor.Org, in, prefix, hash); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "virtual_key.create", SubjectID: created.ID.UUID, SubjectName: created.Name, After: created}, nil
	})
	if err != nil {
		return VirtualKey{}, seal.Secret{}, err
	}
	return created, text, nil
}

// Update changes everything but the workspace and the text of a key that is not revoked. An expiry or a model that the key already
// has is kept without being judged again, so that an expired key can be renamed.
func (s *Service) Update(ctx context.Context, actor authz.Actor, id ident.VirtualKey, in Input) (updated VirtualKey, err error) {
	if err := actor.Require(authz.VirtualKeyWrite); err != nil {
		return VirtualKey{}, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		cleaned, wrong := in.kept(before).clean(s.now())
		cleaned.WorkspaceID = before.WorkspaceID
		if in.ExpiresAt != nil {
			cleaned.ExpiresAt = in.ExpiresAt
		}
		if err := judgeChange(ctx, tx, actor.Org, before, cleaned, wrong); err != nil {
			return audit.Entry{}, err
		}
		if updated, err = update(ctx, tx, actor.Org, id, cleaned); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "virtual_key.update", SubjectID: id.UUID, SubjectName: updated.Name, Before: before, After: updated}, nil
	})
	return updated, err
}

// kept returns the input without an expiry that is the key's own already.
func (in Input) kept(before VirtualKey) Input {
	if in.ExpiresAt != nil && before.ExpiresAt != nil && in.ExpiresAt.Equal(*before.ExpiresAt) {
		in.ExpiresAt = nil
	}
	return in
}

// Revoke ends a key for good and tells the edges at the commit. A key that is revoked already stays as it is.
func (s *Service) Revoke(ctx context.Context, actor authz.Actor, id ident.VirtualKey) (VirtualKey, error) {
	if err := actor.Require(authz.VirtualKeyWrite); err != nil {
		return VirtualKey{}, err
	}
	found, err := s.find(ctx, actor, id)
	if err != nil || found.RevokedAt != nil {
		return found, err
	}
	err = s.db.Change(ctx, actor, func(tx pgx.Tx) (audit.Entry, error) {
		before, err := get(ctx, tx, actor.Org, id)
		if err != nil {
			return audit.Entry{}, err
		}
		if found, err = revoke(ctx, tx, actor.Org, id); err != nil {
			return audit.Entry{}, err
		}
		return audit.Entry{Action: "virtual_key.revoke", SubjectID: id.UUID, SubjectName: found.Name, Before: before, After: found}, nil
	})
	return found, err
}

// Get returns one key, revoked ones too.
func (s *Service) Get(ctx context.Context, actor authz.Actor, id ident.VirtualKey) (VirtualKey, error) {
	if err := actor.Require(authz.VirtualKeyRead); err != nil {
		return VirtualKey{}, err
	}
	return s.find(ctx, actor, id)
}

// List returns all keys, revoked ones too, newest first.
func (s *Service) List(ctx context.Context, actor authz.Actor) (all []VirtualKey, err error) {
	if err := actor.Require(authz.VirtualKeyRead); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		all, err = List(ctx, tx, actor.Org)
		return err
	})
	return all, err
}

func (s *Service) find(ctx context.Context, actor authz.Actor, id ident.VirtualKey) (found VirtualKey, err error) {
	err = s.db.Read(ctx, actor.Org, func(tx pgx.Tx) error {
		found, err = get(ctx, tx, actor.Org, id)
		return err
	})
	return found, err
}

// judge finishes the checks of a new key with what only the database knows.
func judge(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, wrong fault.Fields) error {
	exists, err := workspaceExists(ctx, tx, org, in.WorkspaceID)
	if err != nil {
		return err
	}
	if !exists {
		wrong.Add("workspace_id", "choose a workspace of this organization")
		return wrong.Err()
	}
	return judgeInside(ctx, tx, org, in, in.AllowedModels, in.AgentID, wrong)
}

// judgeChange judges only what the change brings in: an agent or route that was archived since does not block a rename.
func judgeChange(ctx context.Context, tx pgx.Tx, org ident.Org, before VirtualKey, in Input, wrong fault.Fields) error {
	fresh := slices.DeleteFunc(slices.Clone(in.AllowedModels), func(model string) bool { return slices.Contains(before.AllowedModels, model) })
	agent := in.AgentID
	if agent == before.AgentID {
		agent = ident.Agent{}
	}
	return judgeInside(ctx, tx, org, in, fresh, agent, wrong)
}

func judgeInside(ctx context.Context, tx pgx.Tx, org ident.Org, in Input, models []string, agent ident.Agent, wrong fault.Fields) error {
	if !agent.IsZero() {
		exists, err := agentExists(ctx, tx, org, in.WorkspaceID, agent)
		if err != nil {
			return err
		}
		if !exists {
			wrong.Add("agent_id", "choose an agent of the key's workspace")
		}
	}
	if len(models) > 0 {
		routes, err := routeNames(ctx, tx, org, in.WorkspaceID)
		if err != nil {
			return err
		}
		judgeModels(&wrong, models, routes)
	}
	return wrong.Err()
}
