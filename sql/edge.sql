-- name: ListEdges :many
SELECT e.edge_id, e.name, e.region, e.version, e.connected_at, e.last_seen_at, e.spool_pending, e.spool_bytes, e.in_flight, e.requests,
  e.clock_skew_ms, e.accepting, e.rate_counting, e.rate_counting_since, e.live_edges, e.spool_corrupt, e.spool_kept_bytes,
  coalesce(e.open_targets -> ($1::uuid)::text, '[]')::jsonb AS open_targets, coalesce(e.stopped_canaries -> ($1::uuid)::text, '[]')::jsonb AS stopped_canaries,
  coalesce(e.refused_credentials -> ($1::uuid)::text, '[]')::jsonb AS refused_credentials,
  coalesce((SELECT sum(u.calls) FROM usage_gap u WHERE u.org_id = $1 AND u.edge_id = e.edge_id AND u.last_at > now() - interval '30 days'), 0)::bigint AS unrecorded, g.generation, g.acked_at, g.lag_ms, g.nack_generation, g.nack_path, g.nack_reason
FROM edge e LEFT JOIN edge_generation g ON g.edge_id = e.edge_id AND g.org_id = $1
ORDER BY e.name, e.edge_id
LIMIT 10000;

-- name: CurrentGeneration :one
SELECT generation
FROM generation
WHERE org_id = $1;

-- name: GetProblem :one
-- A problem of an older generation is over.
SELECT p.generation, p.path, p.reason, p.noticed_at
FROM publish_problem p JOIN generation g ON g.org_id = p.org_id AND g.generation = p.generation
WHERE p.org_id = $1;

-- name: ListRejects :many
-- Usage records that came within a span of time and that no event could be made of.
SELECT r.edge_id, e.name, count(*) AS records, max(r.rejected_at)::timestamptz AS last_at, (array_agg(r.seq ORDER BY r.rejected_at DESC, r.seq DESC))[1]::bigint AS last_seq,
  (array_agg(r.reason ORDER BY r.rejected_at DESC, r.seq DESC))[1]::text AS last_reason
FROM usage_reject r JOIN edge e USING (edge_id)
WHERE r.org_id = $1 AND r.rejected_at >= sqlc.arg(since)::timestamptz AND r.rejected_at < sqlc.arg(until)::timestamptz
GROUP BY r.edge_id, e.name
ORDER BY e.name, r.edge_id
LIMIT 10000;

-- name: ListGaps :many
-- Calls that were served without a record by processes that had any in a span of time.
SELECT u.edge_id, e.name, u.calls, u.first_at, u.last_at
FROM usage_gap u JOIN edge e USING (edge_id)
WHERE u.org_id = $1 AND u.calls > 0 AND u.first_at < sqlc.arg(until)::timestamptz AND u.last_at >= sqlc.arg(since)::timestamptz
ORDER BY u.first_at, u.edge_id, u.epoch
LIMIT 1000;
