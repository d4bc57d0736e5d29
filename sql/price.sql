-- name: UpsertPrices :execrows
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's. Only rows that are new or different are written and counted, in the order of the key.
INSERT INTO model_price (price_id, catalog, model, effective_at, above_tokens, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, request_pico, context_tokens, max_output_tokens)
SELECT u.id, u.catalog, u.model, u.effective, u.above, u.input, u.cached_input, u.cache_write, u.cache_write_hour,
  u.output, u.reasoning, u.audio_input, u.audio_output, u.request, u.context, u.max_output
FROM (
  SELECT unnest(sqlc.arg(ids)::uuid[]) AS id,
    unnest(sqlc.arg(catalogs)::text[]) AS catalog,
    unnest(sqlc.arg(models)::text[]) AS model,
    unnest(sqlc.arg(effectives)::timestamptz[]) AS effective,
    unnest(sqlc.arg(aboves)::integer[]) AS above,
    unnest(sqlc.arg(inputs)::bigint[]) AS input,
    unnest(sqlc.arg(cached_inputs)::bigint[]) AS cached_input,
    unnest(sqlc.arg(cache_writes)::bigint[]) AS cache_write,
    unnest(sqlc.arg(cache_write_hours)::bigint[]) AS cache_write_hour,
    unnest(sqlc.arg(outputs)::bigint[]) AS output,
    unnest(sqlc.arg(reasonings)::bigint[]) AS reasoning,
    unnest(sqlc.arg(audio_inputs)::bigint[]) AS audio_input,
    unnest(sqlc.arg(audio_outputs)::bigint[]) AS audio_output,
    unnest(sqlc.arg(requests)::bigint[]) AS request,
    unnest(sqlc.arg(contexts)::integer[]) AS context,
    unnest(sqlc.arg(max_outputs)::integer[]) AS max_output
) AS u
ORDER BY u.catalog, u.model, u.effective, u.above
ON CONFLICT (catalog, model, effective_at, above_tokens) DO UPDATE SET
  input_pico = excluded.input_pico, cached_input_pico = excluded.cached_input_pico, cache_write_pico = excluded.cache_write_pico,
  cache_write_hour_pico = excluded.cache_write_hour_pico, output_pico = excluded.output_pico, reasoning_pico = excluded.reasoning_pico,
  audio_input_pico = excluded.audio_input_pico, audio_output_pico = excluded.audio_output_pico, request_pico = excluded.request_pico,
  context_tokens = excluded.context_tokens, max_output_tokens = excluded.max_output_tokens
WHERE (model_price.input_pico, model_price.cached_input_pico, model_price.cache_write_pico, model_price.cache_write_hour_pico, model_price.output_pico,
       model_price.reasoning_pico, model_price.audio_input_pico, model_price.audio_output_pico, model_price.request_pico,
       model_price.context_tokens, model_price.max_output_tokens)
  IS DISTINCT FROM (excluded.input_pico, excluded.cached_input_pico, excluded.cache_write_pico, excluded.cache_write_hour_pico, excluded.output_pico,
       excluded.reasoning_pico, excluded.audio_input_pico, excluded.audio_output_pico, excluded.request_pico,
       excluded.context_tokens, excluded.max_output_tokens);

-- name: ListPrices :many
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's.
SELECT price_id, catalog, model, effective_at, above_tokens, input_pico, cached_input_pico, cache_write_pico, cache_write_hour_pico,
  output_pico, reasoning_pico, audio_input_pico, audio_output_pico, request_pico, context_tokens, max_output_tokens
FROM model_price
WHERE strpos(lower(catalog || '/' || model), lower(sqlc.arg(search)::text)) > 0
ORDER BY catalog, model, effective_at, above_tokens
LIMIT 100000;
