-- name: InsertOrg :exec
INSERT INTO org (org_id, name, slug)
VALUES ($1, $2, $3);

-- name: UpdateOrg :execrows
UPDATE org SET name = $2, when_spool_full = $3
WHERE org_id = $1;

-- name: GetOrg :one
SELECT org_id, name, slug, created_at, suspended_at, when_spool_full
FROM org
WHERE org_id = $1;
