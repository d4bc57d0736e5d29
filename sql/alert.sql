-- name: ListOrgs :many
-- @sqlc-vet-disable org-id-required
-- The evaluation goes from one organization to the next and enters each.
SELECT org_id
FROM generation
WHERE org_id <> '00000000-0000-0000-0000-000000000000'
ORDER BY org_id
LIMIT 1000000;

-- name: ListRules :many
-- What differs from the defaults.
SELECT rule, enabled, severity, number
FROM alert_rule
WHERE org_id = $1
ORDER BY rule
LIMIT 100;

-- name: SetRule :exec
INSERT INTO alert_rule (org_id, rule, enabled, severity, number)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, rule) DO UPDATE SET enabled = excluded.enabled, severity = excluded.severity, number = excluded.number;

-- name: ListOpen :many
SELECT alert_id, rule, subject, period, threshold, standing, severity, title, body, path, fired_at, resolved_at
FROM alert
WHERE org_id = $1 AND resolved_at IS NULL
ORDER BY alert_id DESC
LIMIT 10000;

-- name: ListFired :many
-- Newest first, from a place on: ids rise with time.
SELECT alert_id, rule, subject, period, threshold, standing, severity, title, body, path, fired_at, resolved_at
FROM alert
WHERE org_id = $1 AND resolved_at IS NOT NULL
  AND (sqlc.narg(before)::uuid IS NULL OR alert_id < sqlc.narg(before)::uuid)
ORDER BY alert_id DESC
LIMIT sqlc.arg(at_most);

-- name: GetAlert :one
SELECT alert_id, rule, subject, period, threshold, standing, severity, title, body, path, fired_at, resolved_at
FROM alert
WHERE org_id = $1 AND alert_id = $2;

-- name: CountOpen :one
SELECT count(*)
FROM alert
WHERE org_id = $1 AND resolved_at IS NULL;

-- name: Fire :execrows
-- Nothing happens when it fired already: for that rule, subject, period and threshold, or for a state that still stands.
INSERT INTO alert (org_id, alert_id, rule, subject, period, threshold, standing, severity, title, body, path, fired_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING;

-- name: Resolve :execrows
UPDATE alert SET resolved_at = sqlc.arg(now)::timestamptz
WHERE org_id = $1 AND alert_id = $2 AND resolved_at IS NULL;
