-- name: InsertOrg :exec
INSERT INTO org (org_id, name, slug)
VALUES ($1, $2, $3);

-- name: UpdateOrg :execrows
UPDATE org SET name = $2
WHERE org_id = $1;

-- name: GetOrg :one
SELECT org_id, name, slug, created_at, suspended_at
FROM org
WHERE org_id = $1;
