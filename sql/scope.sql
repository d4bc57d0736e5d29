-- name: WorkspaceExists :one
SELECT EXISTS (SELECT FROM workspace WHERE org_id = $1 AND workspace_id = $2 AND archived_at IS NULL);

-- name: VirtualKeyExists :one
SELECT EXISTS (SELECT FROM virtual_key WHERE org_id = $1 AND virtual_key_id = $2 AND revoked_at IS NULL);

-- name: AgentExists :one
SELECT EXISTS (SELECT FROM agent WHERE org_id = $1 AND agent_id = $2 AND archived_at IS NULL);

-- name: ModelExists :one
SELECT EXISTS (SELECT FROM route WHERE org_id = $1 AND name = $2 AND archived_at IS NULL);
