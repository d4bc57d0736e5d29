package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate.dev/controlplane/internal/alert/internal/alertdb"
	"tollgate.dev/controlplane/internal/channel"
	"tollgate.dev/controlplane/internal/fault"
	"tollgate.dev/controlplane/internal/ident"
)

// organizations lists all of them: evaluation goes from one to the next.
func organizations(ctx context.Context, pool alertdb.DBTX) ([]ident.Org, error) {
	all, err := alertdb.New(pool).ListOrgs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	return all, nil
}

// listSettings returns every rule, with what the organization changed of it.
func listSettings(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Setting, error) {
	rows, err := alertdb.New(tx).ListRules(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list alert rules of %s: %w", org, err)
	}
	changed := make(map[Rule]alertdb.ListRulesRow, len(rows))
	for _, row := range rows {
		changed[Rule(row.Rule)] = row
	}
	all := make([]Setting, len(kinds))
	for i, kind := range kinds {
		all[i] = Setting{Rule: kind.rule, Name: kind.name, Text: kind.says, Topic: kind.topic, Enabled: true, Severity: kind.severity, Number: kind.number, Unit: kind.unit}
		if row, is := changed[kind.rule]; is {
			all[i].Enabled, all[i].Severity, all[i].Number = row.Enabled, channel.SeverityOf(int(row.Severity)), int(row.Number)
		}
	}
	return all, nil
}

func setRule(ctx context.Context, tx pgx.Tx, org ident.Org, s Setting) error {
	err := alertdb.New(tx).SetRule(ctx, alertdb.SetRuleParams{
		OrgID: org, Rule: string(s.Rule), Enabled: s.Enabled, Severity: int16(s.Severity.Rank()), Number: int32(s.Number),
	})
	if err != nil {
		return fmt.Errorf("set alert rule %s: %w", s.Rule, err)
	}
	return nil
}

// fire adds an alert, unless it fired already.
func fire(ctx context.Context, tx pgx.Tx, org ident.Org, a Alert) (fired bool, err error) {
	count, err := alertdb.New(tx).Fire(ctx, alertdb.FireParams{
		OrgID: org, AlertID: a.ID, Rule: string(a.Rule), Subject: a.Subject, Period: a.Period, Threshold: int32(a.Threshold), Standing: a.standing,
		Severity: int16(a.Severity.Rank()), Title: a.Title, Body: a.Text, Path: a.Path, FiredAt: a.FiredAt,
	})
	if err != nil {
		return false, fmt.Errorf("fire %s of %s: %w", a.Rule, a.Subject, err)
	}
	return count == 1, nil
}

// resolve ends an alert, unless it ended already.
func resolve(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Alert, now time.Time) (resolved bool, err error) {
	count, err := alertdb.New(tx).Resolve(ctx, alertdb.ResolveParams{OrgID: org, AlertID: id, Now: now})
	if err != nil {
		return false, fmt.Errorf("resolve alert %s: %w", id, err)
	}
	return count == 1, nil
}

func countOpen(ctx context.Context, tx pgx.Tx, org ident.Org) (int, error) {
	count, err := alertdb.New(tx).CountOpen(ctx, org)
	if err != nil {
		return 0, fmt.Errorf("count open alerts of %s: %w", org, err)
	}
	return int(count), nil
}

func listOpen(ctx context.Context, tx pgx.Tx, org ident.Org) ([]Alert, error) {
	rows, err := alertdb.New(tx).ListOpen(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("list open alerts of %s: %w", org, err)
	}
	all := make([]Alert, len(rows))
	for i, row := range rows {
		all[i] = fromRow(alertdb.GetAlertRow(row))
	}
	return all, nil
}

// listOver returns alerts that are over, newest first.
func listOver(ctx context.Context, tx pgx.Tx, org ident.Org, filter Filter) ([]Alert, error) {
	params := alertdb.ListFiredParams{OrgID: org, AtMost: int32(filter.Limit)}
	if !filter.Before.IsZero() {
		params.Before = &filter.Before.UUID
	}
	rows, err := alertdb.New(tx).ListFired(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("list alerts of %s: %w", org, err)
	}
	all := make([]Alert, len(rows))
	for i, row := range rows {
		all[i] = fromRow(alertdb.GetAlertRow(row))
	}
	return all, nil
}

func get(ctx context.Context, tx pgx.Tx, org ident.Org, id ident.Alert) (Alert, error) {
	row, err := alertdb.New(tx).GetAlert(ctx, alertdb.GetAlertParams{OrgID: org, AlertID: id})
	if errors.Is(err, pgx.ErrNoRows) {
		return Alert{}, fault.New(fault.NotFound, "there is no alert %s", id)
	}
	if err != nil {
		return Alert{}, fmt.Errorf("alert %s: %w", id, err)
	}
	return fromRow(row), nil
}

func fromRow(row alertdb.GetAlertRow) Alert {
	return Alert{
		ID: row.AlertID, Rule: Rule(row.Rule), Subject: row.Subject, Period: row.Period, Threshold: int(row.Threshold), standing: row.Standing,
		Severity: channel.SeverityOf(int(row.Severity)), Title: row.Title, Text: row.Body, Path: row.Path, FiredAt: row.FiredAt, ResolvedAt: row.ResolvedAt,
		Deliveries: []channel.Delivery{},
	}
}
