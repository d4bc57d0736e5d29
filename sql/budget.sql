-- name: InsertBudget :exec
INSERT INTO budget (org_id, budget_id, name, scope, scope_id, scope_value, limit_pico, period, time_zone, soft)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: UpdateBudget :execrows
UPDATE budget SET name = $3, limit_pico = $4
WHERE org_id = $1 AND budget_id = $2 AND archived_at IS NULL;

-- name: ArchiveBudget :execrows
UPDATE budget SET archived_at = now()
WHERE org_id = $1 AND budget_id = $2 AND archived_at IS NULL;

-- name: GetBudget :one
SELECT b.budget_id, b.name, b.scope, b.scope_id, b.scope_value, coalesce(w.name, a.name, k.name, '')::text AS scope_name,
  b.limit_pico, b.period, b.time_zone, b.soft, b.created_at, b.archived_at
FROM budget b
LEFT JOIN workspace w ON w.org_id = b.org_id AND w.workspace_id = b.scope_id
LEFT JOIN agent a ON a.org_id = b.org_id AND a.agent_id = b.scope_id
LEFT JOIN virtual_key k ON k.org_id = b.org_id AND k.virtual_key_id = b.scope_id
WHERE b.org_id = $1 AND b.budget_id = $2;

-- name: ListBudgets :many
SELECT b.budget_id, b.name, b.scope, b.scope_id, b.scope_value, coalesce(w.name, a.name, k.name, '')::text AS scope_name,
  b.limit_pico, b.period, b.time_zone, b.soft, b.created_at, b.archived_at
FROM budget b
LEFT JOIN workspace w ON w.org_id = b.org_id AND w.workspace_id = b.scope_id
LEFT JOIN agent a ON a.org_id = b.org_id AND a.agent_id = b.scope_id
LEFT JOIN virtual_key k ON k.org_id = b.org_id AND k.virtual_key_id = b.scope_id
WHERE b.org_id = $1 AND b.archived_at IS NULL
ORDER BY b.name, b.budget_id
LIMIT 100000;

-- name: GetAccount :one
SELECT budget_id, period_start, spent, leased, in_doubt, overrun
FROM budget_period
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3;

-- name: ListAccounts :many
-- The accounts that are open at a time; a budget whose zone moved may have two.
SELECT budget_id, period_start, spent, leased, in_doubt, overrun
FROM budget_period
WHERE org_id = $1 AND period_start <= sqlc.arg(at_time) AND (period_end IS NULL OR period_end > sqlc.arg(at_time))
ORDER BY budget_id, period_start
LIMIT 200000;
