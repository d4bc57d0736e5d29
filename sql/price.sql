-- name: UpsertPrice :execrows
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's. The row counts only when it changes something.
INSERT INTO model_price (price_id, catalog, model, effective_at, input_pico, cached_input_pico, cache_write_pico, output_pico, reasoning_pico, context_tokens, max_output_tokens)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (catalog, model, effective_at) DO UPDATE SET
  input_pico = excluded.input_pico, cached_input_pico = excluded.cached_input_pico, cache_write_pico = excluded.cache_write_pico,
  output_pico = excluded.output_pico, reasoning_pico = excluded.reasoning_pico,
  context_tokens = excluded.context_tokens, max_output_tokens = excluded.max_output_tokens
WHERE (model_price.input_pico, model_price.cached_input_pico, model_price.cache_write_pico, model_price.output_pico, model_price.reasoning_pico,
       model_price.context_tokens, model_price.max_output_tokens)
  IS DISTINCT FROM (excluded.input_pico, excluded.cached_input_pico, excluded.cache_write_pico, excluded.output_pico, excluded.reasoning_pico,
       excluded.context_tokens, excluded.max_output_tokens);

-- name: ListPrices :many
-- @sqlc-vet-disable org-id-required
-- The price catalog is the platform's.
SELECT price_id, catalog, model, effective_at, input_pico, cached_input_pico, cache_write_pico, output_pico, reasoning_pico, context_tokens, max_output_tokens
FROM model_price
WHERE strpos(lower(catalog || '/' || model), lower(sqlc.arg(search)::text)) > 0
ORDER BY catalog, model, effective_at
LIMIT 100000;
