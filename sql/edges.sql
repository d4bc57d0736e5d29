-- Edges serve every organization, so that their own rows carry no org_id; edge_generation says what each runs of one organization.

-- name: LockEdge :one
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization. The lock lets epochs and leases of the edge be added meanwhile: ingest, which adds an epoch first and then
-- needs its edge, would wait for it for ever.
SELECT e.epoch, coalesce((SELECT p.fenced_at IS NOT NULL FROM edge_epoch p WHERE p.edge_id = e.edge_id AND p.epoch = e.epoch), false)::boolean AS fenced
FROM edge e
WHERE e.edge_id = $1
FOR NO KEY UPDATE;

-- name: InsertEdge :execrows
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
INSERT INTO edge (edge_id, name, region, version, epoch, first_seen_at, connected_at, last_seen_at)
VALUES ($1, $2, $3, $4, $5, sqlc.arg(at), sqlc.arg(at), sqlc.arg(at))
ON CONFLICT DO NOTHING;

-- name: ConnectEdge :exec
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
UPDATE edge SET name = $2, region = $3, version = $4, epoch = $5, connected_at = sqlc.arg(at)::timestamptz, last_seen_at = sqlc.arg(at)::timestamptz
WHERE edge_id = $1;

-- name: EnsureEpoch :one
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
INSERT INTO edge_epoch (edge_id, epoch)
VALUES ($1, $2)
ON CONFLICT (edge_id, epoch) DO UPDATE SET seq = edge_epoch.seq
RETURNING fenced_at;

-- name: GetEpoch :one
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization. The lock lets epochs and leases of the edge be added meanwhile: ingest, which adds an epoch first and then
-- needs its edge, would wait for it for ever.
SELECT e.epoch, coalesce((SELECT p.fenced_at IS NOT NULL FROM edge_epoch p WHERE p.edge_id = e.edge_id AND p.epoch = e.epoch), false)::boolean AS fenced
FROM edge e
WHERE e.edge_id = $1;

-- name: FenceEpochs :exec
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization. The current epoch is fenced even if it was never written down.
INSERT INTO edge_epoch (edge_id, epoch, fenced_at)
SELECT e.edge_id, e.epoch, sqlc.arg(at)::timestamptz FROM edge e WHERE e.edge_id = $1
UNION SELECT p.edge_id, p.epoch, sqlc.arg(at)::timestamptz FROM edge_epoch p WHERE p.edge_id = $1
ON CONFLICT (edge_id, epoch) DO UPDATE SET fenced_at = coalesce(edge_epoch.fenced_at, excluded.fenced_at);

-- name: GetEdgeName :one
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
SELECT name
FROM edge
WHERE edge_id = $1
FOR NO KEY UPDATE;

-- name: DisconnectEdge :exec
-- @sqlc-vet-disable org-id-required
-- Only the connection that is named ends: the edge may be connected elsewhere by now.
UPDATE edge SET connected_at = NULL, accepting = false
WHERE edge_id = $1 AND connected_at = $2;

-- name: SaveStatus :exec
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization.
UPDATE edge SET last_seen_at = $2, spool_pending = $3, spool_bytes = $4, in_flight = $5, requests = $6, clock_skew_ms = $7, accepting = $8,
  rate_counting = $9, rate_counting_since = $10, live_edges = $11,
  spool_corrupt = $12, spool_kept_bytes = $13, rate_uses = $14, open_targets = $15, stopped_canaries = $16, refused_credentials = $17
WHERE edge_id = $1;

-- name: CountLive :one
-- @sqlc-vet-disable org-id-required
-- Edges belong to no organization. A control plane that died could not say that its edges have left.
SELECT count(*)
FROM edge
WHERE connected_at IS NOT NULL AND last_seen_at > $1;

-- name: SaveAck :exec
INSERT INTO edge_generation (org_id, edge_id, generation, acked_at, lag_ms)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, edge_id) DO UPDATE SET generation = excluded.generation, acked_at = excluded.acked_at, lag_ms = excluded.lag_ms,
  nack_generation = CASE WHEN edge_generation.nack_generation > excluded.generation THEN edge_generation.nack_generation END,
  nack_path = CASE WHEN edge_generation.nack_generation > excluded.generation THEN edge_generation.nack_path ELSE '' END,
  nack_reason = CASE WHEN edge_generation.nack_generation > excluded.generation THEN edge_generation.nack_reason ELSE '' END,
  nacked_at = CASE WHEN edge_generation.nack_generation > excluded.generation THEN edge_generation.nacked_at END
WHERE edge_generation.generation <> excluded.generation;

-- name: SaveNack :exec
INSERT INTO edge_generation (org_id, edge_id, generation, acked_at, lag_ms, nack_generation, nack_path, nack_reason, nacked_at)
VALUES ($1, $2, 0, sqlc.arg(at)::timestamptz, 0, $3, $4, $5, sqlc.arg(at)::timestamptz)
ON CONFLICT (org_id, edge_id) DO UPDATE SET nack_generation = excluded.nack_generation, nack_path = excluded.nack_path,
  nack_reason = excluded.nack_reason, nacked_at = excluded.nacked_at;

-- name: SaveGap :exec
INSERT INTO usage_gap (org_id, edge_id, epoch, calls, first_at, last_at)
VALUES ($1, $2, $3, $4, sqlc.arg(at)::timestamptz, sqlc.arg(at)::timestamptz)
ON CONFLICT (org_id, edge_id, epoch) DO UPDATE SET calls = excluded.calls,
  last_at = CASE WHEN excluded.calls > usage_gap.calls THEN excluded.last_at ELSE usage_gap.last_at END
WHERE usage_gap.calls <> excluded.calls;

-- name: CurrentGeneration :one
SELECT generation
FROM generation
WHERE org_id = $1;
