-- name: InsertToken :exec
INSERT INTO api_token (org_id, token_id, name, role, token_hash, expires_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: RevokeToken :exec
UPDATE api_token SET revoked_at = now()
WHERE org_id = $1 AND token_id = $2 AND revoked_at IS NULL;

-- name: GetToken :one
SELECT token_id, name, role, created_at, expires_at, revoked_at
FROM api_token
WHERE org_id = $1 AND token_id = $2;

-- name: FindToken :one
SELECT token_id, name, role, created_at, expires_at, revoked_at
FROM api_token
WHERE org_id = $1 AND token_hash = $2;

-- name: ListTokens :many
-- Revoked ones too: the audit names them.
SELECT token_id, name, role, created_at, expires_at, revoked_at
FROM api_token
WHERE org_id = $1
ORDER BY created_at DESC, token_id DESC
LIMIT 10000;
