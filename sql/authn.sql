-- name: InsertToken :exec
INSERT INTO api_token (org_id, token_id, name, role, token_hash)
VALUES ($1, $2, $3, $4, $5);

-- name: FindToken :one
SELECT token_id, name, role, expires_at, revoked_at
FROM api_token
WHERE org_id = $1 AND token_hash = $2;

-- name: FindSession :one
-- @sqlc-vet-disable org-id-required
-- Sessions are looked up before the organization is known.
SELECT data
FROM sessions
WHERE token = $1 AND expiry > sqlc.arg(at_time);

-- name: UpsertSession :exec
-- @sqlc-vet-disable org-id-required
-- Sessions belong to people.
INSERT INTO sessions (token, data, expiry)
VALUES ($1, $2, $3)
ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry = excluded.expiry;

-- name: DeleteSession :exec
-- @sqlc-vet-disable org-id-required
-- Sessions belong to people.
DELETE FROM sessions
WHERE token = $1;

-- name: DeleteExpiredSessions :exec
-- @sqlc-vet-disable org-id-required
-- Sessions belong to people.
DELETE FROM sessions
WHERE expiry <= sqlc.arg(at_time);
