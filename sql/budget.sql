-- name: InsertBudget :exec
INSERT INTO budget (org_id, budget_id, name, scope, scope_id, scope_value, limit_pico, period, time_zone, soft, alert_percents, alert_forecast)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: UpdateBudget :execrows
UPDATE budget SET name = $3, limit_pico = $4, soft = $5, alert_percents = $6, alert_forecast = $7
WHERE org_id = $1 AND budget_id = $2 AND archived_at IS NULL;

-- name: ArchiveBudget :execrows
UPDATE budget SET archived_at = now()
WHERE org_id = $1 AND budget_id = $2 AND archived_at IS NULL;

-- name: HoldBudget :one
-- Waits until nobody grants by the budget's terms, and lets nobody do so until the transaction ends.
SELECT budget_id
FROM budget
WHERE org_id = $1 AND budget_id = $2
FOR NO KEY UPDATE;

-- name: GetBudget :one
SELECT b.budget_id, b.name, b.scope, b.scope_id, b.scope_value, coalesce(w.name, a.name, k.name, '')::text AS scope_name,
  b.limit_pico, b.period, b.time_zone, b.soft, b.alert_percents, b.alert_forecast, b.created_at, b.archived_at
FROM budget b
LEFT JOIN workspace w ON w.org_id = b.org_id AND w.workspace_id = b.scope_id
LEFT JOIN agent a ON a.org_id = b.org_id AND a.agent_id = b.scope_id
LEFT JOIN virtual_key k ON k.org_id = b.org_id AND k.virtual_key_id = b.scope_id
WHERE b.org_id = $1 AND b.budget_id = $2;

-- name: ListBudgets :many
SELECT b.budget_id, b.name, b.scope, b.scope_id, b.scope_value, coalesce(w.name, a.name, k.name, '')::text AS scope_name,
  b.limit_pico, b.period, b.time_zone, b.soft, b.alert_percents, b.alert_forecast, b.created_at, b.archived_at
FROM budget b
LEFT JOIN workspace w ON w.org_id = b.org_id AND w.workspace_id = b.scope_id
LEFT JOIN agent a ON a.org_id = b.org_id AND a.agent_id = b.scope_id
LEFT JOIN virtual_key k ON k.org_id = b.org_id AND k.virtual_key_id = b.scope_id
WHERE b.org_id = $1 AND b.archived_at IS NULL
ORDER BY b.name, b.budget_id
LIMIT 100000;

-- name: SumAccounts :many
-- The accounts that are open at a time, summed up by budget; a budget whose zone moved may have two sums. That of nobody holds what runs that
-- are over have spent: it counts in the sums, and is no account of its own.
SELECT p.budget_id, p.period_start, (count(*) FILTER (WHERE p.folded = 0) + sum(p.folded))::bigint AS accounts,
  sum(p.spent)::numeric AS spent, sum(p.leased)::numeric AS leased, sum(p.in_doubt)::numeric AS in_doubt,
  coalesce(max(p.spent + p.leased + p.in_doubt) FILTER (WHERE p.folded = 0), 0)::numeric AS fullest,
  coalesce(sum(greatest(0, p.spent + p.leased + p.in_doubt - b.in_force)) FILTER (WHERE p.folded = 0), 0)::numeric AS overrun,
  count(*) FILTER (WHERE p.folded = 0 AND p.spent + p.in_doubt >= b.in_force) AS used_up
FROM budget_period p
JOIN (
  SELECT o.budget_id, o.limit_pico + budget_raised(o.org_id, o.budget_id, sqlc.arg(at_time)) AS in_force
  FROM budget o
  WHERE o.org_id = $1 AND (sqlc.narg(budget)::uuid IS NULL AND o.archived_at IS NULL OR o.budget_id = sqlc.narg(budget)::uuid)
  OFFSET 0
) b ON b.budget_id = p.budget_id
WHERE p.org_id = $1 AND p.period_start <= sqlc.arg(at_time) AND (p.period_end IS NULL OR p.period_end > sqlc.arg(at_time))
GROUP BY p.budget_id, p.period_start
ORDER BY p.budget_id, p.period_start
LIMIT 200000;

-- name: ListPast :many
-- The periods of a budget that are over and not older than a time, the latest first.
SELECT period_start, max(period_end)::timestamptz AS period_end, sum(spent)::numeric AS spent, sum(leased)::numeric AS leased, sum(in_doubt)::numeric AS in_doubt,
  (count(*) FILTER (WHERE folded = 0) + sum(folded))::bigint AS accounts
FROM budget_period
WHERE org_id = $1 AND budget_id = $2 AND period_start >= sqlc.arg(since)::timestamptz AND period_end <= sqlc.arg(at_time)::timestamptz
GROUP BY period_start
ORDER BY period_start DESC
LIMIT 100;

-- name: ListTopAccounts :many
-- The fullest accounts at a time of each budget that has several, or of one.
SELECT top.budget_id, top.period_start, top.subject, top.spent, top.leased, top.in_doubt
FROM budget b
CROSS JOIN LATERAL (
  SELECT p.budget_id, p.period_start, p.subject, p.spent, p.leased, p.in_doubt
  FROM budget_period p
  WHERE p.org_id = b.org_id AND p.budget_id = b.budget_id AND p.subject <> ''
    AND p.period_start <= sqlc.arg(at_time) AND (p.period_end IS NULL OR p.period_end > sqlc.arg(at_time))
  ORDER BY p.spent DESC, p.subject
  LIMIT sqlc.arg(at_most)::int
) top
WHERE b.org_id = $1 AND (b.scope_value = '*' OR b.scope = 'label' AND b.scope_value LIKE '%=*')
  AND (sqlc.narg(budget)::uuid IS NULL AND b.archived_at IS NULL OR b.budget_id = sqlc.narg(budget)::uuid)
ORDER BY top.budget_id, top.spent DESC, top.subject
LIMIT 100000;

-- name: ListAccounts :many
-- The accounts of one budget in one period, the most spent first, from a place on. What is searched for is a part of the subject.
SELECT subject, spent, leased, in_doubt
FROM budget_period
WHERE org_id = $1 AND budget_id = $2 AND period_start = $3 AND folded = 0
  AND (sqlc.arg(search)::text = '' OR position(lower(sqlc.arg(search)::text) IN lower(subject)) > 0)
  AND (sqlc.arg(first)::boolean OR spent < sqlc.arg(below) OR spent = sqlc.arg(below) AND subject > sqlc.arg(after)::text)
ORDER BY spent DESC, subject
LIMIT sqlc.arg(at_most);

-- name: ListHolders :many
-- What edges hold of one budget in one period, over all accounts, the most first.
SELECT l.edge_id, e.name, sum(l.granted_total - l.returned_total - l.settled_total)::numeric AS held, max(l.updated_at)::timestamptz AS updated_at
FROM budget_lease l
JOIN edge e ON e.edge_id = l.edge_id
WHERE l.org_id = $1 AND l.budget_id = $2 AND l.period_start = $3 AND l.granted_total - l.returned_total - l.settled_total > 0
GROUP BY l.edge_id, e.name
ORDER BY 3 DESC, l.edge_id
LIMIT 1000;

-- name: InsertRaise :exec
INSERT INTO budget_raise (org_id, raise_id, budget_id, amount_pico, reason, starts_at, ends_at, made_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: EndRaise :execrows
UPDATE budget_raise SET ended_at = $4, ended_by = $5
WHERE org_id = $1 AND budget_id = $2 AND raise_id = $3 AND ended_at IS NULL AND ends_at > $4;

-- name: GetRaise :one
SELECT raise_id, budget_id, amount_pico, reason, starts_at, ends_at, made_by, made_at, ended_at, ended_by
FROM budget_raise
WHERE org_id = $1 AND budget_id = $2 AND raise_id = $3;

-- name: GetTurn :one
-- Where a raise is in its life, and whether what is published is its budget's limit: a fragment has the limit of the time of its generation.
SELECT (budget_raised(r.org_id, r.budget_id, g.changed_at) <> budget_raised(r.org_id, r.budget_id, c.now))::boolean AS missed,
  coalesce(extract(epoch FROM CASE
    WHEN c.now >= least(r.ends_at, r.ended_at) THEN NULL
    WHEN c.now < r.starts_at THEN least(r.starts_at, r.ended_at)
    ELSE least(r.ends_at, r.ended_at)
  END - c.now), 0)::float8 AS next_seconds
FROM budget_raise r
JOIN generation g ON g.org_id = r.org_id,
LATERAL (SELECT clock_timestamp() AS now OFFSET 0) c
WHERE r.org_id = $1 AND r.budget_id = $2 AND r.raise_id = $3;

-- name: ListRaises :many
-- All raises of one budget, the newest first.
SELECT raise_id, budget_id, amount_pico, reason, starts_at, ends_at, made_by, made_at, ended_at, ended_by
FROM budget_raise
WHERE org_id = $1 AND budget_id = $2
ORDER BY made_at DESC, raise_id DESC
LIMIT 1000;

-- name: ListOpenRaises :many
-- The raises that are in force or to come at a time.
SELECT raise_id, budget_id, amount_pico, reason, starts_at, ends_at, made_by, made_at, ended_at, ended_by
FROM budget_raise
WHERE org_id = $1 AND ends_at > sqlc.arg(at_time) AND (ended_at IS NULL OR ended_at > sqlc.arg(at_time))
ORDER BY starts_at, raise_id
LIMIT 100000;
