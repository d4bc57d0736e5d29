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
