-- Lock order of everything that moves money: organizations by id; in one organization budget_period rows by (budget_id, period_start),
-- and after each of them the edge's row of budget_lease. The limit is read after the lock, so that a limit lowered meanwhile holds.

-- name: EnsurePeriod :exec
INSERT INTO budget_period (org_id, budget_id, period_start, period_end)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: LockPeriod :one
SELECT spent, leased, in_doubt, overrun
FROM budget_period
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3
FOR UPDATE;

-- name: EnsureLease :exec
INSERT INTO budget_lease (org_id, budget_id, period_start, edge_id, updated_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING;

-- name: LockLease :one
SELECT granted_total, returned_total, settled_total, doubted_total
FROM budget_lease
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND edge_id = $4
FOR UPDATE;

-- name: GetTerms :one
-- Reads the budget's terms in the transaction that holds its account's lock.
SELECT limit_pico, period, time_zone, (archived_at IS NOT NULL)::boolean AS archived
FROM budget
WHERE org_id = $1 AND budget_id = $2;

-- name: GrantLease :execrows
-- The guard: nothing is granted past the limit, whatever was computed before.
UPDATE budget_period p SET leased = p.leased + sqlc.arg(grant_pico)
FROM budget b
WHERE p.org_id = $1 AND p.budget_id = $2 AND p.period_start = $3
  AND b.org_id = p.org_id AND b.budget_id = p.budget_id
  AND p.spent + p.leased + p.in_doubt + sqlc.arg(grant_pico) <= b.limit_pico;

-- name: UpdatePeriod :exec
UPDATE budget_period SET spent = $4, leased = $5, in_doubt = $6, overrun = $7
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3;

-- name: UpdateLease :exec
UPDATE budget_lease SET granted_total = $5, returned_total = $6, settled_total = $7, updated_at = $8, doubted_total = $9
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND edge_id = $4;

-- name: ListHolders :many
SELECT edge_id
FROM budget_lease
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND granted_total - returned_total - settled_total > 0
ORDER BY edge_id
LIMIT 10000;

-- name: ListOutstanding :many
-- What one edge holds, in the lock order.
SELECT budget_id, period_start
FROM budget_lease
WHERE org_id = $1 AND edge_id = $2 AND granted_total - returned_total - settled_total > 0
ORDER BY budget_id, period_start
LIMIT 100000;

-- name: CountActiveLeases :one
SELECT count(*)
FROM budget_lease
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND edge_id <> $4 AND updated_at > sqlc.arg(since);

-- name: ListAccounts :many
SELECT budget_id, period_start, period_end, spent, leased, in_doubt, overrun
FROM budget_period
WHERE org_id = $1 AND period_start <= sqlc.arg(at)::timestamptz AND (period_end IS NULL OR period_end > sqlc.arg(at)::timestamptz)
ORDER BY budget_id, period_start
LIMIT 100000;

-- name: NotifyRecall :exec
-- @sqlc-vet-disable org-id-required
-- Touches no row.
SELECT pg_notify('tollgate_recall', sqlc.arg(payload)::text);
