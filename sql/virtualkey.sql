-- name: InsertVirtualKey :exec
INSERT INTO virtual_key (org_id, virtual_key_id, workspace_id, agent_id, name, prefix, key_hash, allowed_models, requests_per_minute, expires_at, priority,
  fields_not_carried, allows_proxy)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: UpdateVirtualKey :execrows
UPDATE virtual_key SET name = $3, agent_id = $4, allowed_models = $5, requests_per_minute = $6, expires_at = $7, priority = $8, fields_not_carried = $9, allows_proxy = $10
WHERE org_id = $1 AND virtual_key_id = $2 AND revoked_at IS NULL;

-- name: RevokeVirtualKey :one
UPDATE virtual_key SET revoked_at = now()
WHERE org_id = $1 AND virtual_key_id = $2 AND revoked_at IS NULL
RETURNING key_hash;

-- name: NotifyRevocation :exec
-- @sqlc-vet-disable org-id-required
-- It touches no row; the payload names the organization.
SELECT pg_notify('tollgate_revocation', sqlc.arg(payload)::text);

-- name: GetVirtualKey :one
SELECT k.virtual_key_id, k.workspace_id, w.name AS workspace_name, k.agent_id, a.name AS agent_name, k.name, k.prefix, k.key_hash,
  k.allowed_models, k.requests_per_minute, k.priority, k.fields_not_carried, k.allows_proxy, k.created_at, k.expires_at, k.revoked_at
FROM virtual_key k
JOIN workspace w ON w.org_id = k.org_id AND w.workspace_id = k.workspace_id
LEFT JOIN agent a ON a.org_id = k.org_id AND a.agent_id = k.agent_id
WHERE k.org_id = $1 AND k.virtual_key_id = $2;

-- name: ListVirtualKeys :many
-- Revoked ones too: the edges say why they refuse them.
SELECT k.virtual_key_id, k.workspace_id, w.name AS workspace_name, k.agent_id, a.name AS agent_name, k.name, k.prefix, k.key_hash,
  k.allowed_models, k.requests_per_minute, k.priority, k.fields_not_carried, k.allows_proxy, k.created_at, k.expires_at, k.revoked_at
FROM virtual_key k
JOIN workspace w ON w.org_id = k.org_id AND w.workspace_id = k.workspace_id
LEFT JOIN agent a ON a.org_id = k.org_id AND a.agent_id = k.agent_id
WHERE k.org_id = $1
ORDER BY k.created_at DESC, k.virtual_key_id DESC
LIMIT 1000000;

-- name: WorkspaceExists :one
SELECT EXISTS (SELECT FROM workspace WHERE org_id = $1 AND workspace_id = $2 AND archived_at IS NULL);

-- name: AgentExists :one
SELECT EXISTS (SELECT FROM agent WHERE org_id = $1 AND workspace_id = $2 AND agent_id = $3 AND archived_at IS NULL);

-- name: ListRouteNames :many
-- The models that callers in the workspace can name.
SELECT DISTINCT name
FROM route
WHERE org_id = $1 AND (workspace_id IS NULL OR workspace_id = sqlc.arg(workspace_id)) AND archived_at IS NULL
ORDER BY name
LIMIT 10000;
