-- name: InsertRateLimit :exec
INSERT INTO rate_limit (org_id, rate_limit_id, name, scope, scope_id, scope_value, what, amount, per)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: UpdateRateLimit :execrows
UPDATE rate_limit SET name = $3, amount = $4, per = $5
WHERE org_id = $1 AND rate_limit_id = $2 AND archived_at IS NULL;

-- name: ArchiveRateLimit :execrows
UPDATE rate_limit SET archived_at = now()
WHERE org_id = $1 AND rate_limit_id = $2 AND archived_at IS NULL;

-- name: GetRateLimit :one
SELECT l.rate_limit_id, l.name, l.scope, l.scope_id, l.scope_value, coalesce(w.name, a.name, k.name, '')::text AS scope_name,
  l.what, l.amount, l.per, l.created_at, l.archived_at
FROM rate_limit l
LEFT JOIN workspace w ON w.org_id = l.org_id AND w.workspace_id = l.scope_id
LEFT JOIN agent a ON a.org_id = l.org_id AND a.agent_id = l.scope_id
LEFT JOIN virtual_key k ON k.org_id = l.org_id AND k.virtual_key_id = l.scope_id
WHERE l.org_id = $1 AND l.rate_limit_id = $2;

-- name: ListRateLimits :many
SELECT l.rate_limit_id, l.name, l.scope, l.scope_id, l.scope_value, coalesce(w.name, a.name, k.name, '')::text AS scope_name,
  l.what, l.amount, l.per, l.created_at, l.archived_at
FROM rate_limit l
LEFT JOIN workspace w ON w.org_id = l.org_id AND w.workspace_id = l.scope_id
LEFT JOIN agent a ON a.org_id = l.org_id AND a.agent_id = l.scope_id
LEFT JOIN virtual_key k ON k.org_id = l.org_id AND k.virtual_key_id = l.scope_id
WHERE l.org_id = $1 AND l.archived_at IS NULL
ORDER BY l.name, l.rate_limit_id
LIMIT 100000;

-- name: ListRateUses :many
-- What edges that are connected say about this organization's limits; each says it every two seconds.
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization; of what each says, this organization's part alone is read.
SELECT e.last_seen_at, coalesce(e.rate_uses -> (@org_id::uuid)::text, '[]')::jsonb AS uses
FROM edge e
WHERE e.rate_uses IS NOT NULL AND e.connected_at IS NOT NULL AND e.last_seen_at > now() - interval '20 seconds'
ORDER BY e.edge_id
LIMIT 10000;
