-- One shape to read all sums in. The source is the table without usage_; a query that names one reads that table alone.

-- +goose Up
CREATE VIEW usage_sum WITH (security_invoker = true) AS
SELECT 'hour'::text AS source, org_id, hour AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_hour
UNION ALL
SELECT 'day'::text AS source, org_id, day AS start, ''::text AS name, ''::text AS value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_day
UNION ALL
SELECT 'tag_hour'::text AS source, org_id, hour AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_hour
UNION ALL
SELECT 'tag_day'::text AS source, org_id, day AS start, name, value,
  workspace_id, agent_id, virtual_key_id, provider_id, route_id, model, outcome, code,
  events, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico,
  doubt_pico, estimated_events, estimated_pico
FROM usage_tag_day;
GRANT SELECT ON usage_sum TO tollgate_app;

-- +goose Down
DROP VIEW usage_sum;
