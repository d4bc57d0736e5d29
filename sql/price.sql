-- name: SupersedeLeftOut :execrows
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's. Rows that the table which comes with the program has no more are kept and charged no more, but
-- for models of which the operator has imported prices: those are the operator's.
UPDATE model_price SET superseded_at = now()
WHERE superseded_at IS NULL AND price_id <> ALL(sqlc.arg(ids)::uuid[])
  AND NOT EXISTS (SELECT FROM model_price i WHERE i.catalog = model_price.catalog AND i.model = model_price.model AND i.imported);

-- name: SupersedeSame :execrows
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's. Rows of which the operator's file says something else are kept and charged no more.
UPDATE model_price SET superseded_at = now()
FROM (
  SELECT unnest(sqlc.arg(ids)::uuid[]) AS id,
    unnest(sqlc.arg(catalogs)::text[]) AS catalog,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(effectives)::timestamptz[]) AS effective,
    unnest(sqlc.arg(aboves)::integer[]) AS above,
    unnest(sqlc.arg(services)::text[]) AS service
) AS u
WHERE model_price.catalog = u.catalog AND model_price.model = u.model AND model_price.effective_at = u.effective
  AND model_price.above_tokens = u.above AND model_price.service = u.service AND model_price.price_id <> u.id AND model_price.superseded_at IS NULL;

-- name: UpsertPrices :execrows
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's. Only rows that are new, or back, are written and counted, in the order of the key.
INSERT INTO model_price (price_id, catalog, model, effective_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, image_pico, character_pico, audio_second_pico, search_pico, context_tokens, max_output_tokens, imported)
SELECT u.id, u.catalog, u.model, u.effective, u.above, u.service, u.input, u.cached_input, u.cache_write, u.cache_write_hour,
  u.output, u.reasoning, u.audio_input, u.audio_output, u.image_input, u.image_output, u.request, u.image, u.character, u.audio_second, u.search, u.context, u.max_output, sqlc.arg(imported)::boolean
FROM (
  SELECT unnest(sqlc.arg(ids)::uuid[]) AS id,
    unnest(sqlc.arg(catalogs)::text[]) AS catalog,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(effectives)::timestamptz[]) AS effective,
    unnest(sqlc.arg(aboves)::integer[]) AS above,
    unnest(sqlc.arg(services)::text[]) AS service,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(cache_write_hours)::bigint[]) AS cache_write_hour,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(audio_inputs)::bigint[]) AS audio_input,
    unnest(sqlc.arg(audio_outputs)::bigint[]) AS audio_output,
    unnest(sqlc.arg(image_inputs)::bigint[]) AS image_input,
    unnest(sqlc.arg(image_outputs)::bigint[]) AS image_output,
    unnest(sqlc.arg(requests)::bigint[]) AS request,
    unnest(sqlc.arg(images)::bigint[]) AS image,
    unnest(sqlc.arg(characters)::bigint[]) AS character,
    unnest(sqlc.arg(audio_seconds)::bigint[]) AS audio_second,
    unnest(sqlc.arg(searches)::bigint[]) AS search,
    unnest(sqlc.arg(contexts)::integer[]) AS context,
    unnest(sqlc.arg(max_outputs)::integer[]) AS max_output
) AS u
WHERE sqlc.arg(imported)::boolean OR NOT EXISTS (SELECT FROM model_price i WHERE i.catalog = u.catalog AND i.model = u.model AND i.imported)
ORDER BY u.catalog, u.model, u.effective, u.above, u.service
ON CONFLICT (price_id) DO UPDATE SET superseded_at = NULL, imported = excluded.imported
WHERE model_price.superseded_at IS NOT NULL OR model_price.imported <> excluded.imported;

-- name: ListPrices :many
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's.
SELECT price_id, catalog, model, effective_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, image_pico, character_pico, audio_second_pico, search_pico, context_tokens, max_output_tokens
FROM model_price
WHERE superseded_at IS NULL AND strpos(lower(catalog || '/' || model), lower(sqlc.arg(search)::text)) > 0
ORDER BY catalog, model, effective_at, service, above_tokens
LIMIT 100000;

-- name: ListFormerPrices :many
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's. These are the rows, superseded ones too, that old events name.
SELECT price_id, catalog, model, effective_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, image_pico, character_pico, audio_second_pico, search_pico, context_tokens, max_output_tokens
FROM model_price
WHERE price_id = ANY(sqlc.arg(ids)::uuid[])
ORDER BY price_id
LIMIT 100000;

-- name: LockOwnPrices :exec
-- One change of an organization's prices after the other, so that what is compared is what is written.
SELECT org_id FROM org WHERE org_id = $1 FOR NO KEY UPDATE;

-- name: InsertOwnPrice :exec
INSERT INTO org_price (org_id, price_id, kind, catalog, model, effective_at, ended_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico,
  cache_write_hour_pico, output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, image_pico, character_pico, audio_second_pico, search_pico,
  context_tokens, max_output_tokens, discount_per_mille, note, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29);

-- name: EndOwnPrice :execrows
UPDATE org_price SET ended_at = $3
WHERE org_id = $1 AND price_id = $2;

-- name: ListOwnPrices :many
SELECT price_id, kind, catalog, model, effective_at, ended_at, above_tokens, service, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, image_input_pico, image_output_pico, request_pico, image_pico, character_pico, audio_second_pico, search_pico, context_tokens, max_output_tokens,
  discount_per_mille, note, created_by, created_at
FROM org_price
WHERE org_id = $1
ORDER BY kind, catalog, model, effective_at DESC, service, above_tokens, created_at DESC
LIMIT 100000;

-- name: ListUnpriced :many
-- Models of live routes that no row of the catalog and no own price of the organization is for.
SELECT DISTINCT p.provider_id, p.name AS provider, p.catalog, t.model
FROM route r
JOIN route_target t ON t.org_id = r.org_id AND t.route_id = r.route_id
JOIN provider p ON p.org_id = t.org_id AND p.provider_id = t.provider_id
WHERE r.org_id = $1 AND r.archived_at IS NULL
  AND NOT EXISTS (SELECT FROM model_price m WHERE m.catalog = p.catalog AND m.model = t.model AND m.superseded_at IS NULL AND m.effective_at <= sqlc.arg(at)::timestamptz)
  AND NOT EXISTS (SELECT FROM org_price o WHERE o.org_id = r.org_id AND o.kind = 'override' AND o.catalog = p.catalog AND o.model = t.model
    AND o.effective_at <= sqlc.arg(at)::timestamptz AND (o.ended_at IS NULL OR o.ended_at > sqlc.arg(at)::timestamptz))
ORDER BY p.name, t.model
LIMIT 1000;

-- name: ListOrgs :many
-- @sqlc-vet-disable org-id-required
-- An import into the catalog is in the audit of every organization.
SELECT org_id
FROM generation
WHERE org_id <> '00000000-0000-0000-0000-000000000000'
ORDER BY org_id
LIMIT 1000000;
