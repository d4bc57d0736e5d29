-- name: InsertOrgKey :exec
INSERT INTO org_key (org_id, version, wrapped)
VALUES ($1, $2, $3)
ON CONFLICT (org_id, version) DO NOTHING;

-- name: ListOrgKeys :many
SELECT version, wrapped
FROM org_key
WHERE org_id = $1
ORDER BY version
LIMIT 1000;
