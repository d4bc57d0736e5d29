-- name: InsertAgent :exec
INSERT INTO agent (org_id, agent_id, workspace_id, name, description)
VALUES ($1, $2, $3, $4, $5);

-- name: UpdateAgent :execrows
UPDATE agent SET name = $3, description = $4
WHERE org_id = $1 AND agent_id = $2 AND archived_at IS NULL;

-- name: ArchiveAgent :execrows
UPDATE agent SET archived_at = now()
WHERE org_id = $1 AND agent_id = $2 AND archived_at IS NULL;

-- name: GetAgent :one
SELECT a.agent_id, a.workspace_id, w.name AS workspace_name, a.name, a.description, a.created_at, a.archived_at
FROM agent a JOIN workspace w ON w.org_id = a.org_id AND w.workspace_id = a.workspace_id
WHERE a.org_id = $1 AND a.agent_id = $2;

-- name: ListAgents :many
SELECT a.agent_id, a.workspace_id, w.name AS workspace_name, a.name, a.description, a.created_at, a.archived_at
FROM agent a JOIN workspace w ON w.org_id = a.org_id AND w.workspace_id = a.workspace_id
WHERE a.org_id = $1 AND a.archived_at IS NULL
ORDER BY a.name, a.agent_id
LIMIT 100000;

-- name: WorkspaceExists :one
SELECT EXISTS (SELECT FROM workspace WHERE org_id = $1 AND workspace_id = $2 AND archived_at IS NULL);
