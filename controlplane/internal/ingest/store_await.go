package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/ingest/internal/ingestdb"
	"tollgate.dev/dataplane/wire"
)

const (
	awaitedAtOnce = 32   // that one edge is handed
	keptBytesMax  = 1024 // of the id under which a provider keeps something, sealed
	listedMost    = 1000
)

// readKept reads the id under which a provider keeps what a call began. Without one its cost stays in doubt.
func (e *event) readKept() {
	isForeign := func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '_'
	}
	if kept := e.in.GetKept(); len(kept) > keptBytesMax || strings.ContainsFunc(kept, isForeign) {
		e.in.Kept = ""
		e.mend("kept")
	}
}

// Await hands out calls whose cost is awaited and due, each to one edge. What that edge does not learn is due again after a while: 5 seconds at
// first, twice as long each time, and 15 minutes at most. After nine days nobody is asked any more.
func (s *Service) Await(ctx context.Context, in *wire.AwaitRequest) (*wire.AwaitResponse, error) {
	if edge, err := ident.FromBytes[ident.Edge](in.GetEdgeId()); err != nil || edge.IsZero() {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("edge_id must have 16 bytes"))
	}
	rows, err := ingestdb.New(s.pool).HandOutAwaited(ctx, awaitedAtOnce)
	if err != nil {
		return nil, s.unread(ctx, "await", err)
	}
	out := &wire.AwaitResponse{}
	for _, row := range rows {
		out.Awaited = append(out.Awaited, &wire.Awaited{
			OrgId: row.OrgID.Bytes(), WorkspaceId: row.WorkspaceID.Bytes(), EventId: row.EventID.Bytes(), RouteId: row.RouteID.Bytes(),
			Dialect: row.Dialect, Model: row.Model, Kept: row.Kept,
		})
	}
	return out, nil
}

// ListKept lists what providers keep for a workspace, the latest first.
func (s *Service) ListKept(ctx context.Context, in *wire.ListKeptRequest) (*wire.ListKeptResponse, error) {
	org, orgErr := ident.FromBytes[ident.Org](in.GetOrgId())
	workspace, workspaceErr := ident.FromBytes[ident.Workspace](in.GetWorkspaceId())
	older, olderErr := ident.FromBytes[ident.Event](in.GetOlderThan())
	newer, newerErr := ident.FromBytes[ident.Event](in.GetNewerThan())
	if err := errors.Join(orgErr, workspaceErr, olderErr, newerErr); err != nil || org.IsZero() || workspace.IsZero() || in.GetLimit() < 1 || in.GetLimit() > listedMost {
		return nil, connect.NewError(connect.CodeInvalidArgument, fmt.Errorf("org_id and workspace_id must have 16 bytes, and limit be from 1 to %d", listedMost))
	}
	if older.IsZero() {
		older = ident.Event{UUID: uuid.Max}
	}
	limit := int32(in.GetLimit())
	out := &wire.ListKeptResponse{}
	note := func(event ident.Event, route ident.Route, model, kept string) {
		out.Kept = append(out.Kept, &wire.Awaited{
			OrgId: org.Bytes(), WorkspaceId: workspace.Bytes(), EventId: event.Bytes(), RouteId: route.Bytes(), Dialect: in.GetDialect(), Model: model, Kept: kept,
		})
	}
	err := listAwaited(ctx, s.pool, org, workspace, in.GetDialect(), older, newer, limit+1, note)
	if err != nil {
		return nil, s.unread(ctx, "list", err)
	}
	if out.More = len(out.Kept) > int(limit); out.More {
		out.Kept = out.Kept[:limit]
	}
	if !newer.IsZero() {
		slices.Reverse(out.Kept)
	}
	return out, nil
}

func (s *Service) unread(ctx context.Context, call string, err error) error {
	s.logger.ErrorContext(ctx, "what is kept at providers cannot be read", "call", call, "error", err)
	return connect.NewError(connect.CodeUnavailable, errors.New("the books cannot be read now"))
}

// listAwaited shows what is older than one event, the latest first, or newer than another one, the oldest first.
func listAwaited(ctx context.Context, pool *pgxpool.Pool, org ident.Org, workspace ident.Workspace, dialect string, older, newer ident.Event, limit int32, see func(ident.Event, ident.Route, string, string)) error {
	queries := ingestdb.New(pool)
	if newer.IsZero() {
		rows, err := queries.ListOlderAwaited(ctx, ingestdb.ListOlderAwaitedParams{OrgID: org, WorkspaceID: workspace, Dialect: dialect, Limit: limit, OlderThan: older.UUID})
		for _, row := range rows {
			see(row.EventID, row.RouteID, row.Model, row.Kept)
		}
		return err
	}
	rows, err := queries.ListNewerAwaited(ctx, ingestdb.ListNewerAwaitedParams{OrgID: org, WorkspaceID: workspace, Dialect: dialect, Limit: limit, NewerThan: newer.UUID})
	for _, row := range rows {
		see(row.EventID, row.RouteID, row.Model, row.Kept)
	}
	return err
}
