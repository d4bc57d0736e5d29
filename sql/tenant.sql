-- name: EnterOrg :exec
-- @sqlc-vet-disable org-id-required
-- This is what makes org_id hold in every other statement.
SELECT set_config('app.org', sqlc.arg(org_id)::text, true);

-- name: BumpGeneration :one
-- Locks the organization's generation row until the commit, so that its changes are numbered in the order of their commits. The sequence may
-- be behind the row: see MoveAhead.
WITH bumped AS (
  INSERT INTO generation (org_id, generation, changed_at)
  VALUES (sqlc.arg(org_id), nextval('generation_seq'), clock_timestamp())
  ON CONFLICT (org_id) DO UPDATE SET generation = greatest(nextval('generation_seq'), generation.generation + 1), changed_at = clock_timestamp()
  RETURNING org_id, generation
)
SELECT generation FROM bumped, LATERAL (SELECT pg_notify('tollgate_generation', bumped.org_id::text)) AS announced;

-- name: BumpPlatformGeneration :one
-- @sqlc-vet-disable org-id-required
-- The zero id stands for what belongs to no organization: the price catalog.
UPDATE generation SET generation = greatest(nextval('generation_seq'), generation + 1), changed_at = clock_timestamp()
FROM (SELECT pg_notify('tollgate_generation', '00000000-0000-0000-0000-000000000000')) AS announced
WHERE org_id = '00000000-0000-0000-0000-000000000000'
RETURNING generation;

-- name: MoveAhead :execrows
-- The zero id stands for the platform, as above.
UPDATE generation SET generation = greatest(nextval('generation_seq'), sqlc.arg(than)::bigint + 1), changed_at = clock_timestamp()
FROM (SELECT pg_notify('tollgate_generation', sqlc.arg(payload)::text)) AS announced
WHERE org_id = $1 AND generation < sqlc.arg(than)::bigint;
