-- name: InsertGuardrail :exec
INSERT INTO guardrail (org_id, guardrail_id, name, scope, scope_id, action, words)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: UpdateGuardrail :execrows
UPDATE guardrail SET name = $3, action = $4, words = $5
WHERE org_id = $1 AND guardrail_id = $2 AND archived_at IS NULL;

-- name: ArchiveGuardrail :execrows
UPDATE guardrail SET archived_at = now()
WHERE org_id = $1 AND guardrail_id = $2 AND archived_at IS NULL;

-- name: GetGuardrail :one
SELECT g.guardrail_id, g.name, g.scope, g.scope_id, coalesce(w.name, a.name, k.name, '')::text AS scope_name, g.action, g.words, g.created_at, g.archived_at
FROM guardrail g
LEFT JOIN workspace w ON w.org_id = g.org_id AND w.workspace_id = g.scope_id
LEFT JOIN agent a ON a.org_id = g.org_id AND a.agent_id = g.scope_id
LEFT JOIN virtual_key k ON k.org_id = g.org_id AND k.virtual_key_id = g.scope_id
WHERE g.org_id = $1 AND g.guardrail_id = $2;

-- name: ListGuardrails :many
SELECT g.guardrail_id, g.name, g.scope, g.scope_id, coalesce(w.name, a.name, k.name, '')::text AS scope_name, g.action, g.words, g.created_at, g.archived_at
FROM guardrail g
LEFT JOIN workspace w ON w.org_id = g.org_id AND w.workspace_id = g.scope_id
LEFT JOIN agent a ON a.org_id = g.org_id AND a.agent_id = g.scope_id
LEFT JOIN virtual_key k ON k.org_id = g.org_id AND k.virtual_key_id = g.scope_id
WHERE g.org_id = $1 AND g.archived_at IS NULL
ORDER BY g.name, g.guardrail_id
LIMIT 100000;
