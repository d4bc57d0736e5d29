package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/audit/internal/auditdb"
	"tollgate.dev/controlplane/internal/authz"
	"tollgate.dev/controlplane/internal/ident"
)

// NoGeneration is of entries that change nothing that edges run.
const NoGeneration = 0

// Record keeps an entry in the caller's transaction, which must have entered actor.Org.
func Record(ctx context.Context, tx pgx.Tx, actor authz.Actor, entry Entry, generation int64) error {
	before, err := encode(entry.Before)
	if err != nil {
		return err
	}
	after, err := encode(entry.After)
	if err != nil {
		return err
	}
	var actorID *uuid.UUID
	if actor.ID != uuid.Nil {
		actorID = &actor.ID
	}
	err = auditdb.New(tx).InsertEntry(ctx, auditdb.InsertEntryParams{
		OrgID: actor.Org, AuditID: ident.New[ident.Audit](),
		ActorKind: string(actor.Kind), ActorID: actorID, ActorName: actor.Name, ActorAddress: actor.Address,
		Action: entry.Action, SubjectID: entry.SubjectID, SubjectName: entry.SubjectName,
		Before: before, After: after, Generation: generation,
	})
	if err != nil {
		return fmt.Errorf("record audit entry %s: %w", entry.Action, err)
	}
	return nil
}

func encode(state any) ([]byte, error) {
	if state == nil {
		return nil, nil
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return nil, fmt.Errorf("encode audit state: %w", err)
	}
	return raw, nil
}

func list(ctx context.Context, tx pgx.Tx, org ident.Org, limit int, before time.Time, subject uuid.UUID) ([]Recorded, error) {
	only := auditdb.ListEntriesParams{OrgID: org, BeforeAt: before, AtMost: int32(limit)}
	if subject != uuid.Nil {
		only.Subject = &subject
	}
	rows, err := auditdb.New(tx).ListEntries(ctx, only)
	if err != nil {
		return nil, fmt.Errorf("list audit entries of %s: %w", org, err)
	}
	all := make([]Recorded, len(rows))
	for i, row := range rows {
		all[i] = fromRow(row)
	}
	return all, nil
}

func listOf(ctx context.Context, tx pgx.Tx, org ident.Org, subject uuid.UUID, limit int) ([]Recorded, error) {
	rows, err := auditdb.New(tx).ListEntriesOf(ctx, auditdb.ListEntriesOfParams{OrgID: org, SubjectID: subject, AtMost: int32(limit)})
	if err != nil {
		return nil, fmt.Errorf("list audit entries of %s: %w", subject, err)
	}
	all := make([]Recorded, len(rows))
	for i, row := range rows {
		all[i] = fromRow(auditdb.ListEntriesRow(row))
	}
	return all, nil
}

func fromRow(row auditdb.ListEntriesRow) Recorded {
	return Recorded{
		ID: row.AuditID, At: row.At, ActorKind: row.ActorKind, ActorName: row.ActorName, ActorAddress: row.ActorAddress,
		Action: row.Action, SubjectID: row.SubjectID, SubjectName: row.SubjectName, Before: row.Before, After: row.After,
		Generation: uint64(row.Generation),
	}
}
