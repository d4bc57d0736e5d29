-- name: InsertWorkspace :one
INSERT INTO workspace (org_id, workspace_id, name, slug)
VALUES ($1, $2, $3, $4)
RETURNING workspace_id, name, slug, cache_epoch, created_at, archived_at;

-- name: UpdateWorkspace :one
UPDATE workspace SET name = $3
WHERE org_id = $1 AND workspace_id = $2 AND archived_at IS NULL
RETURNING workspace_id, name, slug, cache_epoch, created_at, archived_at;

-- name: ArchiveWorkspace :one
UPDATE workspace SET archived_at = now()
WHERE org_id = $1 AND workspace_id = $2 AND archived_at IS NULL
RETURNING workspace_id, name, slug, cache_epoch, created_at, archived_at;

-- name: ForgetAnswers :one
UPDATE workspace SET cache_epoch = cache_epoch + 1
WHERE org_id = $1 AND workspace_id = $2 AND archived_at IS NULL
RETURNING workspace_id, name, slug, cache_epoch, created_at, archived_at;

-- name: GetWorkspace :one
SELECT workspace_id, name, slug, cache_epoch, created_at, archived_at
FROM workspace
WHERE org_id = $1 AND workspace_id = $2;

-- name: ListWorkspaces :many
SELECT workspace_id, name, slug, cache_epoch, created_at, archived_at
FROM workspace
WHERE org_id = $1 AND archived_at IS NULL
ORDER BY name, workspace_id
LIMIT 10000;
