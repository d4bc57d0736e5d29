-- The dearest runs of months are found by an index, not by reading every run. The view of all runs cannot be ordered by one: what is folded and what
-- is not are asked apart.

-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY IF NOT EXISTS usage_run_cost_idx ON usage_run (org_id, cost_pico DESC, run_id);

-- Runs of which something is not folded yet, with what is.
CREATE OR REPLACE VIEW usage_run_fresh (
  org_id, run_id, workspace_id, agent_id, virtual_key_id, first_at, last_at, steps, events, refused, failed, indeterminate,
  input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, cost_pico, waste_pico, saved_pico, doubt_pico, estimated_events, estimated_pico
) WITH (security_invoker = true) AS
SELECT s.org_id, s.run_id, (array_agg(s.workspace_id ORDER BY s.first_at))[1], (array_agg(s.agent_id ORDER BY s.first_at))[1],
  (array_agg(s.virtual_key_id ORDER BY s.first_at))[1], min(s.first_at), max(s.last_at),
  sum(s.steps)::bigint, sum(s.events)::bigint, sum(s.refused)::bigint, sum(s.failed)::bigint, sum(s.indeterminate)::bigint, sum(s.input_tokens)::bigint,
  sum(s.cached_input_tokens)::bigint, sum(s.cache_write_tokens)::bigint, sum(s.output_tokens)::bigint, sum(s.reasoning_tokens)::bigint, sum(s.cost_pico), sum(s.waste_pico),
  sum(s.saved_pico), sum(s.doubt_pico), sum(s.estimated_events)::bigint, sum(s.estimated_pico)
FROM (
  SELECT e.org_id, e.run_id, e.workspace_id, e.agent_id, e.virtual_key_id, e.started_at AS first_at, e.ended_at AS last_at, e.steps, e.events,
    CASE WHEN e.outcome = 'refused' THEN e.events ELSE 0 END AS refused, CASE WHEN e.outcome IN ('upstream_failed', 'client_closed') THEN e.events ELSE 0 END AS failed,
    CASE WHEN e.outcome = 'indeterminate' THEN e.events ELSE 0 END AS indeterminate,
    e.input_tokens, e.cached_input_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens, e.cost_pico, e.waste_pico, e.saved_pico, e.doubt_pico,
    e.estimated_events, e.estimated_pico
  FROM usage_pending_event e
  WHERE e.run_id <> ''
  UNION ALL
  SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
    r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
    r.estimated_events, r.estimated_pico
  FROM usage_run r
  WHERE EXISTS (SELECT FROM usage_pending_event e WHERE e.org_id = r.org_id AND e.run_id = r.run_id)
) AS s
GROUP BY s.org_id, s.run_id;
GRANT SELECT ON usage_run_fresh TO tollgate_app;

-- Runs that are folded whole.
CREATE OR REPLACE VIEW usage_run_folded WITH (security_invoker = true) AS
SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
  r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
  r.estimated_events, r.estimated_pico
FROM usage_run r
WHERE NOT EXISTS (SELECT FROM usage_pending_event e WHERE e.org_id = r.org_id AND e.run_id = r.run_id);
GRANT SELECT ON usage_run_folded TO tollgate_app;

CREATE OR REPLACE VIEW usage_run_sum WITH (security_invoker = true) AS
SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
  r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
  r.estimated_events, r.estimated_pico
FROM usage_run_folded r
UNION ALL
SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
  r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
  r.estimated_events, r.estimated_pico
FROM usage_run_fresh r;

-- +goose Down
CREATE OR REPLACE VIEW usage_run_sum WITH (security_invoker = true) AS
SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
  r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
  r.estimated_events, r.estimated_pico
FROM usage_run r
WHERE NOT EXISTS (SELECT FROM usage_pending_event e WHERE e.org_id = r.org_id AND e.run_id = r.run_id)
UNION ALL
SELECT s.org_id, s.run_id, (array_agg(s.workspace_id ORDER BY s.first_at))[1], (array_agg(s.agent_id ORDER BY s.first_at))[1],
  (array_agg(s.virtual_key_id ORDER BY s.first_at))[1], min(s.first_at), max(s.last_at),
  sum(s.steps)::bigint, sum(s.events)::bigint, sum(s.refused)::bigint, sum(s.failed)::bigint, sum(s.indeterminate)::bigint, sum(s.input_tokens)::bigint,
  sum(s.cached_input_tokens)::bigint, sum(s.cache_write_tokens)::bigint, sum(s.output_tokens)::bigint, sum(s.reasoning_tokens)::bigint, sum(s.cost_pico), sum(s.waste_pico),
  sum(s.saved_pico), sum(s.doubt_pico), sum(s.estimated_events)::bigint, sum(s.estimated_pico)
FROM (
  SELECT e.org_id, e.run_id, e.workspace_id, e.agent_id, e.virtual_key_id, e.started_at AS first_at, e.ended_at AS last_at, e.steps, e.events,
    CASE WHEN e.outcome = 'refused' THEN e.events ELSE 0 END AS refused, CASE WHEN e.outcome IN ('upstream_failed', 'client_closed') THEN e.events ELSE 0 END AS failed,
    CASE WHEN e.outcome = 'indeterminate' THEN e.events ELSE 0 END AS indeterminate,
    e.input_tokens, e.cached_input_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens, e.cost_pico, e.waste_pico, e.saved_pico, e.doubt_pico,
    e.estimated_events, e.estimated_pico
  FROM usage_pending_event e
  WHERE e.run_id <> ''
  UNION ALL
  SELECT r.org_id, r.run_id, r.workspace_id, r.agent_id, r.virtual_key_id, r.first_at, r.last_at, r.steps, r.events, r.refused, r.failed, r.indeterminate,
    r.input_tokens, r.cached_input_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens, r.cost_pico, r.waste_pico, r.saved_pico, r.doubt_pico,
    r.estimated_events, r.estimated_pico
  FROM usage_run r
  WHERE EXISTS (SELECT FROM usage_pending_event e WHERE e.org_id = r.org_id AND e.run_id = r.run_id)
) AS s
GROUP BY s.org_id, s.run_id;
DROP VIEW IF EXISTS usage_run_fresh, usage_run_folded;
DROP INDEX IF EXISTS usage_run_cost_idx;
