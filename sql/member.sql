-- name: EnterUser :exec
-- @sqlc-vet-disable org-id-required
-- It makes a person's own memberships visible, and nothing else.
SELECT set_config('app.user', sqlc.arg(user_id)::text, true);

-- name: LockPeople :exec
-- @sqlc-vet-disable org-id-required
-- One first start at a time, over all replicas.
SELECT pg_advisory_xact_lock(7046029255);

-- name: AnyPerson :one
-- @sqlc-vet-disable org-id-required
-- People belong to no organization.
SELECT EXISTS (SELECT FROM app_user);

-- name: InsertPerson :execrows
-- @sqlc-vet-disable org-id-required
-- People belong to no organization. Somebody who is known stays as they are.
INSERT INTO app_user (user_id, email, name, password_hash)
VALUES ($1, $2, $3, $4)
ON CONFLICT (email) DO NOTHING;

-- name: FindPerson :one
-- @sqlc-vet-disable org-id-required
-- People belong to no organization.
SELECT user_id, email, name, password_hash, disabled_at
FROM app_user
WHERE email = $1;

-- name: GetPassword :one
-- @sqlc-vet-disable org-id-required
-- People belong to no organization.
SELECT password_hash
FROM app_user
WHERE user_id = $1 AND disabled_at IS NULL;

-- name: UpdatePassword :execrows
-- @sqlc-vet-disable org-id-required
-- People belong to no organization. Of two changes at once the second one finds another password than it judged.
UPDATE app_user SET password_hash = $2
WHERE user_id = $1 AND password_hash = sqlc.arg(password_hash_before) AND disabled_at IS NULL;

-- name: ListMembershipsOfPerson :many
-- @sqlc-vet-disable org-id-required
-- A person's own rows, which the policy on app.user shows.
SELECT org_id, role
FROM member
WHERE user_id = $1
ORDER BY created_at, org_id
LIMIT 1000;

-- name: GetOrgName :one
SELECT name, slug
FROM org
WHERE org_id = $1;

-- name: InsertMember :exec
INSERT INTO member (org_id, user_id, role)
VALUES ($1, $2, $3);

-- name: UpdateMember :execrows
UPDATE member SET role = $3
WHERE org_id = $1 AND user_id = $2;

-- name: DeleteMember :execrows
DELETE FROM member
WHERE org_id = $1 AND user_id = $2;

-- name: GetMember :one
SELECT m.user_id, u.email, u.name, m.role, m.created_at, u.disabled_at
FROM member m JOIN app_user u ON u.user_id = m.user_id
WHERE m.org_id = $1 AND m.user_id = $2;

-- name: ListMembers :many
SELECT m.user_id, u.email, u.name, m.role, m.created_at, u.disabled_at
FROM member m JOIN app_user u ON u.user_id = m.user_id
WHERE m.org_id = $1
ORDER BY u.email
LIMIT 10000;

-- name: LockOwners :many
-- Serializes the changes that could take an organization's last owner away.
SELECT user_id
FROM member
WHERE org_id = $1 AND role = 'owner'
ORDER BY user_id
LIMIT 10000
FOR UPDATE;
