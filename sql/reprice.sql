-- Lock order of a chunk: the job's row, then what ingest.sql and ledger.sql say.

-- name: InsertReprice :exec
INSERT INTO reprice (org_id, reprice_id, catalog, model, from_at, until_at, reason, created_by, place_at, place_event)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: LockReprice :one
SELECT reprice_id, catalog, model, from_at, until_at, reason, created_by, created_at, place_at, place_event, seen, changed, left_out, before_pico, after_pico, done_at
FROM reprice
WHERE org_id = $1 AND reprice_id = $2
FOR UPDATE;

-- name: ListReprices :many
SELECT reprice_id, catalog, model, from_at, until_at, reason, created_by, created_at, place_at, place_event, seen, changed, left_out, before_pico, after_pico, done_at
FROM reprice
WHERE org_id = $1
ORDER BY created_at DESC, reprice_id
LIMIT 200;

-- name: MoveReprice :exec
UPDATE reprice SET place_at = $3, place_event = $4, seen = $5, changed = $6, left_out = $7, before_pico = $8, after_pico = $9, done_at = $10
WHERE org_id = $1 AND reprice_id = $2;

-- name: ListChargeable :many
-- Events that reached a provider, from a place on, with what they cost in the books now.
SELECT e.event_id, e.started_at, e.request_id, e.run_id, e.workspace_id, e.agent_id, e.virtual_key_id, e.end_user, e.labels, e.dialect, e.route_id,
  e.model, e.provider_id, e.provider_model, e.attempt, e.outcome, e.code, e.duration_us, e.input_tokens, e.cached_input_tokens, e.cache_write_tokens,
  e.output_tokens, e.reasoning_tokens, e.estimated, e.bound_pico, e.waste, e.cache_write_hour_tokens, e.audio_input_tokens,
  e.audio_output_tokens, e.image_input_tokens, e.image_output_tokens, e.units, e.service_tier, e.reported, e.charges, p.catalog,
  coalesce(c.after_pico, e.cost_pico)::bigint AS cost_pico, coalesce(c.saved_pico, e.saved_pico)::bigint AS saved_pico,
  coalesce(c.price_id, e.price_id, '00000000-0000-0000-0000-000000000000')::uuid AS price,
  coalesce(CASE WHEN c.event_id IS NULL THEN e.discount_id ELSE c.discount_id END, '00000000-0000-0000-0000-000000000000')::uuid AS discount
FROM usage_event e
JOIN provider p ON p.org_id = e.org_id AND p.provider_id = e.provider_id
LEFT JOIN LATERAL (
  SELECT x.event_id, x.after_pico, x.saved_pico, x.price_id, x.discount_id
  FROM usage_correction x
  WHERE x.org_id = e.org_id AND x.event_id = e.event_id AND x.started_at = e.started_at
  ORDER BY x.corrected_at DESC LIMIT 1
) c ON true
WHERE e.org_id = $1 AND e.started_at >= sqlc.arg(place_at)::timestamptz AND e.started_at < sqlc.arg(until)::timestamptz
  AND (e.started_at > sqlc.arg(place_at)::timestamptz OR e.event_id < sqlc.arg(place_event)::uuid)
  AND (sqlc.arg(catalog)::text = '' OR p.catalog = sqlc.arg(catalog)::text)
  AND (sqlc.arg(model)::text = '' OR e.provider_model = sqlc.arg(model)::text)
ORDER BY e.started_at, e.event_id DESC
LIMIT sqlc.arg(at_most);

-- name: InsertCorrections :exec
INSERT INTO usage_correction (org_id, event_id, started_at, reprice_id, before_pico, after_pico, saved_pico, price_id, discount_id)
SELECT $1, u.event, u.started, sqlc.arg(reprice)::uuid, u.before, u.after, u.saved, u.price, nullif(u.discount, '00000000-0000-0000-0000-000000000000')
FROM (
  SELECT unnest(sqlc.arg(events)::uuid[]) AS event,
    unnest(sqlc.arg(started)::timestamptz[]) AS started,
    unnest(sqlc.arg(befores)::bigint[]) AS before,
    unnest(sqlc.arg(afters)::bigint[]) AS after,
    unnest(sqlc.arg(saved)::bigint[]) AS saved,
    unnest(sqlc.arg(prices)::uuid[]) AS price,
    unnest(sqlc.arg(discounts)::uuid[]) AS discount
) AS u;
