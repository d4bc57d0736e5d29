-- name: InsertRoute :exec
INSERT INTO route (org_id, route_id, workspace_id, name, strategy, spec)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: UpdateRoute :one
UPDATE route SET name = $3, strategy = $4, spec = $5, version = version + 1
WHERE org_id = $1 AND route_id = $2 AND archived_at IS NULL
RETURNING version;

-- name: ArchiveRoute :execrows
UPDATE route SET archived_at = now()
WHERE org_id = $1 AND route_id = $2 AND archived_at IS NULL;

-- name: ForgetAnswers :execrows
UPDATE route SET cache_epoch = cache_epoch + 1
WHERE org_id = $1 AND route_id = $2 AND archived_at IS NULL;

-- name: GetRoute :one
SELECT r.route_id, r.workspace_id, w.name AS workspace_name, r.name, r.strategy, r.spec, r.version, r.cache_epoch, r.created_at, r.archived_at
FROM route r LEFT JOIN workspace w ON w.org_id = r.org_id AND w.workspace_id = r.workspace_id
WHERE r.org_id = $1 AND r.route_id = $2;

-- name: LockRoute :one
-- Serializes changes of one route, its targets, names and versions. Lock order: route, then providers.
SELECT route_id
FROM route
WHERE org_id = $1 AND route_id = $2 AND archived_at IS NULL
FOR UPDATE;

-- name: ListRoutes :many
SELECT r.route_id, r.workspace_id, w.name AS workspace_name, r.name, r.strategy, r.spec, r.version, r.cache_epoch, r.created_at, r.archived_at
FROM route r LEFT JOIN workspace w ON w.org_id = r.org_id AND w.workspace_id = r.workspace_id
WHERE r.org_id = $1 AND r.archived_at IS NULL
ORDER BY r.name, r.route_id
LIMIT 100000;

-- name: InsertName :exec
INSERT INTO route_name (org_id, place, name, route_id)
VALUES ($1, $2, $3, $4);

-- name: DeleteNames :exec
DELETE FROM route_name
WHERE org_id = $1 AND route_id = $2;

-- name: InsertVersion :exec
INSERT INTO route_version (org_id, route_id, version, name, spec, restores, actor_name)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: ForgetVersions :exec
DELETE FROM route_version
WHERE org_id = $1 AND route_id = $2 AND version <= $3;

-- name: ListVersions :many
SELECT version, name, spec, restores, saved_at, actor_name
FROM route_version
WHERE org_id = $1 AND route_id = $2 AND (sqlc.arg(before)::integer = 0 OR version < sqlc.arg(before)::integer)
ORDER BY version DESC
LIMIT sqlc.arg(count);

-- name: GetVersion :one
SELECT version, name, spec, restores, saved_at, actor_name
FROM route_version
WHERE org_id = $1 AND route_id = $2 AND version = $3;

-- name: ListProviderNames :many
SELECT provider_id, name
FROM provider
WHERE org_id = $1 AND provider_id = ANY (sqlc.arg(ids)::uuid[])
LIMIT 1000;

-- name: InsertTarget :exec
INSERT INTO route_target (org_id, route_id, position, provider_id, model, weight)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: DeleteTargets :exec
DELETE FROM route_target
WHERE org_id = $1 AND route_id = $2;

-- name: ListTargetsOfRoute :many
SELECT t.route_id, t.provider_id, p.name AS provider_name, t.model, t.weight
FROM route_target t JOIN provider p ON p.org_id = t.org_id AND p.provider_id = t.provider_id
WHERE t.org_id = $1 AND t.route_id = $2
ORDER BY t.position
LIMIT 100;

-- name: ListTargets :many
SELECT t.route_id, t.provider_id, p.name AS provider_name, t.model, t.weight
FROM route_target t
JOIN provider p ON p.org_id = t.org_id AND p.provider_id = t.provider_id
JOIN route r ON r.org_id = t.org_id AND r.route_id = t.route_id
WHERE t.org_id = $1 AND r.archived_at IS NULL
ORDER BY t.route_id, t.position
LIMIT 1000000;

-- name: HoldProvider :one
-- Keeps the provider from being archived until the route that targets it is committed.
SELECT provider_id
FROM provider
WHERE org_id = $1 AND provider_id = $2 AND archived_at IS NULL
FOR SHARE;

-- name: ListEmbedders :many
-- Names of routes, and whether they lead to a model that embeds: one at a provider that may have some, and for whose words the catalog has no price.
SELECT n.place, n.name, bool_or(p.kind = ANY(sqlc.arg(kinds)::text[]) AND NOT EXISTS (
  SELECT FROM model_price m WHERE m.catalog = p.catalog AND m.model = t.model AND m.output_pico > 0
))::boolean AS embeds
FROM route_name n
JOIN route_target t ON t.org_id = n.org_id AND t.route_id = n.route_id
JOIN provider p ON p.org_id = t.org_id AND p.provider_id = t.provider_id
WHERE n.org_id = $1 AND (sqlc.arg(name)::text = '' OR n.name = sqlc.arg(name)::text)
GROUP BY n.place, n.name
ORDER BY n.name, n.place DESC
LIMIT 100000;

-- name: WorkspaceExists :one
SELECT EXISTS (SELECT FROM workspace WHERE org_id = $1 AND workspace_id = $2 AND archived_at IS NULL);
