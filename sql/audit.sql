-- name: InsertEntry :exec
INSERT INTO audit_entry (org_id, audit_id, actor_kind, actor_id, actor_name, actor_address, action, subject_id, subject_name, before, after, generation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: ListEntries :many
SELECT audit_id, at, actor_kind, actor_name, actor_address, action, subject_id, subject_name, before, after, generation
FROM audit_entry
WHERE org_id = $1 AND at < sqlc.arg(before_at) AND (sqlc.narg(subject)::uuid IS NULL OR subject_id = sqlc.narg(subject)::uuid)
ORDER BY at DESC, audit_id DESC
LIMIT sqlc.arg(at_most);

-- name: ListEntriesOf :many
-- What was done to one subject.
SELECT audit_id, at, actor_kind, actor_name, actor_address, action, subject_id, subject_name, before, after, generation
FROM audit_entry
WHERE org_id = $1 AND subject_id = $2
ORDER BY at DESC, audit_id DESC
LIMIT sqlc.arg(at_most);
