-- name: GetGeneration :one
SELECT generation, changed_at
FROM generation
WHERE org_id = $1;

-- name: ListGenerations :many
-- @sqlc-vet-disable org-id-required
-- Publishing follows the numbers of all organizations.
SELECT org_id, generation, changed_at
FROM generation
ORDER BY org_id
LIMIT 1000000;

-- name: GetOrganization :one
SELECT name, slug, (suspended_at IS NOT NULL)::boolean AS suspended, (when_spool_full = 'serve')::boolean AS serves
FROM org
WHERE org_id = $1;

-- name: SaveProblem :exec
INSERT INTO publish_problem (org_id, generation, path, reason, noticed_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id) DO UPDATE SET generation = excluded.generation, path = excluded.path, reason = excluded.reason, noticed_at = excluded.noticed_at
WHERE publish_problem.generation <> excluded.generation;

-- name: ClearProblem :exec
DELETE FROM publish_problem
WHERE org_id = $1;

-- name: GetPlatformGeneration :one
-- @sqlc-vet-disable org-id-required
-- The platform belongs to no organization; its number stands under the zero id.
SELECT generation, changed_at
FROM generation
WHERE org_id = '00000000-0000-0000-0000-000000000000';
