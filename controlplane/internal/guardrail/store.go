package guardrail

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/guardrail/internal/guardraildb"
	"tollgate.dev/controlplane/internal/ident"
	"tollgate.dev/controlplane/internal/scope"
	"tollgate.dev/controlplane/internal/tenant"
)

// List returns the guardrails that are not archived inside a transaction that has entered org. It is for publish.
func List(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Guardrail, error) {
	rows, err := guardraildb.New(tx).ListGuardrails(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list guardrails of %s: %w", org, err)
	}
	all := make([]Guardrail, len(rows))
	for i, row := range rows {
		all[i] = fromRow(guardraildb.GetGuardrailRow(row))
	}
	return all, nil
}

func insert(ctx context.Context, tx pgx.Tx, org ident.Org, in Input) (Guardrail, error) {
	id := ident.New[ident.Guardrail]()
	err := guardraildb.New(tx).InsertGuardrail(ctx, guardraildb.InsertGuardrailParams{
		OrgID: org, GuardrailID: id, Name: in.Name, Scope: string(in.Scope), ScopeID: in.ScopeID, Action: string(in.Action), Words: in.Words,
	})
	if err != nil {
		return Guardrail{}, taken(err, in, "insert guardrail")
	}
	return get(ctx, tx, org, id)
}

func update(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Guardrail, in Input) (Guardrail, error) {
	count, err := guardraildb.New(tx).UpdateGuardrail(ctx, guardraildb.UpdateGuardrailParams{
		OrgID: org, GuardrailID: id, Name: in.Name, Action: string(in.Action), Words: in.Words,
	})
	if err != nil {
		return Guardrail{}, taken(err, in, "update guardrail")
	}
	if count == 0 {
		return Guardrail{}, missing(pgx.ErrNoRows, id)
	}
	return get(ctx, tx, org, id)
}

func archive(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Guardrail) error {
	count, err := guardraildb.New(tx).ArchiveGuardrail(ctx, guardraildb.ArchiveGuardrailParams{OrgID: org, GuardrailID: id})
	if err == nil && count == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return missing(err, id)
	}
	return nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Guardrail) (Guardrail, error) {
	row, err := guardraildb.New(tx).GetGuardrail(ctx, guardraildb.GetGuardrailParams{OrgID: org, GuardrailID: id})
	if err != nil {
		return Guardrail{}, missing(err, id)
	}
	return fromRow(row), nil
}

func fromRow(row guardraildb.GetGuardrailRow) Guardrail {
	return Guardrail{
		ID: row.GuardrailID, Name: row.Name, Scope: scope.Kind(row.Scope), ScopeID: row.ScopeID, ScopeName: row.ScopeName,
		Action: Action(row.Action), Words: row.Words, CreatedAt: row.CreatedAt, ArchivedAt: row.ArchivedAt,
	}
}

func taken(err error, in Input, doing string) error {
	if tenant.Violates(err, "guardrail_name_key") {
		return fault.Taken("name", "a guardrail named %q exists already; choose another name", in.Name)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func missing(err error, id ident.Guardrail) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fault.New(fault.NotFound, "there is no guardrail %s", id)
	}
	return fmt.Errorf("guardrail %s: %w", id, err)
}
