-- name: InsertProvider :exec
INSERT INTO provider (org_id, provider_id, name, kind, base_url, catalog, private_network, max_concurrency, queue_length, queue_wait_ms, region, api_version, compatible, chat_only, project)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: UpdateProvider :execrows
UPDATE provider SET name = $3, base_url = $4, catalog = $5, private_network = $6, max_concurrency = $7, queue_length = $8, queue_wait_ms = $9,
  region = $10, api_version = $11, compatible = $12, chat_only = $13, project = $14
WHERE org_id = $1 AND provider_id = $2 AND archived_at IS NULL;

-- name: ArchiveProvider :execrows
UPDATE provider SET archived_at = now()
WHERE org_id = $1 AND provider_id = $2 AND archived_at IS NULL;

-- name: GetProvider :one
SELECT provider_id, name, kind, base_url, catalog, private_network, max_concurrency, queue_length, queue_wait_ms, region, api_version, compatible, chat_only, project, created_at, archived_at
FROM provider
WHERE org_id = $1 AND provider_id = $2;

-- name: LockProvider :one
-- Serializes changes of one provider, its credentials and its use by routes.
SELECT provider_id
FROM provider
WHERE org_id = $1 AND provider_id = $2 AND archived_at IS NULL
FOR UPDATE;

-- name: ListProviders :many
SELECT provider_id, name, kind, base_url, catalog, private_network, max_concurrency, queue_length, queue_wait_ms, region, api_version, compatible, chat_only, project, created_at, archived_at
FROM provider
WHERE org_id = $1 AND archived_at IS NULL
ORDER BY name, provider_id
LIMIT 10000;

-- name: ListRoutesOfProvider :many
SELECT DISTINCT r.name
FROM route r JOIN route_target t ON t.org_id = r.org_id AND t.route_id = r.route_id
WHERE r.org_id = $1 AND t.provider_id = $2 AND r.archived_at IS NULL
ORDER BY r.name
LIMIT 10;

-- name: InsertCredential :one
INSERT INTO credential (org_id, credential_id, provider_id, name, key_version, sealed, identity)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING credential_id, name, identity, created_at;

-- name: RetireCredential :execrows
UPDATE credential SET retired_at = now()
WHERE org_id = $1 AND provider_id = $2 AND credential_id = $3 AND retired_at IS NULL;

-- name: ListCredentials :many
SELECT credential_id, provider_id, name, identity, created_at
FROM credential
WHERE org_id = $1 AND retired_at IS NULL
ORDER BY created_at, credential_id
LIMIT 100000;

-- name: ListCredentialsOfProvider :many
SELECT credential_id, provider_id, name, identity, created_at
FROM credential
WHERE org_id = $1 AND provider_id = $2 AND retired_at IS NULL
ORDER BY created_at, credential_id
LIMIT 1000;

-- name: ListRetiredCredentials :many
SELECT credential_id, name, identity, created_at, retired_at
FROM credential
WHERE org_id = $1 AND provider_id = $2 AND retired_at IS NOT NULL
ORDER BY retired_at DESC, credential_id
LIMIT 100;

-- name: ListSealed :many
SELECT c.credential_id, c.provider_id, c.key_version, c.sealed
FROM credential c JOIN provider p ON p.org_id = c.org_id AND p.provider_id = c.provider_id
WHERE c.org_id = $1 AND c.retired_at IS NULL AND p.archived_at IS NULL
ORDER BY c.created_at, c.credential_id
LIMIT 100000;
